// Buttons that copy a text.
"use strict";
(() => {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const label = button.querySelector("span") ?? button;
    const text = label.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      return;
    }
    label.textContent = button.dataset.copied;
    setTimeout(() => (label.textContent = text), 1500);
  });
})();

// Buttons that copy a text, and links to a line of an editor (`?line=12`).
"use strict";
(() => {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("[data-copy]");
    if (!button) return;
    const text = button.textContent;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
    } catch {
      return;
    }
    button.textContent = button.dataset.copied;
    setTimeout(() => (button.textContent = text), 1500);
  });

  const line = Number(new URLSearchParams(location.search).get("line")) - 1;
  const editor = document.querySelector(".CodeMirror")?.CodeMirror;
  if (editor && Number.isInteger(line) && line >= 0) {
    editor.setCursor(line, 0);
    editor.addLineClass(line, "background", "asked-for");
    editor.scrollIntoView({ line, ch: 0 }, 100);
  }
})();

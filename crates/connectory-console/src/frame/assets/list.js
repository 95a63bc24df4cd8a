// The list of connectors: its selection, and rows that open with a click.
"use strict";
(() => {
  // The selection of a list: how many are selected, all at once, and none with Escape.
  const boxes = () => [...document.querySelectorAll("[data-select]")];
  let selected = new Set();
  const count = () => {
    const all = boxes();
    const chosen = all.filter((box) => box.checked);
    selected = new Set(chosen.map((box) => box.value));
    const text = document.querySelector("[data-selected]");
    if (text) text.textContent = text.dataset.selected.replace("{0}", chosen.length);
    const head = document.querySelector("[data-select-all]");
    if (!head) return;
    head.checked = chosen.length > 0 && chosen.length === all.length;
    head.indeterminate = chosen.length > 0 && !head.checked;
  };
  const select = (is) => {
    for (const box of boxes()) box.checked = is(box);
    count();
  };
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-select-all]")) select(() => event.target.checked);
    else if (event.target.matches?.("[data-select]")) count();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && !event.target.closest("dialog, select, textarea, input:not([type=checkbox])")) select(() => false);
  });
  // Of a list that was replaced, those that are still in it stay selected: nobody changes what they do not see.
  document.addEventListener("htmx:after:swap", () => {
    const before = selected;
    select((box) => before.has(box.value));
  });
  // A browser that comes back to a page keeps what was checked.
  window.addEventListener("pageshow", count);

  // A click on a row opens what its name leads to.
  document.addEventListener("click", (event) => {
    const row = event.target.closest("table.rows > tbody > tr");
    if (!row || event.defaultPrevented || event.target.closest("a, button, label, input, summary, details") || String(getSelection())) return;
    const link = row.querySelector("a.name");
    if (event.ctrlKey || event.metaKey) window.open(link.href, "_blank", "noopener");
    else link.click();
  });
})();

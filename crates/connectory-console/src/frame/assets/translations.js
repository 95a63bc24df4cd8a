// The cells of the translations: their keys, what became of a text, and files that are dropped on the page.
"use strict";
(() => {
  const cellOf = (element) => element.closest?.(".texts textarea");
  const isShown = (cell) => cell.offsetParent !== null;
  const cells = () => [...document.querySelectorAll(".texts textarea")].filter(isShown);
  const isMissing = (cell) => cell.closest("td").matches(".miss");
  const isAsked = (cell) => cell.parentElement.querySelector("button") !== null;

  // The next cell of a list, or the one before.
  const beside = (cell, step, isWanted = () => true) => {
    const all = cells();
    for (let at = all.indexOf(cell) + step; all[at]; at += step) if (isWanted(all[at])) return all[at];
    return undefined;
  };
  // The next cell below in the same column.
  const below = (cell) => beside(cell, 1, (other) => other.closest("td").cellIndex === cell.closest("td").cellIndex);

  const moves = {
    "Alt+ArrowDown": (cell) => beside(cell, 1, isMissing) ?? cell,
    "Alt+ArrowUp": (cell) => beside(cell, -1, isMissing) ?? cell,
    "Ctrl+Enter": (cell) => below(cell) ?? cell,
    // From a cell with buttons the browser goes to them.
    Tab: (cell) => (isAsked(cell) ? undefined : beside(cell, 1)),
  };

  document.addEventListener("keydown", (event) => {
    const cell = cellOf(event.target);
    if (!cell || event.isComposing || event.shiftKey) return;
    const held = [(event.ctrlKey || event.metaKey) && "Ctrl", event.altKey && "Alt"].filter(Boolean);
    const pressed = [...held, event.key].join("+");
    if (pressed === "Escape") {
      event.preventDefault();
      return drafts.discardCell(cell);
    }
    const next = moves[pressed]?.(cell);
    if (!next) return;
    event.preventDefault();
    // A browser tells of a change when its field is left.
    if (next === cell) cell.blur();
    next.focus();
    next.select();
  });

  // What became of a text, as the cell shows it. The answer of the server replaces the cell.
  const mark = (ctx, state) => {
    const cell = cellOf(ctx.sourceElement);
    if (cell) cell.closest("td").dataset.state = state;
  };
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => mark(ctx, "saving"));
  document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => mark(ctx, "failed"));
  document.addEventListener("htmx:error", ({ detail: { ctx } }) => mark(ctx, "failed"));

  // A form takes a file. Its name often tells the locale: `de.properties`, `connectorMessages_zh_CN.properties`.
  const menu = document.querySelector("[data-takes-files]");
  if (!menu) return;
  const { file, locale } = menu.querySelector("form").elements;
  const guess = (name) => {
    const stem = `-${name.replace(/\.properties$/i, "").replaceAll(/[_.]/g, "-").toLowerCase()}`;
    return [...locale.options].find((option) => stem.endsWith(`-${option.value.toLowerCase()}`));
  };
  file.addEventListener("change", () => {
    const guessed = file.files[0] && guess(file.files[0].name);
    if (guessed) locale.value = guessed.value;
  });
  drops.take((transfer) => {
    const dropped = new DataTransfer();
    dropped.items.add(transfer.files[0]);
    file.files = dropped.files;
    file.dispatchEvent(new Event("change", { bubbles: true }));
    menu.open = true;
    menu.querySelector("button").focus();
  });
})();

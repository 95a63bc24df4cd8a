// The parts of all pages that need a script: form previews that follow the input, selects that send their form, and keys.
"use strict";
const previews = (() => {
  // A select that sends its form when it changes.
  document.addEventListener("change", (event) => {
    if (event.target.matches?.("[data-submits]")) event.target.form.requestSubmit();
  });

  // Form previews: a part may be shown only while another field has a value. A hidden field has no value.
  const valueOf = (preview, name) => {
    const inputs = [...preview.querySelectorAll("[data-name]")].filter((input) => input.dataset.name === name);
    const input = inputs.find((input) => input.type === "radio" && input.checked) ?? inputs[0];
    if (!input || input.closest("[hidden]")) return null;
    if (input.type === "radio") return input.checked ? input.value : "";
    return input.type === "checkbox" ? String(input.checked) : input.value;
  };
  const follow = (preview) => {
    const parts = [...preview.querySelectorAll("[data-parent]")];
    // A part may depend on a part that depends on another one. Each round follows one more step; a circle ends with the
    // rounds.
    for (let round = 0; round <= parts.length; round++) {
      let changed = false;
      for (const part of parts) {
        const value = valueOf(preview, part.dataset.parent);
        const wanted = part.dataset.value;
        const shown = value !== null && (value === wanted || wanted.split(",").some((one) => one.trim() === value));
        if (part.hidden === shown) {
          part.hidden = !shown;
          changed = true;
        }
      }
      if (!changed) break;
    }
  };
  document.addEventListener("input", (event) => {
    const preview = event.target.closest?.(".preview");
    if (preview) follow(preview);
  });

  // The slash key moves to the search, and the question mark shows the keys.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, .CodeMirror, dialog")) return;
    const search = document.querySelector("[data-search]");
    if (event.key === "/" && search) {
      event.preventDefault();
      search.focus();
    }
    if (event.key === "?") document.getElementById("keys").showModal();
  });

  // The tab of the page is in sight.
  document.querySelector(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });

  // A menu closes when its reader goes on elsewhere.
  const menus = "details.menu-of[open], details.pick[open]";
  document.addEventListener("click", (event) => {
    for (const menu of document.querySelectorAll(menus)) if (!menu.contains(event.target)) menu.open = false;
  });
  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest(menus);
    if (!menu) return;
    event.preventDefault();
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  // Keys move within a menu, and from its button into it. In a field of it they belong to the field.
  const isShown = (element) => element.getClientRects().length > 0;
  const moves = {
    ArrowDown: (at, last) => (at === last ? 0 : at + 1),
    ArrowUp: (at, last) => (at <= 0 ? last : at - 1),
    Home: () => 0,
    End: (at, last) => last,
  };
  document.addEventListener("keydown", (event) => {
    const menu = event.target.closest("details.menu-of");
    const isButton = event.target.matches("summary");
    if (!menu || !moves[event.key] || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (event.target.matches("input:not([type=checkbox]), textarea, select") || (!menu.open && !event.key.startsWith("Arrow"))) return;
    event.preventDefault();
    if (isButton) menu.open = true;
    const items = [...menu.querySelectorAll(":scope > :not(summary) :is(a[href], button:enabled, input:enabled, textarea:enabled, select:enabled)")].filter(isShown);
    items[moves[event.key](items.indexOf(event.target), items.length - 1)]?.focus();
  });

  return { follow };
})();

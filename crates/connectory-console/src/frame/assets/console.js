// The parts of the console that need a script: the editor with findings under its lines, form previews that follow the
// input, and selects that send their form. Without it the editor is a plain text field, without colors and checks.
"use strict";
(() => {
  const token = () => document.querySelector('input[name="csrf"]')?.value ?? "";

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

  // Editors.
  for (const text of document.querySelectorAll("textarea[data-editor]")) {
    const editor = CodeMirror.fromTextArea(text, {
      mode: "xml",
      lineNumbers: true,
      readOnly: text.readOnly,
      indentUnit: 4,
      viewportMargin: 50,
      inputStyle: "contenteditable",
      screenReaderLabel: text.dataset.editor,
      // The tab key moves to the next field, as on the rest of the page.
      extraKeys: { Tab: false, "Shift-Tab": false },
    });
    const input = editor.getInputField();
    input.setAttribute("role", "textbox");
    input.setAttribute("aria-multiline", "true");
    if (text.readOnly) input.setAttribute("aria-readonly", "true");
    const saved = editor.getValue();
    let sending = false;
    text.form.addEventListener("submit", () => (sending = true));
    addEventListener("beforeunload", (event) => {
      if (!sending && editor.getValue() !== saved) event.preventDefault();
    });
    if (text.readOnly) continue;

    const verdict = document.getElementById("verdict");
    const preview = document.getElementById("preview");
    const locale = document.querySelector("[data-locale]");
    let widgets = [];
    let asked = 0;
    const check = async () => {
      const round = ++asked;
      const body = new URLSearchParams({ text: editor.getValue(), locale: locale?.value ?? "" });
      const answer = await fetch(text.dataset.check, { method: "POST", headers: { "X-CSRF-Token": token() }, body }).catch(() => null);
      if (!answer?.ok || round !== asked) return;
      const { findings, preview: html } = await answer.json();
      if (round !== asked) return;
      editor.operation(() => {
        widgets.forEach((widget) => widget.clear());
        widgets = findings.map(({ line, level, message }) => {
          const node = document.createElement("div");
          node.className = `line-problem ${level}`;
          node.textContent = `${text.dataset[level]}: ${message}`;
          return editor.addLineWidget(Math.min(line, editor.lineCount()) - 1, node);
        });
      });
      const template = findings.length ? verdict.dataset.problems : verdict.dataset.fine;
      verdict.textContent = template.replace("{0}", findings.length);
      verdict.classList.toggle("bad", findings.length > 0);
      if (preview && html !== null) {
        preview.innerHTML = html;
        follow(preview);
      }
    };
    let timer;
    editor.on("change", () => {
      clearTimeout(timer);
      timer = setTimeout(check, 250);
    });
    locale?.addEventListener("change", check);
    check();
  }

  // Translations: take the stored text after a conflict.
  document.addEventListener("click", (event) => {
    const taken = event.target.closest?.("[data-take]");
    if (!taken) return;
    const cell = taken.closest("td");
    const text = cell.querySelector("textarea");
    text.value = taken.dataset.take;
    cell.querySelector(".problem")?.remove();
    taken.remove();
    text.focus();
  });

  // The slash key moves to the search.
  document.addEventListener("keydown", (event) => {
    const search = document.querySelector("[data-search]");
    if (event.key !== "/" || !search || event.target.closest("input, textarea, select, .CodeMirror")) return;
    event.preventDefault();
    search.focus();
  });
})();

// The parts of the console that need a script: the editor with findings under its lines, form previews that follow the
// input, and selects that send their form. Without it the editor is a plain text field, without colors and checks.
"use strict";
(() => {
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
    if (text.readOnly) continue;

    const verdict = document.getElementById("verdict");
    const preview = document.getElementById("preview");
    const earlier = document.getElementById("preview-earlier");
    const locale = document.querySelector("[data-locale]");
    let widgets = [];
    let asked = 0;
    let hasFailed = false;
    // The mood is `fine` or `bad`, or neither while a text is checked.
    const say = (mood, said) => {
      verdict.className = `verdict ${mood}`;
      if (verdict.textContent !== said) verdict.textContent = said;
    };
    const showFindings = (findings) =>
      editor.operation(() => {
        widgets.forEach((widget) => widget.clear());
        widgets = findings.map(({ line, level, message }) => {
          const node = document.createElement("div");
          node.className = `line-problem ${level}`;
          node.textContent = `${text.dataset[level]}: ${message}`;
          return editor.addLineWidget(Math.min(line, editor.lineCount()) - 1, node);
        });
      });
    const showPreview = (html) => {
      if (!preview) return;
      earlier.hidden = html !== null;
      if (html === null) return;
      preview.innerHTML = html;
      follow(preview);
    };
    // What was found in an earlier text says nothing about this one.
    const begin = () => {
      hasFailed = false;
      say("", verdict.dataset.checking);
      return ++asked;
    };
    const check = async () => {
      const round = begin();
      const { response, why } = await requests.send(text.dataset.check, { text: editor.getValue(), locale: locale?.value ?? "" });
      const checked = await response?.json().catch(() => null);
      if (round !== asked) return;
      showFindings(checked?.findings ?? []);
      showPreview(checked?.preview ?? null);
      hasFailed = !checked;
      if (!checked) return say("bad", requests.format(verdict.dataset.unchecked, why ?? requests.reason()));
      const count = checked.findings.length;
      say(count ? "bad" : "fine", requests.format(count ? verdict.dataset.problems : verdict.dataset.fine, count));
    };
    let timer;
    editor.on("change", () => {
      editor.save();
      text.dispatchEvent(new Event("input", { bubbles: true }));
      begin();
      clearTimeout(timer);
      timer = setTimeout(check, 250);
    });
    locale?.addEventListener("change", check);
    // The server may be there again, or the reader may be signed in again.
    const checkAgain = () => hasFailed && check();
    addEventListener("online", checkAgain);
    addEventListener("focus", checkAgain);
    check();
  }

  // The slash key moves to the search.
  document.addEventListener("keydown", (event) => {
    const search = document.querySelector("[data-search]");
    if (event.key !== "/" || !search || event.target.closest("input, textarea, select, .CodeMirror")) return;
    event.preventDefault();
    search.focus();
  });
})();

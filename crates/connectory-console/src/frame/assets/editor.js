// The editor of a document: findings under its lines, a search, suggestions, and what its buttons and keys do. Without it
// the editor is a plain text field, without colors and checks.
"use strict";
(() => {
  const WRAP = "connectory wrap";
  // Places that a search counts. Beyond that it only says that there are as many.
  const MOST_FOUND = 1000;
  const MARGIN = 100;
  const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
  const { format: filled } = requests;
  const { Pos } = CodeMirror;
  const at = (id) => document.getElementById(id);

  // The buttons of the page call these by name.
  const actions = {};
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-editing]");
    if (button) actions[button.dataset.editing]?.();
  });

  // Shows a place of the text, and selects what is there.
  const show = (editor, from, to = from) => {
    editor.setSelection(from, to);
    editor.scrollIntoView({ from, to }, MARGIN);
  };

  // A search panel above the text.
  const searches = (editor) => {
    const [panel, query, by, found] = ["search", "search-for", "search-by", "found"].map(at);
    const cursor = (from) => editor.getSearchCursor(query.value, from, { caseFold: true });
    const overlay = {
      token(stream) {
        const rest = stream.string.slice(stream.pos).toLowerCase();
        const next = rest.indexOf(query.value.toLowerCase());
        if (next === 0) {
          stream.pos += query.value.length;
          return "found";
        }
        if (next > 0) stream.pos += next;
        else stream.skipToEnd();
        return null;
      },
    };
    const mark = () => {
      editor.removeOverlay(overlay);
      if (!panel.hidden && query.value) editor.addOverlay(overlay);
    };
    const count = () => {
      found.textContent = "";
      if (!query.value) return;
      const [places, selected] = [cursor(Pos(0, 0)), editor.getCursor("from")];
      let [all, current] = [0, 0];
      while (all < MOST_FOUND && places.findNext()) {
        all++;
        if (CodeMirror.cmpPos(places.from(), selected) === 0) current = all;
      }
      found.textContent = filled(found.dataset.found, current, all === MOST_FOUND ? `${all}+` : all);
    };
    // Finds the next place from a position on, or else from the other end of the text.
    const find = (from, isBackwards = false) => {
      if (!query.value) return count();
      const places = cursor(from);
      const around = () => cursor(isBackwards ? Pos(editor.lastLine()) : Pos(0, 0));
      const hit = places.find(isBackwards) ? places : [around()].find((all) => all.find(isBackwards));
      if (hit) show(editor, hit.from(), hit.to());
      count();
    };
    const next = () => find(editor.getCursor("to"));
    const previous = () => find(editor.getCursor("from"), true);
    const isAtHit = () => query.value && editor.getSelection().toLowerCase() === query.value.toLowerCase();
    const open = () => {
      panel.hidden = false;
      const selected = editor.getSelection();
      if (selected && !selected.includes("\n")) query.value = selected;
      query.focus();
      query.select();
      mark();
      count();
    };
    const close = () => {
      panel.hidden = true;
      mark();
      editor.focus();
    };
    const replace = () => {
      if (isAtHit()) editor.replaceSelection(by.value, "end");
      next();
    };
    const replaceAll = () => {
      if (!query.value) return;
      editor.operation(() => {
        for (const places = cursor(Pos(0, 0)); places.findNext(); ) places.replace(by.value);
      });
      count();
    };
    query.addEventListener("input", () => {
      mark();
      find(editor.getCursor("from"));
    });
    panel.addEventListener("keydown", (event) => {
      const isInput = event.target === query || event.target === by;
      if (event.key === "Escape") close();
      else if (event.key === "Enter" && isInput) event.target === by ? replace() : event.shiftKey ? previous() : next();
      else if (event.key.toLowerCase() === "f" && (event.ctrlKey || event.metaKey)) query.select();
      else return;
      event.preventDefault();
    });
    Object.assign(actions, {
      "search-next": next,
      "search-previous": previous,
      "search-replace": replace,
      "search-replace-all": replaceAll,
      "search-close": close,
    });
    const escape = () => (panel.hidden ? CodeMirror.Pass : close());
    return { "Ctrl-F": open, "Cmd-F": open, "Ctrl-G": next, "Cmd-G": next, F3: next, "Shift-F3": previous, Esc: escape };
  };

  // The attribute at a position: its element, its name and its value.
  const attributeAt = (editor, { line, ch }) => {
    let name = null;
    for (const token of editor.getLineTokens(line)) {
      if (token.type === "attribute") name = token;
      if (!name || name.start > ch) continue;
      if (token.type !== "string" || token.end < ch) continue;
      const element = editor.getMode().xmlCurrentTag(token.state)?.name;
      // For a text that is no XML the parser makes a page with styles of its own, which the policy of the page refuses.
      const isWhole = /^(["'])[^<&]*\1$/.test(token.string.replaceAll(/&(?:\w+|#\w+);/g, ""));
      const read = isWhole && new DOMParser().parseFromString(`<a b=${token.string}/>`, "text/xml").documentElement.getAttribute("b");
      return { element, name: name.string, value: isWhole ? (read ?? "") : token.string.slice(1, -1) };
    }
    return null;
  };

  // What the server knows of this kind of document and of this connector. It is asked once, when it is needed.
  const vocabularies = (editor, text) => {
    const place = at("key-text");
    let asked = null;
    const words = () =>
      (asked ??= fetch(text.dataset.completion)
        .then((response) => (response.ok ? response.json() : null))
        .catch(() => null)
        .then((answer) => {
          if (!answer) asked = null;
          return answer;
        }));

    const fields = () => [...editor.getValue().matchAll(/<Field\b[^>]*?\sname="([^"]+)"/g)].map(([, name]) => name);
    const isKey = (known, attribute) => known.elements[attribute.element]?.attributes[attribute.name] === "key";
    // The schema as the addon of the editor reads it.
    const schemaOf = (known) => {
      const named = { key: () => Object.keys(known.keys), field: () => [...new Set(fields())], account: () => known.account };
      const schema = { "!top": [known.root] };
      for (const [name, { children, attributes }] of Object.entries(known.elements)) {
        const attrs = Object.entries(attributes).map(([attribute, values]) => [attribute, named[values] ?? values]);
        schema[name] = { children, attrs: Object.fromEntries(attrs) };
      }
      return schema;
    };
    // A key has its English text beside it.
    const withText = (known, item) => {
      const key = item.slice(1, -1);
      if (!/^["']/.test(item) || !Object.hasOwn(known.keys, key)) return item;
      const render = (line) => {
        const said = document.createElement("span");
        said.className = "meaning";
        said.textContent = known.keys[key];
        line.append(key, said);
      };
      return { text: item, render };
    };
    const complete = async () => {
      const known = await words();
      if (!known) return;
      const schemaInfo = schemaOf(known);
      const hint = () => {
        const found = CodeMirror.hint.xml(editor, { schemaInfo });
        if (!found) return found;
        found.list = found.list.map((item) => withText(known, item));
        CodeMirror.on(found, "shown", () => document.querySelector(".CodeMirror-hints").setAttribute("aria-label", text.dataset.words));
        return found;
      };
      editor.showHint({ hint, completeSingle: false, container: at("content") });
    };

    // The text of the key at the cursor, with a link to its translations.
    const showText = async () => {
      const known = text.dataset.translations && attributeAt(editor, editor.getCursor()) ? await words() : null;
      const attribute = known && attributeAt(editor, editor.getCursor());
      place.replaceChildren();
      if (!attribute?.value || !isKey(known, attribute)) return;
      const { value } = attribute;
      const said = document.createElement("span");
      if (Object.hasOwn(known.keys, value)) said.textContent = filled(text.dataset.key, value, known.keys[value]);
      else if (known.has_all_keys) said.textContent = filled(text.dataset.noText, value);
      const link = document.createElement("a");
      link.className = "link";
      link.href = `${text.dataset.translations}?q=${encodeURIComponent(value)}&only=all#key`;
      link.textContent = text.dataset.showText;
      place.append(said, " ", link);
    };
    return { complete, showText };
  };

  // Files that replace the text. One that is no UTF-8 has to be sent as it is.
  const files = (editor, text) => {
    const upload = at("upload");
    const reason = at("upload-reason");
    upload.hidden = true;
    const take = async (list) => {
      let read;
      try {
        read = new TextDecoder("utf-8", { fatal: true }).decode(await list[0].arrayBuffer());
      } catch {
        upload.querySelector("[type=file]").files = list;
        upload.hidden = reason.hidden = false;
        reason.textContent = text.dataset.unread;
        upload.scrollIntoView({ block: "nearest" });
        return;
      }
      upload.hidden = true;
      editor.operation(() => {
        editor.replaceRange(read, Pos(0, 0), Pos(editor.lastLine()));
        show(editor, Pos(0, 0));
      });
      editor.focus();
    };
    // CodeMirror would insert them.
    editor.on("drop", (_, event) => {
      if (drops.hasFiles(event)) event.preventDefault();
    });
    drops.take((transfer) => take(transfer.files));
    actions.replace = () => {
      const picker = document.createElement("input");
      picker.type = "file";
      picker.accept = ".xml,application/xml,text/xml";
      picker.addEventListener("change", () => take(picker.files));
      picker.click();
    };
  };

  // Formatting changes white space only, so the cursor stays behind as many other characters.
  const formatting = (editor, text, say) => async () => {
    const before = editor.getValue();
    const { response } = await requests.send(text.dataset.format, { text: before });
    const answer = await response?.json().catch(() => null);
    if (!answer || editor.getValue() !== before || answer.text === before) return;
    if (answer.text === undefined) {
      show(editor, Pos(answer.line - 1, 0));
      editor.focus();
      return say("bad", filled(text.dataset.unformatted, answer.line, answer.message));
    }
    let left = before.slice(0, editor.indexFromPos(editor.getCursor())).replace(/\s/g, "").length;
    let index = 0;
    for (; left > 0 && index < answer.text.length; index++) if (/\S/.test(answer.text[index])) left--;
    editor.operation(() => {
      editor.replaceRange(answer.text, Pos(0, 0), Pos(editor.lastLine()));
      show(editor, editor.posFromIndex(index));
    });
  };

  // Checks the text while it is typed, and shows what is found and the form beside it.
  const checks = (editor, text) => {
    const verdict = at("verdict");
    const preview = at("preview");
    const earlier = at("preview-earlier");
    const locale = document.querySelector("[data-locale]");
    let widgets = [];
    let lines = [];
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
          return editor.addLineWidget(Math.min(line, editor.lineCount()) - 1, node, { noHScroll: true });
        });
        lines = [...new Set(findings.map(({ line }) => Math.min(line, editor.lineCount()) - 1))];
        at("problem-keys").hidden = !lines.length;
      });
    const showPreview = (html) => {
      if (!preview) return;
      earlier.hidden = html !== null;
      if (html === null) return;
      preview.innerHTML = html;
      previews.follow(preview);
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
      if (!checked) return say("bad", filled(verdict.dataset.unchecked, why ?? requests.reason()));
      const count = checked.findings.length;
      say(count ? "bad" : "fine", filled(count ? verdict.dataset.problems : verdict.dataset.fine, count));
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

    const goTo = (line) => {
      if (line === undefined) return;
      show(editor, Pos(line, 0));
      editor.focus();
    };
    const current = () => editor.getCursor().line;
    actions.next = () => goTo(lines.find((line) => line > current()) ?? lines[0]);
    actions.previous = () => goTo(lines.findLast((line) => line < current()) ?? lines.at(-1));
    return say;
  };

  // A place that the page was opened for: a line of its address (`?line=12`) or of a refused text, or a text (`?find=Host`)
  // that is looked for as the value of an attribute first.
  const showAsked = (editor, text) => {
    const asked = new URLSearchParams(location.search);
    const line = Number(text.dataset.line ?? asked.get("line")) - 1;
    if (Number.isInteger(line) && line >= 0 && line < editor.lineCount()) {
      show(editor, Pos(line, 0));
      editor.addLineClass(line, "background", "asked-for");
      if (text.dataset.line) editor.focus();
    }
    const wanted = asked.get("find");
    if (!wanted) return;
    const escaped = wanted.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
    for (const [written, quotes] of [[`"${escaped}"`, 1], [`'${escaped}'`, 1], [escaped, 0], [wanted, 0]]) {
      const hit = editor.getSearchCursor(written, Pos(0, 0));
      if (!hit.findNext()) continue;
      const [from, to] = [hit.from(), hit.to()];
      show(editor, Pos(from.line, from.ch + quotes), Pos(to.line, to.ch - quotes));
      editor.focus();
      break;
    }
  };

  const begin = (text) => {
    const { form } = text;
    const isWritable = !text.readOnly;
    const editor = CodeMirror.fromTextArea(text, {
      mode: "xml",
      lineNumbers: true,
      readOnly: text.readOnly,
      indentUnit: 4,
      viewportMargin: 50,
      inputStyle: "contenteditable",
      screenReaderLabel: text.dataset.editor,
      autoCloseTags: isWritable,
      matchTags: { bothTags: true },
    });
    const input = editor.getInputField();
    input.setAttribute("role", "textbox");
    input.setAttribute("aria-multiline", "true");
    if (text.readOnly) input.setAttribute("aria-readonly", "true");
    form.querySelectorAll("[data-editing][hidden]").forEach((button) => (button.hidden = false));
    if (isMac) form.querySelectorAll("header kbd").forEach((key) => (key.textContent = "⌘S"));

    const wrapButton = form.querySelector('[data-editing="wrap"]');
    const wrap = (isOn) => {
      editor.setOption("lineWrapping", isOn);
      wrapButton.setAttribute("aria-pressed", isOn);
    };
    // The storage may be turned off; then the choice is for this page.
    const kept = (action) => {
      try {
        return action();
      } catch {
        return null;
      }
    };
    actions.wrap = () => {
      const isOn = !editor.getOption("lineWrapping");
      wrap(isOn);
      kept(() => localStorage.setItem(WRAP, isOn));
    };
    wrap(kept(() => localStorage.getItem(WRAP)) === "true");

    const { complete, showText } = vocabularies(editor, text);
    const showPlace = () => {
      const { line, ch } = editor.getCursor();
      at("place").textContent = `${line + 1}:${ch + 1}`;
      showText();
    };
    editor.on("cursorActivity", showPlace);
    showPlace();

    // The tab key moves to the next field, as on the rest of the page.
    const keys = { Tab: false, "Shift-Tab": false, "Alt-Z": () => actions.wrap(), ...searches(editor) };
    if (isWritable) {
      const unsaved = at("unsaved");
      const stored = text.defaultValue.replaceAll("\r\n", "\n");
      const tell = () => (unsaved.hidden = !("typed" in form.dataset) && editor.getValue() === stored);
      editor.on("change", () => {
        tell();
        // What was saved is not what is there now.
        document.querySelector("main > p.done")?.remove();
      });
      tell();
      const say = checks(editor, text);
      actions.format = formatting(editor, text, say);
      files(editor, text);
      Object.assign(keys, {
        "Ctrl-Space": complete,
        "Shift-Alt-F": () => actions.format(),
        F8: () => actions.next(),
        "Shift-F8": () => actions.previous(),
      });
    }
    editor.setOption("extraKeys", keys);
    document.addEventListener("keydown", (event) => {
      if (event.key.toLowerCase() !== "s" || event.altKey || event.shiftKey || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      if (isWritable) form.requestSubmit();
    });
    // A save loads the page anew. Its reader goes on where they were.
    const place = `connectory place ${location.pathname}`;
    const before = kept(() => JSON.parse(sessionStorage.getItem(place)));
    kept(() => sessionStorage.removeItem(place));
    if (before) {
      editor.setCursor(before.cursor);
      editor.scrollTo(null, before.top);
      editor.focus();
    }
    form.addEventListener("submit", () => {
      const now = { cursor: editor.getCursor(), top: editor.getScrollInfo().top };
      kept(() => sessionStorage.setItem(place, JSON.stringify(now)));
    });
    showAsked(editor, text);
  };

  const text = document.querySelector("textarea[data-editor]");
  if (text) begin(text);
})();

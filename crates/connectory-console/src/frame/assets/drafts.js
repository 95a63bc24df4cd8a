// Drafts: what was typed into a form, or into a cell of the translations, stays in this browser until it is saved. Each
// belongs to a tenant, an author and a form. A form and a cell with a draft are called its holder.
"use strict";
const drafts = (() => {
  const PREFIX = "connectory draft ";
  const SENT = "connectory sent";
  const LIFETIME = 7 * 24 * 60 * 60 * 1000;
  const MOST = 100;
  // Browsers give a site about five million characters.
  const MOST_CHARS = 4_000_000;
  // Encoded, it has no space, so that it ends at the first one in a key.
  const author = encodeURIComponent(document.body.dataset.author ?? "");
  const { format } = requests;

  // The storage. It may be turned off or full; then nothing is kept, and the page works as without it.
  const attempt = (action) => {
    try {
      return action();
    } catch {
      return undefined;
    }
  };
  const remove = (key) => attempt(() => localStorage.removeItem(key));
  const parse = (key) => {
    const draft = attempt(() => JSON.parse(localStorage.getItem(key)));
    return typeof draft?.at === "number" && typeof draft.fields === "object" && draft.fields ? draft : null;
  };
  const allKeys = () => attempt(() => Object.keys(localStorage).filter((key) => key.startsWith(PREFIX))) ?? [];
  const write = (key, value) => attempt(() => (localStorage.setItem(key, value), true)) ?? false;

  // Writes a draft. The oldest ones make room for it.
  const store = (key, draft) => {
    const value = JSON.stringify(draft);
    if (value.length > MOST_CHARS) return remove(key);
    const others = allKeys().filter((other) => other !== key).sort((one, other) => (parse(one)?.at ?? 0) - (parse(other)?.at ?? 0));
    let chars = others.reduce((sum, other) => sum + (localStorage.getItem(other)?.length ?? 0), value.length);
    while (others.length >= MOST || chars > MOST_CHARS || !write(key, value)) {
      // An earlier text of the same form is of no use any more.
      if (!others.length) return remove(key);
      const oldest = others.shift();
      chars -= localStorage.getItem(oldest)?.length ?? 0;
      remove(oldest);
    }
  };

  const ownPrefix = `${PREFIX}${author} `;
  const keyOf = (holder) => `${PREFIX}${author} ${holder.dataset.draft}`;

  // The fields of a holder, their values, and those that the page came with.
  const isForm = (holder) => holder.matches("form");
  const fieldsOf = (holder) =>
    isForm(holder) ? [...holder.elements].filter((field) => field.name && !["hidden", "file", "submit", "button"].includes(field.type)) : [holder];
  const valueOf = (field) => (field.type === "checkbox" ? field.checked : field.value);
  const givenValueOf = (field) => {
    if (field.type === "checkbox") return field.defaultChecked;
    if (field.options) return ([...field.options].find((option) => option.defaultSelected) ?? field.options[0])?.value ?? "";
    return field.defaultValue.replaceAll("\r\n", "\n");
  };
  const valuesOf = (holder, value = valueOf) => Object.fromEntries(fieldsOf(holder).map((field) => [field.name, value(field)]));
  const areSame = (some, others) => Object.keys(others).every((name) => (some[name] ?? others[name]) === others[name]);
  const isTyped = (holder) => "typed" in holder.dataset;
  const isAsStored = (holder, values = valuesOf(holder)) => !isTyped(holder) && areSame(values, valuesOf(holder, givenValueOf));

  // What a holder began with: the entity tag of a form, the stored text of a cell.
  const givenBaseOf = (holder) => (isForm(holder) ? holder.elements.base?.value : JSON.parse(holder.getAttribute("hx-vals")).was);
  const baseOf = (holder) => holder.dataset.base ?? givenBaseOf(holder) ?? null;
  const beganOf = (holder) => (isForm(holder) ? holder.elements.began?.value : undefined);

  const holders = () => (author ? [...document.querySelectorAll("[data-draft]")] : []);
  const holderOf = (element) => element.closest?.("[data-draft]");

  // Keeps what a holder has, unless it is what is stored.
  const keep = (holder) => {
    const [key, fields, base] = [keyOf(holder), valuesOf(holder), baseOf(holder)];
    if (isAsStored(holder, fields)) return remove(key);
    const before = parse(key);
    // The time is the one of the last change.
    if (before && before.base === base && areSame(before.fields, fields)) return;
    store(key, { at: Date.now(), base, began: beganOf(holder), fields });
  };
  const waiting = new Map();
  const forget = (holder) => {
    clearTimeout(waiting.get(holder));
    waiting.delete(holder);
  };
  const keepNow = (holder) => {
    forget(holder);
    keep(holder);
  };
  const keepWaiting = () => [...waiting.keys()].forEach(keepNow);
  const isKept = (holder) => {
    const draft = parse(keyOf(holder));
    return draft !== null && areSame(draft.fields, valuesOf(holder));
  };

  // Of what was typed on this page and is not stored: whether all of it is `kept`, or some would be `lost`.
  const state = () => {
    keepWaiting();
    const unsaved = holders().filter((holder) => !isAsStored(holder));
    if (!unsaved.length) return "none";
    return unsaved.every(isKept) ? "kept" : "lost";
  };

  const timeOf = (draft) => new Date(draft.at).toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });

  const fill = (holder, draft) => {
    for (const field of fieldsOf(holder)) {
      const value = draft.fields[field.name];
      if (typeof value === "boolean" && field.type === "checkbox") field.checked = value;
      else if (typeof value === "string" && field.type !== "checkbox") field.value = value;
    }
  };

  // Shows the draft of a form, and its difference to what is stored. The server compares, because it knows which texts
  // are stored as the same.
  const note = document.getElementById("draft");
  const restoreForm = async (form, draft) => {
    const { base, began } = form.elements;
    const [given, givenBegan] = [base?.value ?? null, began?.value];
    fill(form, draft);
    // If something else is stored by now, saving shows both.
    if (base) base.value = draft.base;
    if (began && draft.began) began.value = draft.began;
    // What follows the fields follows again, after its script has begun.
    setTimeout(() => fieldsOf(form).forEach((field) => field.dispatchEvent(new Event("input", { bubbles: true }))));
    const when = note.querySelector("[data-when]");
    when.textContent = format(when.dataset.when, timeOf(draft));
    note.querySelector("[data-changed]").hidden = draft.base === given;
    if (form.dataset.compare) {
      const { response, why } = await requests.send(form.dataset.compare, draft.fields);
      if (response?.status === 204) {
        base.value = given;
        if (began) began.value = givenBegan;
        if (areSame(draft.fields, valuesOf(form))) form.reset();
        return keepNow(form);
      }
      const uncompared = note.querySelector("[data-uncompared]");
      uncompared.hidden = Boolean(response);
      if (response) note.querySelector("[data-difference]").innerHTML = await response.text();
      else uncompared.textContent = format(uncompared.dataset.uncompared, why);
    }
    note.hidden = false;
  };

  // Shows a note in a cell, with a text of its data.
  const noteInCell = (cell, which, ...values) => {
    let shown = cell.parentElement.querySelector(".cell-draft");
    if (!shown) {
      shown = document.getElementById("cell-draft").content.firstElementChild.cloneNode(true);
      cell.after(shown);
    }
    shown.querySelector("p").textContent = format(shown.dataset[which], ...values);
  };
  const restoreCell = (cell, draft) => {
    fill(cell, draft);
    cell.dataset.base = draft.base;
    noteInCell(cell, cell.defaultValue ? "when" : "new", timeOf(draft), cell.defaultValue);
  };

  // Shows the draft of a holder, if it has one. A cell that is being edited is left alone.
  const restore = (holder) => {
    const draft = parse(keyOf(holder));
    if (isTyped(holder)) keep(holder);
    else if (!draft) return;
    else if (isAsStored(holder, draft.fields)) remove(keyOf(holder));
    else if (isForm(holder)) restoreForm(holder, draft);
    else if (isAsStored(holder)) restoreCell(holder, draft);
  };

  // How many texts of the translations were not saved, in the cells of this page and in others.
  const countCells = () => {
    const shown = note?.querySelector("[data-shown]");
    if (!shown) return;
    const elsewhere = note.querySelector("[data-elsewhere]");
    const table = `${ownPrefix}${elsewhere.dataset.table}`;
    const here = new Set(holders().map(keyOf));
    const counts = [document.querySelectorAll(".cell-draft").length, allKeys().filter((key) => key.startsWith(table) && !here.has(key)).length];
    [shown, elsewhere].forEach((line, at) => {
      line.textContent = format(line.dataset.shown ?? line.dataset.elsewhere, counts[at]);
      line.hidden = !counts[at];
    });
    note.hidden = !counts.some(Boolean);
  };

  // What is old, or no draft, is removed by every page, whoever reads it.
  const removeOld = () => allKeys().filter((key) => !(Math.abs(Date.now() - parse(key)?.at) < LIFETIME)).forEach(remove);

  // The form that this tab sent last was saved, if the next page says so.
  const removeSaved = () => {
    const sent = attempt(() => sessionStorage.getItem(SENT));
    attempt(() => sessionStorage.removeItem(SENT));
    if (!document.querySelector("[data-done]")) return;
    if (sent) remove(sent);
    // Otherwise this page, opened again later, would say so again.
    const address = new URL(location.href);
    address.searchParams.delete("done");
    history.replaceState(history.state, "", address);
  };

  removeOld();
  removeSaved();
  holders().forEach(restore);
  countCells();

  // Whether the page is left by sending its form, or by discarding what it has.
  let isLeaving = false;

  document.addEventListener("input", (event) => {
    const holder = author && holderOf(event.target);
    if (!holder) return;
    isLeaving = false;
    clearTimeout(waiting.get(holder));
    waiting.set(holder, setTimeout(keepNow, 200, holder));
  });
  document.addEventListener("change", (event) => {
    const holder = author && holderOf(event.target);
    if (holder) keepNow(holder);
  });

  // Sends a form if the server answers. Otherwise the browser would leave the page for one that says nothing of the text.
  const sendIfAnswered = async (form) => {
    const answer = await fetch("/health/live", { cache: "no-store" }).catch(() => null);
    if (!answer || answer.status >= 502) return requests.interrupt(undefined, requests.reason(null, ""));
    isLeaving = true;
    // If the session has ended, the server need not give back what this browser keeps.
    if (isKept(form)) form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "draft", value: "kept" }));
    HTMLFormElement.prototype.submit.call(form);
  };

  addEventListener("submit", (event) => {
    const form = event.target;
    if ("signsOut" in form.dataset) {
      holders().forEach(forget);
      allKeys().filter((key) => key.startsWith(ownPrefix)).forEach(remove);
    } else if (author && "draft" in form.dataset) {
      keepNow(form);
      attempt(() => sessionStorage.setItem(SENT, keyOf(form)));
      event.preventDefault();
      sendIfAnswered(form);
    }
  });
  addEventListener("pagehide", keepWaiting);
  // Only what could not be kept would be lost.
  addEventListener("beforeunload", (event) => {
    if (!isLeaving && state() === "lost") event.preventDefault();
  });

  // Gives a cell the stored text again. After a conflict it came with what was typed, and has what is stored in a button.
  const discardCell = (cell) => {
    const notes = cell.parentElement.querySelectorAll(".cell-draft, .cell-conflict");
    const theirs = cell.parentElement.querySelector("[data-take]");
    if (theirs) cell.defaultValue = theirs.dataset.take;
    delete cell.dataset.typed;
    delete cell.dataset.base;
    cell.value = cell.defaultValue;
    keepNow(cell);
    notes.forEach((note) => note.remove());
    cell.focus();
    countCells();
  };

  document.addEventListener("click", (event) => {
    const discards = event.target.closest?.("[data-discards]");
    const cell = event.target.closest?.("td")?.querySelector("[data-draft]");
    if (cell && discards) {
      discardCell(cell);
    } else if (cell && event.target.closest("[data-saves]")) {
      cell.dispatchEvent(new Event("change", { bubbles: true }));
    } else if (discards) {
      isLeaving = true;
      for (const form of holders().filter(isForm)) {
        forget(form);
        remove(keyOf(form));
        if (!discards.href) location.assign(form.action);
      }
    }
  });

  // A cell is sent with what its draft began with, so that a change of someone else is noticed.
  document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => {
    const base = ctx.sourceElement.dataset.base;
    if (base !== undefined) ctx.request.body.set("was", base);
  });
  const failed = (ctx) => {
    const why = requests.reason(ctx.response, ctx.text);
    if ("draft" in ctx.sourceElement.dataset) noteInCell(ctx.sourceElement, "failed", why);
    requests.interrupt(ctx.response?.status, why);
    countCells();
  };
  document.addEventListener("htmx:response:error", ({ detail: { ctx } }) => failed(ctx));
  document.addEventListener("htmx:error", ({ detail: { ctx } }) => failed(ctx));
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx.response?.status >= 400) return;
    requests.resume();
    holders().filter((holder) => !isForm(holder)).forEach(restore);
    countCells();
  });

  return { state, discardCell };
})();

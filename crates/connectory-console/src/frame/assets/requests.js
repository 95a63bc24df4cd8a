// Why a request of a script failed, and the note above the page that says so.
"use strict";
const requests = (() => {
  const note = document.getElementById("interruption");

  // Puts values into the places {0}, {1}… of a text.
  const format = (text, ...values) => text.replace(/\{(\d)\}/g, (place, at) => String(values[at] ?? place));

  // What a reader is told of a response that is no success, or of none. The server answers a script with a message; a
  // proxy in front of it may answer with a page.
  const reason = (response, body) => {
    if (!response) return note?.dataset.unreachable ?? "";
    if (response.status === 401) return note?.dataset.signedOut ?? "";
    const isMessage = body && response.headers.get("content-type")?.startsWith("text/plain");
    return isMessage ? body.slice(0, 500) : format(note?.dataset.failed ?? "", response.status);
  };

  // Shows that a request failed. A page whose session has ended, or whose token is of another one, is opened again: the
  // server then asks to sign in, if that is needed, and comes back to it.
  const interrupt = (status, why) => {
    if (!note) return;
    const isOver = status === 401 || status === 403;
    const kept = { kept: note.dataset.kept, lost: note.dataset.notKept }[drafts.state()];
    note.querySelector("p").textContent = [why, kept].filter(Boolean).join(" ");
    const link = note.querySelector("a");
    link.hidden = !isOver;
    link.textContent = status === 401 ? note.dataset.signIn : note.dataset.open;
    link.href = location.pathname + location.search;
    note.hidden = false;
    note.dataset.isOver = isOver;
  };

  // Hides the note after a success. A session that is over stays over.
  const resume = () => {
    if (note && note.dataset.isOver !== "true") note.hidden = true;
  };

  // Sends fields. Returns the response, or why there is none.
  const send = async (address, fields) => {
    const token = document.querySelector('input[name="csrf"]')?.value ?? "";
    const sent = { method: "POST", headers: { "X-CSRF-Token": token }, body: new URLSearchParams(fields) };
    const response = await fetch(address, sent).catch(() => null);
    if (response?.ok) {
      resume();
      return { response };
    }
    const why = reason(response, await response?.text().catch(() => ""));
    interrupt(response?.status, why);
    return { why };
  };

  return { format, reason, interrupt, resume, send };
})();

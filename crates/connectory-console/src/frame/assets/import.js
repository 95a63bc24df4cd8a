// Takes files and folders that are dropped on the page of an import, and sends them with its form. A browser sends no
// paths of files that were dropped, so the form has them in a field of its own.
"use strict";
(() => {
  const form = document.querySelector("form#import");
  if (!form) return;
  const zone = form.querySelector(".drop-zone");
  const problem = form.querySelector("[data-problem]");
  const inputs = [...form.querySelectorAll("input[type=file]")];
  zone.hidden = false;

  const tell = (text) => {
    problem.textContent = text;
    problem.hidden = !text;
  };
  const isTooLarge = (files) => files.reduce((bytes, file) => bytes + file.size, 0) > Number(form.dataset.most);
  const chosen = () => inputs.flatMap((input) => [...input.files]);

  // What is chosen in one field replaces what was chosen in the other.
  for (const input of inputs) {
    input.addEventListener("change", () => {
      for (const other of inputs) if (other !== input) other.value = "";
      tell(isTooLarge(chosen()) ? zone.dataset.large : "");
    });
  }
  form.addEventListener("submit", (event) => {
    if (!isTooLarge(chosen())) return;
    event.preventDefault();
    tell(zone.dataset.large);
  });

  const fileOf = (entry) => new Promise((resolve, reject) => entry.file(resolve, reject));
  const entriesOf = async (folder) => {
    // A reader gives some entries at a time.
    const reader = folder.createReader();
    const entries = [];
    for (;;) {
      const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!some.length) return entries;
      entries.push(...some);
    }
  };
  // The files below an entry, with their paths. Names that begin with `.` are not looked at, as on the server.
  const filesOf = async (entry) => {
    if (entry.name.startsWith(".")) return [];
    if (entry.isFile) return [[entry.fullPath.replace(/^\//, ""), await fileOf(entry)]];
    const below = [];
    for (const inner of await entriesOf(entry)) below.push(...(await filesOf(inner)));
    return below;
  };

  drops.take(async (transfer) => {
    // The items are gone after the first wait.
    const items = [...transfer.items].filter((item) => item.kind === "file");
    const entries = items.map((item) => item.webkitGetAsEntry?.());
    const alone = [...transfer.files].map((file) => [file.name, file]);
    const text = zone.querySelector("p");
    const before = text.textContent;
    text.textContent = zone.dataset.busy;
    let found;
    try {
      found = entries.every(Boolean) ? (await Promise.all(entries.map(filesOf))).flat() : alone;
    } catch {
      found = alone;
    }
    text.textContent = before;
    const files = found.map(([, file]) => file);
    if (!files.length) return;
    if (isTooLarge(files)) {
      tell(zone.dataset.large);
      return;
    }
    const dropped = new DataTransfer();
    for (const file of files) dropped.items.add(file);
    for (const input of inputs) input.value = "";
    inputs[0].multiple = true;
    inputs[0].files = dropped.files;
    const paths = document.createElement("input");
    paths.type = "hidden";
    paths.name = "paths";
    paths.value = found.map(([path]) => path).join("\n");
    form.append(paths);
    form.requestSubmit();
    // A reader who comes back chooses anew.
    paths.remove();
  });
})();

// Files that are dropped on a page.
"use strict";
const drops = (() => {
  const hasFiles = (event) => Boolean(event.dataTransfer?.types.includes("Files"));

  // Gives what is dropped anywhere on the page to a function. While files are over the page, a style shows where they go.
  const take = (taken) => {
    document.addEventListener("dragover", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      document.body.dataset.drops = "";
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) delete document.body.dataset.drops;
    });
    document.addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      delete document.body.dataset.drops;
      taken(event.dataTransfer);
    });
  };

  return { hasFiles, take };
})();

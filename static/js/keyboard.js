// Shortcuts: Ctrl-K (or Command-K) searches everything, "/" goes to the search of the list.
import { openPalette } from "./palette.js";

function typing(target) {
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName);
}

document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    openPalette();
    return;
  }
  if (event.key !== "/" || typing(event.target) || document.querySelector("dialog[open]")) return;
  const search = document.querySelector('[aria-keyshortcuts="/"]');
  if (!search) return;
  event.preventDefault();
  search.focus();
  search.select();
});

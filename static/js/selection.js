// Choosing rows of a list: the page, a range with Shift, or everything that matches the filter.
let previous = null;

function form() {
  return document.querySelector("[data-selection]");
}

function boxes() {
  return [...form().querySelectorAll('input[name="pk"]')];
}

function show() {
  const list = form();
  if (!list) return;
  const all = list.querySelector('input[name="all"]').value === "1";
  const chosen = boxes().filter((box) => box.checked).length;
  const count = all ? Number(list.dataset.total) : chosen;
  const page = list.querySelector("[data-select-page]");
  if (page) {
    page.checked = chosen > 0 && chosen === boxes().length;
    page.indeterminate = chosen > 0 && !page.checked;
  }
  list.querySelector("[data-selection-bar]").hidden = count === 0;
  const everything = Number(list.dataset.total) <= boxes().length;
  list.querySelector("[data-select-all]").hidden = all || everything || chosen < boxes().length;
  const more = all && "uncounted" in list.dataset ? "more than " : "";
  list.querySelector("[data-selected]").textContent = more + count.toLocaleString("en");
}

function chooseAll(all) {
  form().querySelector('input[name="all"]').value = all ? "1" : "";
}

function chooseEvery(checked) {
  for (const box of boxes()) box.checked = checked;
}

function chooseRange(box) {
  const all = boxes();
  const [from, to] = [all.indexOf(previous), all.indexOf(box)].sort((a, b) => a - b);
  if (from < 0) return;
  for (const between of all.slice(from, to + 1)) between.checked = box.checked;
}

document.addEventListener("change", (event) => {
  const target = event.target;
  if (!target.closest("[data-selection]")) return;
  if (target.matches("[data-select-page]")) chooseEvery(target.checked);
  else if (!target.matches('input[name="pk"]')) return;
  chooseAll(false);
  show();
});

document.addEventListener("click", (event) => {
  const target = event.target;
  if (!target.closest("[data-selection]")) return;
  if (target.matches('input[name="pk"]')) {
    if (event.shiftKey && previous) chooseRange(target);
    previous = target;
  } else if (target.closest("[data-select-all]")) {
    chooseAll(true);
    show();
  } else if (target.closest("[data-select-none]")) {
    chooseAll(false);
    chooseEvery(false);
    show();
  }
});

// From any row straight to what can be done with the chosen ones, without a Tab for every row.
document.addEventListener("keydown", (event) => {
  if (event.key !== "a" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!event.target.matches('[data-selection] input[name="pk"]')) return;
  form().querySelector("[data-selection-bar]:not([hidden]) button[name]")?.focus();
});

document.addEventListener("htmx:afterSettle", show);
addEventListener("pageshow", show); // the browser may restore ticked boxes when going back

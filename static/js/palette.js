// The search palette: opens on demand, arrow keys choose, Enter follows.
const palette = document.getElementById("palette");

export function openPalette() {
  if (!palette || palette.open) return;
  palette.showModal();
  palette.querySelector("input").select();
}

function options() {
  return [...palette.querySelectorAll('[role="option"]')];
}

function choose(option) {
  for (const other of options()) other.setAttribute("aria-selected", String(other === option));
  palette.querySelector("input").setAttribute("aria-activedescendant", option.id);
  option.scrollIntoView({ block: "nearest" });
}

function move(step) {
  const all = options();
  if (!all.length) return;
  const at = all.findIndex((option) => option.getAttribute("aria-selected") === "true");
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : (at + step + all.length) % all.length;
  choose(all[next]);
}

function follow() {
  const chosen = palette.querySelector('[role="option"][aria-selected="true"]');
  (chosen ?? options()[0])?.click();
}

function onKey(event) {
  const action = { ArrowDown: () => move(1), ArrowUp: () => move(-1), Enter: follow }[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

if (palette) {
  const input = palette.querySelector("input");
  palette.addEventListener("keydown", onKey);
  palette.addEventListener("click", (event) => {
    if (event.target === palette) palette.close(); // the backdrop
  });
  palette.addEventListener("htmx:afterSwap", () => input.removeAttribute("aria-activedescendant"));
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-open-palette]")) openPalette();
  });
}

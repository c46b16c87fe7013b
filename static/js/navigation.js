// The sidebar on a narrow screen, and menus that close when the person looks elsewhere.
const OPEN = "rt-sidebar-open";
const toggle = document.querySelector("[data-toggle-sidebar]");

function showSidebar(open) {
  document.body.classList.toggle(OPEN, open);
  toggle.setAttribute("aria-expanded", String(open));
  if (open) document.querySelector("#sidebar a")?.focus();
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.rt-dropdown[open]")) {
    if (!menu.contains(except)) menu.open = false;
  }
}

document.addEventListener("click", (event) => {
  closeMenus(event.target);
  if (!toggle) return;
  if (event.target.closest("[data-toggle-sidebar]")) {
    showSidebar(!document.body.classList.contains(OPEN));
  } else if (!event.target.closest("#sidebar") && document.body.classList.contains(OPEN)) {
    showSidebar(false);
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.rt-dropdown[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  } else if (document.body.classList.contains(OPEN)) {
    showSidebar(false);
    toggle.focus();
  }
});

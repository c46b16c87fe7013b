// The form of a source: names of attributes are put where somebody wrote last, guesses where nothing
// stands yet.
let last = null;

document.addEventListener("focusin", (event) => {
  if (event.target.matches("#map-fields input[type=text]")) last = event.target;
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-insert]");
  if (!button) return;
  const field = last ?? document.querySelector("#map-fields input[type=text]");
  if (!field) return;
  field.setRangeText(button.dataset.insert, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
  field.focus();
});

document.addEventListener("htmx:afterSwap", (event) => {
  for (const guess of event.detail.target.querySelectorAll("template[data-fill]")) {
    const field = document.querySelector(`[name="${guess.dataset.fill}"]`);
    if (field && !field.value.trim()) field.value = guess.content.textContent.trim();
  }
});

// Copying a value: the button says so for two seconds, to eyes and to screen readers.
const SHOWN_MS = 2000;

function say(button, text) {
  const label = button.querySelector("[data-copy-label]");
  const result = button.querySelector("[data-copy-result]");
  label.hidden = true;
  result.textContent = text;
  clearTimeout(button.copyTimer);
  button.copyTimer = setTimeout(() => {
    result.textContent = "";
    label.hidden = false;
  }, SHOWN_MS);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say(button, "Copied");
  } catch {
    // Browsers offer no clipboard without HTTPS: select the value instead.
    getSelection().selectAllChildren(button.parentElement.querySelector("[data-copy-value]"));
    say(button, "Press Ctrl-C");
  }
});

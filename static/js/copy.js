// Copying a value: the button says so for two seconds, to eyes and to screen readers.
const SHOWN_MS = 2000;

function say(button, text) {
  const label = button.querySelector("[data-copy-label]");
  const before = button.dataset.copyBefore ?? label.textContent;
  button.dataset.copyBefore = before;
  button.dataset.copied = "";
  label.textContent = text;
  setTimeout(() => {
    label.textContent = before;
    delete button.dataset.copied;
  }, SHOWN_MS);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    say(button, "Copied");
  } catch {
    say(button, "Press Ctrl-C to copy"); // no clipboard without HTTPS: select the value instead
    const value = button.parentElement.querySelector("[data-copy-value]");
    if (value) getSelection().selectAllChildren(value);
  }
});

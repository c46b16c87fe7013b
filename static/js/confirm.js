// Asking before something that matters, in the page's own dialog; and dialogs opened by a button.
const dialog = document.getElementById("confirm");

function ask(element, title) {
  dialog.querySelector("h2").textContent = title;
  const bar = element.closest("[data-selection-bar]");
  const chosen = bar ? `Chosen: ${bar.querySelector("[data-selected]").textContent}. ` : "";
  dialog.querySelector("p").textContent = chosen + (element.dataset.confirmText ?? "");
  const button = dialog.querySelector('[value="yes"]');
  button.textContent = element.dataset.confirmButton ?? "Continue";
  const danger = "confirmDanger" in element.dataset;
  button.classList.toggle("btn-danger", danger);
  button.classList.toggle("btn-primary", !danger);
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

if (dialog) {
  document.addEventListener("htmx:confirm", (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    ask(event.detail.elt, event.detail.question).then((yes) => yes && event.detail.issueRequest(true));
  });

  // A plain form asks for itself or for the button that was pressed.
  document.addEventListener("submit", (event) => {
    const form = event.target;
    const button = event.submitter;
    const asking = button?.dataset.confirm ? button : form;
    if (!asking.dataset.confirm || form.dataset.confirmed) return;
    event.preventDefault();
    ask(asking, asking.dataset.confirm).then((yes) => {
      if (!yes) return;
      form.dataset.confirmed = "yes";
      form.requestSubmit(button);
      delete form.dataset.confirmed;
    });
  });
}

// A form that was refused: its dialog is open again, and what has to be mended has the focus.
for (const refused of document.querySelectorAll("dialog[data-refused]")) {
  refused.close();
  refused.showModal();
}

document.addEventListener("htmx:afterSwap", () => {
  document.querySelector("dialog[open] [aria-invalid]")?.focus();
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open-dialog]");
  if (opener) document.getElementById(opener.dataset.openDialog)?.showModal();
  const closer = event.target.closest("[data-close-dialog]");
  if (closer) closer.closest("dialog")?.close();
  if (event.target.matches("dialog.rt-dialog")) event.target.close(); // the backdrop
});

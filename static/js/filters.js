// Filter bars send no empty parameters, and say aloud how many rows came back.
document.addEventListener("htmx:configRequest", (event) => {
  const { elt, formData } = event.detail;
  if (!elt.closest("[data-filters]")) return;
  for (const name of [...formData.keys()]) {
    const kept = formData.getAll(name).filter((value) => value !== "");
    formData.delete(name);
    for (const value of kept) formData.append(name, value);
  }
});

document.addEventListener("htmx:afterSettle", (event) => {
  const summary = event.detail.elt.querySelector?.("[data-summary]");
  const status = document.getElementById("announcement");
  if (summary && status) status.textContent = summary.textContent.replace(/\s+/g, " ").trim();
});

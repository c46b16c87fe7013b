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

// What stands outside the results but is about the same rows, such as an export, follows the filter.
document.addEventListener("htmx:pushedIntoHistory", () => {
  const query = new URLSearchParams(window.location.search);
  query.delete("cursor");
  for (const element of document.querySelectorAll("[data-follows-list]")) {
    const name = element.tagName === "FORM" ? "action" : "href";
    const [address] = element.getAttribute(name).split("?");
    element.setAttribute(name, query.size ? `${address}?${query}` : address);
  }
});

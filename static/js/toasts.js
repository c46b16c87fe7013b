// Toasts: from the page's messages, from the "toast" event of a response, and when a request fails.
const SECONDS = 8;
const TITLES = {
  403: "You may not do that",
  503: "The database is busy. Try again in a moment",
};
const holder = document.getElementById("toasts");
const template = document.getElementById("toast-template");

// A toast goes by itself, unless it reports an error or the person is on it.
function expire(toast) {
  if (toast.dataset.tone === "red") return;
  let timer;
  const start = () => {
    timer = setTimeout(() => toast.remove(), SECONDS * 1000);
  };
  const stop = () => clearTimeout(timer);
  toast.addEventListener("mouseenter", stop);
  toast.addEventListener("focusin", stop);
  toast.addEventListener("mouseleave", start);
  toast.addEventListener("focusout", start);
  start();
}

export function showToast({ title, text = "", tone = "green" }) {
  const source = template.content.querySelector(`[data-tone="${tone}"]`) ?? template.content.firstElementChild;
  const toast = source.cloneNode(true);
  toast.querySelector("b").textContent = title;
  toast.querySelector("p").textContent = text;
  holder.append(toast);
  expire(toast);
}

if (holder) {
  for (const toast of holder.children) expire(toast);

  document.addEventListener("click", (event) => {
    event.target.closest("[data-dismiss]")?.closest(".rt-toast")?.remove();
  });
  document.addEventListener("toast", (event) => showToast(event.detail));
  document.addEventListener("htmx:responseError", (event) => {
    const { xhr } = event.detail;
    const reference = xhr.getResponseHeader("X-Request-ID");
    showToast({
      tone: "red",
      title: TITLES[xhr.status] ?? "That did not work",
      text: `Nothing was changed. ${reference ? `Reference ${reference}` : `The server answered ${xhr.status}.`}`,
    });
  });
  document.addEventListener("htmx:sendError", () =>
    showToast({
      tone: "red",
      title: "The console cannot be reached",
      text: "Check your connection, reload the page and look before you try again.",
    }),
  );
}

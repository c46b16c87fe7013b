// Toasts: from the page's messages, from the "toast" event of a response, and when a request fails.
const SECONDS = 8;
const KEPT = "toasts";
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

// A page that reloads by itself, such as the one of a run that has ended, keeps what it just said.
function keep() {
  const said = [...holder.children].map((toast) => ({
    title: toast.querySelector("b").textContent,
    text: toast.querySelector("p").textContent,
    tone: toast.dataset.tone,
  }));
  try {
    sessionStorage.setItem(KEPT, JSON.stringify({ page: location.href, said }));
  } catch {
    // Storage is switched off: it was readable until now.
  }
}

function showKept() {
  let kept = null;
  try {
    kept = JSON.parse(sessionStorage.getItem(KEPT));
    sessionStorage.removeItem(KEPT);
  } catch {
    return;
  }
  const [navigation] = performance.getEntriesByType("navigation");
  if (kept?.page === location.href && navigation?.type === "reload") kept.said.forEach(showToast);
}

if (holder) {
  for (const toast of holder.children) expire(toast);
  showKept();
  addEventListener("pagehide", keep);

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

// Answers that come piece by piece are shown as they come: [data-live] posts its form there.
async function show(button) {
  const form = button.form;
  const target = document.querySelector(button.dataset.liveTarget);
  const busy = button.parentElement.querySelector("[data-live-busy]");
  button.disabled = true;
  busy.hidden = false;
  target.setAttribute("aria-busy", "true");
  target.textContent = "";
  try {
    const token = document.querySelector('meta[name="csrf-token"]');
    const response = await fetch(button.dataset.live, {
      method: "POST",
      body: new FormData(form),
      headers: { "X-CSRFToken": token.content },
      redirect: "error",
    });
    if (!response.ok) throw new Error(response.statusText);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let html = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      html += value;
      target.innerHTML = html;
    }
  } catch {
    const problem = document.createElement("p");
    problem.className = "rt-errors";
    problem.textContent =
      "The console did not answer to the end. Try again; if you were signed out, sign in first.";
    target.append(problem);
  } finally {
    button.disabled = false;
    busy.hidden = true;
    target.removeAttribute("aria-busy");
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-live]");
  if (button) show(button);
});

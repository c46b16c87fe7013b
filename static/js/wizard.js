// A form in steps: one section at a time. Without this module all of them are there at once.
function enhance(form) {
  const steps = [...form.querySelectorAll("[data-wizard-step]")];
  const marks = [...form.querySelectorAll("[data-wizard-steps] li")];
  const back = form.querySelector("[data-wizard-back]");
  const next = form.querySelector("[data-wizard-next]");
  const first = marks.length - steps.length;
  const wrong = steps.findIndex((step) => step.querySelector(".rt-errors, [aria-invalid=true]"));
  // The first step, the kind, was done before this page: its tick is the pattern.
  const tick = [...marks[0].children].map((part) => part.cloneNode(true));
  let now = Math.max(wrong, 0);

  function show(focus) {
    steps.forEach((step, place) => {
      step.hidden = place !== now;
    });
    marks.forEach((mark, place) => {
      const state = place < now + first ? "done" : place === now + first ? "now" : "todo";
      mark.className = `rt-step-${state}`;
      for (const part of [...mark.children]) part.remove();
      if (state === "done") mark.prepend(...tick.map((part) => part.cloneNode(true)));
      if (state === "now") mark.setAttribute("aria-current", "step");
      else mark.removeAttribute("aria-current");
    });
    back.hidden = now === 0;
    next.hidden = now === steps.length - 1;
    if (focus) steps[now].querySelector("h2").focus();
  }

  back.addEventListener("click", () => {
    now -= 1;
    show(true);
  });
  next.addEventListener("click", () => {
    // What is missing is said where it is, before the steps that build on it.
    const fields = [...steps[now].querySelectorAll("input, select, textarea")];
    const missing = fields.find((field) => field.offsetParent && !field.checkValidity());
    if (missing) {
      missing.reportValidity();
      return;
    }
    now += 1;
    show(true);
  });
  form.addEventListener("keydown", (event) => {
    // Enter goes on instead of saving what is half done.
    if (event.key !== "Enter" || !event.target.matches("input") || next.hidden) return;
    event.preventDefault();
    next.click();
  });
  show(false);
}

document.querySelectorAll("[data-wizard]").forEach(enhance);

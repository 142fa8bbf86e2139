// What makes the pages faster for those who have scripts. Every page works
// without it.

// After a form came back with errors, a screen reader and the keyboard start
// at the summary.
document.querySelector(".problems")?.focus();

// A form is sent once, however often its button is pressed.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// What makes the pages faster for those who have scripts. Every page works
// without it.

// After a form came back with errors, a screen reader and the keyboard start
// at the summary.
document.querySelector(".problems")?.focus();

// Files that are too large together are told of before they are sent:
// <input type="file" data-max-bytes="…" data-over="id of the sentence">.
for (const input of document.querySelectorAll("input[data-max-bytes]")) {
  const sentence = document.getElementById(input.dataset.over);
  const over = () => [...input.files].reduce((sum, file) => sum + file.size, 0) > Number(input.dataset.maxBytes);
  const show = () => { sentence.hidden = !over(); };
  input.addEventListener("change", show);
  window.addEventListener("pageshow", show); // "back" brings the choice back
  input.form.addEventListener("submit", (event) => {
    if (!over()) return;
    event.preventDefault();
    input.focus();
  });
}

// A form is sent once, however often its button is pressed.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", (event) => {
    if (event.defaultPrevented) return;
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

// What is marked with data-watch is fetched again now and then, and put in
// place when it has changed, until it comes without the mark. The pauses grow.
const watch = async (pause) => {
  await new Promise((done) => setTimeout(done, pause));
  const here = document.querySelector("[data-watch]");
  if (!here) return;
  if (!document.hidden) {
    try {
      const answer = await fetch(location.href, { cache: "no-store" });
      if (answer.status === 404) return;
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const there = page.querySelector("[aria-live]");
        if (there && there.innerHTML !== here.innerHTML) {
          here.replaceChildren(...there.childNodes);
          document.title = page.title;
        }
        if (there && !("watch" in there.dataset)) delete here.dataset.watch;
      }
    } catch {
      // the network is away; the next time may be better
    }
  }
  watch(Math.min(pause * 1.4, 30_000));
};
if (document.querySelector("[data-watch]")) watch(1500);

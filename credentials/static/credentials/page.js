// Small comforts; no page needs them. What only works with a script is hidden until there is one.
for (const part of document.querySelectorAll("[data-script]")) part.hidden = false;
// `autofocus` does this, too, but not where the address still names the field that the mistake before was in.
addEventListener("load", () => document.querySelector(".govuk-error-summary")?.focus());
for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => window.print());
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const text = document.getElementById(button.dataset.copy);
    text.select();
    try {
      await navigator.clipboard.writeText(text.value);
      button.parentElement.querySelector("[role=status]").textContent = button.dataset.done;
    } catch {
      text.focus(); // not allowed here: the text is selected, the browser's own copy works
    }
  });
}

// Comforts of a page that sends files: one that is too large is not sent at all, and it is said that sending goes on.
for (const form of document.querySelectorAll("form.upload")) {
  const input = form.querySelector("input[type=file]"), large = form.querySelector("[data-too-large]");
  const status = form.querySelector("[role=status]");
  const isLarge = () => input.files.length > 0 && input.files[0].size > Number(form.dataset.max);
  input.addEventListener("change", () => { large.hidden = !isLarge(); });
  form.addEventListener("submit", (event) => {
    if (isLarge() || form.dataset.sent) {
      event.preventDefault();
      if (isLarge()) input.focus();
    } else if (input.files.length > 0) {
      form.dataset.sent = "yes";  // a second press would send it twice
      status.textContent = status.dataset.sending;
    }
  });
}
window.addEventListener("pageshow", () => { for (const form of document.querySelectorAll("form.upload")) delete form.dataset.sent; });

// Says how far the work is, every two seconds, and shows the page anew when it is done.
const status = document.getElementById("progress-status"), bar = document.getElementById("progress-bar");
async function ask() {
  try {
    const answer = await fetch(status.dataset.ask, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (answer.redirected || !answer.ok) return; // signed out meanwhile: the link on the page says the rest
    const told = await answer.json();
    status.textContent = told.text;
    if (!told.waiting) {
      location.replace(told.next);
      return;
    }
    bar.value = told.done;
  } catch {
    // no network for a moment
  }
  setTimeout(ask, 2000);
}
setTimeout(ask, 1000);

// Asks whether the answer is here, soon at first and then every 5 seconds, and says what it hears.
const status = document.getElementById("waiting-status");
const pauses = [500, 500, 1000, 1000, 2000];
async function ask() {
  try {
    const answer = await fetch(status.dataset.ask, { headers: { Accept: "application/json" }, cache: "no-store" });
    if (answer.redirected || !answer.ok) return; // signed out meanwhile: the link on the page says the rest
    const told = await answer.json();
    if (!told.waiting) {
      status.textContent = status.dataset.done;
      location.replace(told.next);
      return;
    }
    if (told.long && status.textContent !== status.dataset.long) status.textContent = status.dataset.long;
  } catch {
    // no network for a moment
  }
  setTimeout(ask, pauses.shift() ?? 5000);
}
setTimeout(ask, pauses.shift());

// Says two minutes before a sign-in ends that it does, and leaves nothing on the screen when it has. Without a script
// the next page says it. The server tells seconds to go, not an hour: the device's clock may be wrong.
const notice = document.querySelector("[data-session-ends]");
const ends = Date.now() + Number(notice.dataset.sessionEnds) * 1000;
const look = () => {
  const left = ends - Date.now();
  if (left <= 0) location.replace(notice.dataset.after);
  else if (left <= 120_000) notice.hidden = false; // an alert speaks when it appears
};
setInterval(look, 5000);
document.addEventListener("visibilitychange", look); // a laptop that was closed
look();

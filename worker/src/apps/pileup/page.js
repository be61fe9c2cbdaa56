// Shows the station as it is now, whenever it is told that something has changed.
const main = document.querySelector("main");
const said = document.querySelector("output");

async function show() {
  const text = await (await fetch("/status")).text();
  const page = new DOMParser().parseFromString(text, "text/html");
  main.replaceChildren(...page.querySelector("main").childNodes);
}

const events = new EventSource("/api/events/stream");
for (const name of ["queue_update", "current_qso", "frequency_update", "split_update", "system_status"]) {
  events.addEventListener(name, show);
}
// What happened while nothing was heard.
events.addEventListener("connected", show);

document.querySelector("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const callsign = new FormData(event.target).get("callsign");
  const answer = await fetch("/api/queue/register", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ callsign }),
  });
  const body = await answer.json();
  said.textContent = answer.ok ? body.message : String(body.detail);
  if (answer.ok) {
    event.target.reset();
  }
});

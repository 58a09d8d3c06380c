// What happens in the network, as it happens: one connection to the event stream for a page.

let source = null;
const heard = new Map();

function open() {
  source = new EventSource("/api/v1/stream");
  for (const kind of heard.keys()) attach(kind);
}

function attach(kind) {
  source.addEventListener(kind, (event) => {
    let data;
    try { data = JSON.parse(event.data); } catch { return; }
    for (const tell of heard.get(kind)) tell(data);
  });
}

/** Call `tell(data)` for each message of a kind: statements, event, epoch, head, resync. */
export function live(kind, tell) {
  const known = heard.get(kind);
  if (known) { known.push(tell); return; }
  heard.set(kind, [tell]);
  if (source) attach(kind); else open();
}

addEventListener("pagehide", () => { if (source) source.close(); source = null; });
addEventListener("pageshow", (event) => { if (event.persisted && heard.size) open(); });

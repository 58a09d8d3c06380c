// What happens in the network, as it happens: one connection to the event stream for a page.

const SILENT_MS = 4000;
const AGAIN_MS = 5000;

let source = null;
let silence = null;
let again = null;
let lost = false;
const heard = new Map();

function open() {
  source = new EventSource("/api/v1/stream");
  source.addEventListener("open", found);
  source.addEventListener("error", missed);
  for (const kind of heard.keys()) attach(kind);
}

function attach(kind) {
  source.addEventListener(kind, (event) => {
    let data;
    try { data = JSON.parse(event.data); } catch { return; }
    for (const tell of heard.get(kind)) tell(data);
  });
}

/** Show, or no longer, that what the page says may be old. */
function stale(is) {
  lost = is;
  const notice = document.getElementById("stale");
  if (notice) notice.hidden = !is;
}

function found() {
  clearTimeout(silence);
  silence = null;
  if (!lost) return;
  stale(false);
  // a stream that was opened anew does not know what was missed
  for (const tell of heard.get("resync") ?? []) tell({});
}

function missed() {
  silence ??= setTimeout(() => stale(true), SILENT_MS);
  // a browser asks again by itself unless it got an answer that is no stream
  if (source?.readyState === EventSource.CLOSED) {
    clearTimeout(again);
    again = setTimeout(open, AGAIN_MS);
  }
}

/** Call `tell(data)` for each message of a kind: statements, event, epoch, head, resync. */
export function live(kind, tell) {
  const known = heard.get(kind);
  if (known) { known.push(tell); return; }
  heard.set(kind, [tell]);
  if (source) attach(kind); else open();
}

addEventListener("pagehide", () => {
  clearTimeout(silence);
  clearTimeout(again);
  silence = null;
  if (source) source.close();
  source = null;
});
addEventListener("pageshow", (event) => { if (event.persisted && heard.size) open(); });

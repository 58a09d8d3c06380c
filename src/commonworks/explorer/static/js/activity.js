// The diary as it grows: new entries on top, as the server writes them in the reader's language.

import { localTimes } from "./app.js";
import { live } from "./live.js";

const SHOWN_MAX = 200;
const PAUSE_BETWEEN_MS = 2000;

/** Call `work` soon, at most once in a while, however often it is asked for. */
export function seldom(work) {
  let waiting = false;
  let last = 0;
  return () => {
    if (waiting) return;
    waiting = true;
    setTimeout(async () => {
      waiting = false;
      last = Date.now();
      await work();
    }, Math.max(0, last + PAUSE_BETWEEN_MS - Date.now()));
  };
}

/** Return this page as the server would send it now; null when it cannot be had. */
export async function pageNow() {
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) return null;
    return new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    return null;
  }
}

/** Put entries of `fresh` that `feed` lacks on top of it; keep it as long as it was. */
export function grow(feed, fresh) {
  const known = new Set([...feed.children].map((entry) => entry.dataset.key));
  const news = [...fresh.children].filter((entry) => !known.has(entry.dataset.key));
  const length = Math.min(Math.max(feed.children.length, fresh.children.length), SHOWN_MAX);
  for (const entry of news.reverse()) {
    const own = document.importNode(entry, true);
    own.classList.add("fresh");
    feed.prepend(own);
  }
  while (feed.children.length > length) feed.lastElementChild.remove();
  localTimes(feed);
}

let paused = false;
const told = [];

/** Tell whether the reader has stopped the page from changing. */
export function isPaused() {
  return paused;
}

/** Call `work` when the reader lets the page go on. */
export function onResume(work) {
  told.push(work);
}

function pausing() {
  const button = document.querySelector("[data-feed-pause]");
  if (!button) return;
  button.hidden = false;
  button.title = button.dataset.running;
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    button.title = paused ? button.dataset.paused : button.dataset.running;
    if (!paused) for (const work of told) work();
  });
}

/** Keep the page's feed growing; `also(page)` gets each newer page. */
export function follow(kinds, also = () => {}) {
  const refresh = seldom(async () => {
    if (paused || document.hidden) return;
    const page = await pageNow();
    if (page === null) return;
    const feed = document.querySelector("[data-feed]");
    const fresh = page.querySelector("[data-feed]");
    if (feed && fresh) grow(feed, fresh);
    also(page);
  });
  pausing();
  onResume(refresh);
  document.addEventListener("visibilitychange", refresh);
  for (const kind of [...kinds, "resync"]) live(kind, refresh);
}

if (!document.querySelector("[data-fresh]")) follow(["event"]);

// The diary as it grows: new entries on top, as the server writes them in the reader's language.

import { localTimes } from "./app.js";
import { live } from "./live.js";

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

/**
 * Make `feed` what `fresh` is. Entries that are the same stay where they are, so that nothing is
 * read out twice and nobody loses the place; a run that grew takes its own place on top.
 */
export function grow(feed, fresh) {
  const known = new Map([...feed.children].map((entry) => [entry.dataset.key, entry]));
  const entries = [...fresh.children].map((entry) => {
    const old = known.get(entry.dataset.key);
    if (old && old.dataset.count === entry.dataset.count) return old;
    const own = document.importNode(entry, true);
    if (!old) own.classList.add("fresh");
    return own;
  });
  const kept = new Set(entries);
  for (const entry of [...feed.children]) if (!kept.has(entry)) entry.remove();
  let place = feed.firstElementChild;
  for (const entry of entries) {
    if (entry === place) place = place.nextElementSibling;
    else feed.insertBefore(entry, place);
  }
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

/** What fell off the end of the list is on its next page. */
function renewPager(page) {
  const [old, made] = [document, page].map((one) => one.querySelector(".pager"));
  if (old && made && !old.contains(document.activeElement)) old.replaceWith(made);
}

if (!document.querySelector("[data-fresh]")) follow(["event"], renewPager);

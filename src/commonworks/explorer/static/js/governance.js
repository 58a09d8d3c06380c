// Proposals: the progress of a back-test, the vote as it goes on, and pictures.
import { draw } from "./charts.js";
import { copying, localTimes, stacking } from "./app.js";
import { live } from "./live.js";

const AGAIN_MS = 2000;
const REFRESH_MS = 5000;

/** Return this page as the server has it now, without moving the reader's own input. */
async function fresh() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok) throw new Error(`the page answered ${answer.status}`);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

const shown = new Map();

/** Show a part as it is now; the place stays, so that readers of live regions hear what changed. */
function replace(page, selector) {
  const [old, made] = [document.querySelector(selector), page.querySelector(selector)];
  if (!old || !made || shown.get(selector) === made.innerHTML) return;
  shown.set(selector, made.innerHTML);
  for (const [name, value] of Object.entries(made.dataset)) old.dataset[name] = value;
  old.replaceChildren(...made.childNodes);
  localTimes(old);
  copying(old);
  stacking(old);
}

const stateOf = (page) => page.querySelector("[data-state]")?.dataset.state;

async function followBacktest() {
  const section = document.querySelector("#backtest[data-backtest]");
  if (!section || !["waiting", "running"].includes(section.dataset.stage)) return;
  const bar = section.querySelector("progress");
  let stage = section.dataset.stage;
  while (["waiting", "running"].includes(stage)) {
    await new Promise((done) => { setTimeout(done, AGAIN_MS); });
    if (document.hidden) continue;
    try {
      const answer = await fetch(section.dataset.backtest);
      const said = await answer.json();
      if (!answer.ok) continue;
      stage = said.stage;
      if (bar && said.total) {
        bar.max = said.total;
        bar.value = said.done;
      }
    } catch { /* the server is away for a moment */ }
  }
  replace(await fresh(), "#backtest");
  await draw();
}

let waiting = false;

/** Show votes and states as they are now, at most once in a while. */
function refreshSoon() {
  if (waiting || document.hidden) return;
  waiting = true;
  setTimeout(async () => {
    waiting = false;
    try {
      const page = await fresh();
      if (stateOf(page) !== stateOf(document)) {
        location.reload(); // other things can be done now
        return;
      }
      for (const selector of ["[data-refresh]", "#ballots"]) replace(page, selector);
    } catch { /* the next message asks again */ }
  }, REFRESH_MS);
}

if (document.querySelector("[data-refresh]")) {
  live("head", refreshSoon);
  live("resync", refreshSoon);
}
draw();
followBacktest();

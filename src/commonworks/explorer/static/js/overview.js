// The overview as it changes: figures, the running epoch, newest epochs, the newest entries.

import { follow } from "./activity.js";
import { localTimes, stacking } from "./app.js";

function renew(page) {
  for (const part of document.querySelectorAll("[data-fresh]")) {
    const fresh = page.querySelector(`[data-fresh="${CSS.escape(part.dataset.fresh)}"]`);
    if (!fresh || part.contains(document.activeElement)) continue;
    part.replaceChildren(...document.importNode(fresh, true).childNodes);
    localTimes(part);
    stacking(part);
  }
}

follow(["event", "epoch", "statements", "head"], renew);

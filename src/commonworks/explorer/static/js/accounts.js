// The page of an account: "all" beside an amount, what a sale would bring, printing.

import { LANGUAGE } from "./app.js";

const PAUSE_MS = 350;

const POINT = new Intl.NumberFormat(LANGUAGE).formatToParts(0.5)
  .find((part) => part.type === "decimal").value;

/** Return smallest units (digits) as whole ones, exactly. */
function whole(units, decimals) {
  const digits = units.padStart(decimals + 1, "0");
  const places = digits.slice(digits.length - decimals).replace(/0+$/, "");
  const head = digits.slice(0, digits.length - decimals);
  return decimals && places ? `${head}.${places}` : head;
}

/** Return whole units as people write them in smallest ones; null where it is no amount. */
function smallest(text, decimals) {
  const found = /^\s*(\d{1,30})(?:[.,](\d+))?\s*$/.exec(text);
  if (!found || (found[2] ?? "").length > decimals) return null;
  return (found[1] + (found[2] ?? "").padEnd(decimals, "0")).replace(/^0+(?=\d)/, "");
}

for (const button of document.querySelectorAll("[data-fill]")) {
  button.addEventListener("click", () => {
    const field = document.getElementById(button.dataset.fill);
    field.value = whole(button.dataset.units, Number(button.dataset.decimals)).replace(".", POINT);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  });
}

function quoting(place) {
  const field = document.getElementById(place.dataset.quote);
  let waiting = 0;
  let asked = 0;
  const look = async () => {
    const units = smallest(field.value, Number(place.dataset.inDecimals));
    asked += 1;
    const turn = asked;
    if (!units || /^0+$/.test(units)) { place.textContent = ""; return; }
    const answer = await fetch(`/api/v1/quote?amount_in=${units}`).catch(() => null);
    if (turn !== asked) return;
    const found = await answer?.json().catch(() => null);
    if (!answer?.ok) { place.textContent = found?.detail ?? ""; return; }
    const form = new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: 2 });
    const got = Number(whole(found.amount_out, Number(place.dataset.outDecimals)));
    place.textContent = place.dataset.text.replace("{amount}", form.format(got));
  };
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(look, PAUSE_MS);
  });
}

for (const place of document.querySelectorAll("[data-quote]")) quoting(place);

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => window.print());
}

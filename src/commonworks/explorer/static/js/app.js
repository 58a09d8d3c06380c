// What every page does with a script: local times, copying, light and dark.

const PAGE = document.documentElement.lang || "en";
const COLUMNS_MANY = 4;
const LINE_LONG = 34;

/** The reader's own form of the page's language: British dates for a British reader. */
export const LANGUAGE = navigator.languages.find((tag) => tag.split("-")[0] === PAGE) ?? PAGE;

/** Show every <time> below `root` in the reader's own zone; UTC stays in its title. */
export function localTimes(root = document) {
  const form = new Intl.DateTimeFormat(LANGUAGE, { dateStyle: "medium", timeStyle: "short" });
  for (const element of root.querySelectorAll("time[data-time]")) {
    const at = new Date(Number(element.dataset.time) * 1000);
    if (element.dataset.local) continue;
    element.dataset.local = "yes";
    element.title = element.textContent;
    element.textContent = form.format(at);
  }
}

/** Say in which zone times are shown now. */
function zone() {
  const place = document.querySelector("[data-zone]");
  const name = new Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (place && name) place.textContent = place.dataset.zone.replace("{zone}", name);
}

/** Say something to a screen reader without moving anything. */
export function say(text) {
  document.getElementById("say").textContent = text;
}

/** Let every button below `root` copy what stands beside it. */
export function copying(root = document) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    const label = button.textContent;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = "✓";
      say(`${label} ✓`);
      setTimeout(() => { button.textContent = label; }, 1200);
    });
  }
}

/** Give every cell of a table of many columns its heading: on a phone its rows become blocks. */
export function stacking(root = document) {
  for (const table of root.querySelectorAll(".scroll > table:not(.stacked)")) {
    const heads = [...(table.tHead?.rows[0]?.cells ?? [])];
    if (heads.length < COLUMNS_MANY && !table.classList.contains("stack")) continue;
    if (table.closest("details")) continue;
    table.classList.add("stacked");
    // blocks would hide from a screen reader that this is a table
    table.setAttribute("role", "table");
    for (const part of table.querySelectorAll("thead, tbody")) part.setAttribute("role", "rowgroup");
    for (const row of table.rows) {
      row.setAttribute("role", "row");
      [...row.cells].forEach((cell, place) => headed(cell, place, heads[place]));
    }
  }
}

/** Say what a cell is, and under which heading; mark what is empty and what needs a line. */
function headed(cell, place, column) {
  if (cell.closest("thead")) {
    cell.setAttribute("role", "columnheader");
    return;
  }
  cell.setAttribute("role", cell.tagName === "TH" ? "rowheader" : "cell");
  if (!column) return;
  const said = cell.textContent.trim();
  if (cell.tagName === "TH") {
    if (/^[\d.,\s]+$/.test(said)) cell.dataset.label = column.textContent.trim();
    return;
  }
  cell.classList.toggle("blank", said === "" || said === "–");
  cell.classList.toggle("full", said.length > LINE_LONG);
  // the first cell is the row's name, unless it is a mere number
  const named = place > 0 || cell.classList.contains("num");
  if (named && !("plain" in column.dataset)) cell.dataset.label = column.textContent.trim();
}

/** Bring the tab of this page into view where not all of them fit. */
function tabs() {
  const here = document.querySelector(".tabs [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.offsetLeft - 24;
}

function theme() {
  const root = document.documentElement; // js/theme.js has set what the reader chose before
  const button = document.querySelector("[data-theme-toggle]");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const dark = root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("theme", root.dataset.theme); } catch { /* only for this page */ }
    document.dispatchEvent(new CustomEvent("themechange"));
  });
}

theme();
localTimes();
zone();
copying();
stacking();
tabs();

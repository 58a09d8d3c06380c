// What every page does with a script: local times, copying, light and dark.

const PAGE = document.documentElement.lang || "en";

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

function theme() {
  let kept = null;
  try { kept = localStorage.getItem("theme"); } catch { /* storage is switched off */ }
  const root = document.documentElement;
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
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
copying();

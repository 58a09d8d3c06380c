// Light or dark as the reader chose it, before anything is drawn: no module, so that nothing flashes.
(() => {
  document.documentElement.dataset.scripted = "yes";
  try {
    const kept = localStorage.getItem("theme");
    if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;
  } catch { /* storage is switched off */ }
})();

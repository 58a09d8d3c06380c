// Joining: choosing a coarse cell on a map that needs no tiles, and watching a device arrive.
//
// The exact point stays here: the server is asked for the cells around a place rounded to a few
// cells' width, and which of them holds the point is found out in this script.

import { localTimes, say } from "./app.js";
import { live } from "./live.js";

const DIGITS = 6;
const LATITUDE_MAX = 90;
const LONGITUDE_MAX = 180;
const ZOOM_CHOICE = 11; // for cells of resolution ZOOM_AT
const ZOOM_MAX = 14;
const ZOOM_AT = 7;
const ZOOM_PER_RESOLUTION = 1.4;
const POLL_MS = 5_000;
const SOON_MS = 300;

// --- the map -------------------------------------------------------------------------------------

/** Tell whether a point lies in a ring of [x, y]: edges crossed by a ray to the east. */
export function inside(ring, x, y) {
  let odd = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i, i += 1) {
    const [ax, ay] = ring[i];
    const [bx, by] = ring[j];
    if ((ay > y) !== (by > y) && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

/** Return a coordinate as the server may know it: a multiple of `step` degrees on the globe. */
export function rough(value, step, most) {
  const near = Math.round(value / step) * step;
  return Math.max(-most, Math.min(most, near)).toFixed(DIGITS);
}

async function cellAt(latitude, longitude, step) {
  const query = new URLSearchParams({
    latitude: rough(latitude, step, LATITUDE_MAX), longitude: rough(longitude, step, LONGITUDE_MAX),
  });
  const answer = await fetch(`/api/v1/join/cells?${query}`);
  if (!answer.ok) return null;
  const { cells } = await answer.json();
  const turns = [0, 360, -360]; // an outline across the 180th meridian goes on beyond it
  return cells.find(({ ring }) => turns.some((turn) => inside(ring, longitude + turn, latitude)));
}

async function picking(frame) {
  const [{ control, map, polygon, layerGroup, latLngBounds }, { graticule }] = await Promise.all([
    import("../vendor/leaflet/leaflet-src.esm.js"), import("./graticule.js"),
  ]);
  const text = JSON.parse(frame.dataset.words);
  const place = frame.querySelector(".leaflet");
  const step = Number(frame.dataset.rounding);
  const closer = ZOOM_PER_RESOLUTION * (Number(frame.dataset.resolution) - ZOOM_AT);
  frame.hidden = false;
  place.setAttribute("role", "application");
  place.setAttribute("aria-label", text.map);
  const shown = map(place, {
    attributionControl: false, zoomControl: false, maxZoom: ZOOM_MAX + Math.max(closer, 0),
    zoomSnap: 0.5, fadeAnimation: false, worldCopyJump: true,
  });
  control.zoom({ zoomInTitle: text.in, zoomOutTitle: text.out }).addTo(shown);
  control.scale({ imperial: false, position: "topright" }).addTo(shown);
  shown.setView([20, 10], 1.5);
  const lines = layerGroup().addTo(shown);
  const points = (ring) => ring.map(([x, y]) => [y, x]);
  let picked = null;
  const draw = (ring) => {
    picked?.remove();
    picked = polygon(points(ring), { className: "picked", interactive: false }).addTo(shown);
  };
  const chosen = JSON.parse(frame.dataset.ring);
  const others = await neighbours();
  for (const ring of others) {
    polygon(points(ring), { className: "cell shade-2", color: "currentColor", interactive: false })
      .addTo(shown);
  }
  if (chosen.length) {
    draw(chosen);
    shown.fitBounds(latLngBounds(points(chosen)).pad(2));
  } else if (others.length) {
    shown.fitBounds(latLngBounds(others.flatMap(points)).pad(0.5));
  }
  graticule(shown, lines, text.compass);
  shown.on("moveend zoomend resize", () => graticule(shown, lines, text.compass));
  shown.on("click", async ({ latlng }) => {
    const at = latlng.wrap();
    const found = await cellAt(at.lat, at.lng, step);
    if (!found) return;
    draw(found.ring);
    if (shown.getZoom() < ZOOM_CHOICE + closer) shown.fitBounds(picked.getBounds().pad(2));
    offer(frame.dataset.resource, found.cell);
  });
}

/** Return the outlines of the cells that the network shows already. */
async function neighbours() {
  const answer = await fetch("/api/v1/network/map");
  if (!answer.ok) return [];
  return (await answer.json()).features.map((feature) => feature.geometry.coordinates[0]);
}

function offer(resource, cell) {
  const box = document.querySelector("[data-picked]");
  box.querySelector("[data-picked-cell]").textContent = cell;
  const query = new URLSearchParams({ resource, cell });
  box.querySelector("[data-picked-link]").href = `/join?${query}#configure`;
  box.hidden = false;
}

// --- watching ------------------------------------------------------------------------------------

function line(step, more) {
  const item = document.createElement("li");
  item.dataset.state = step.state;
  const title = document.createElement("strong");
  title.textContent = step.title;
  const detail = document.createElement("span");
  detail.textContent = step.detail;
  if (step.at) {
    const time = document.createElement("time");
    time.dataset.time = step.at;
    time.dateTime = new Date(step.at * 1000).toISOString();
    time.textContent = `${time.dateTime.slice(0, 16).replace("T", " ")} UTC`;
    detail.append(" ", time);
  }
  item.append(title, " ", detail, " ");
  if (step.href) {
    const link = document.createElement("a");
    link.href = step.href;
    link.textContent = more;
    item.append(link);
  }
  return item;
}

function watching(list) {
  let shown = "";
  let waiting = null;
  const look = async () => {
    waiting = null;
    const answer = await fetch(list.dataset.progress).catch(() => null);
    if (!answer?.ok) return;
    const found = await answer.json();
    const now = JSON.stringify(found.steps);
    if (now === shown) return;
    const first = shown === "";
    shown = now;
    list.replaceChildren(...found.steps.map((step) => line(step, list.dataset.more)));
    localTimes(list);
    if (first) return;
    const newest = found.steps.filter((step) => step.state !== "waiting").at(-1);
    if (newest) say(`${newest.title}. ${newest.detail}`);
    if (found.verified) location.reload();
  };
  const soon = () => { waiting ??= setTimeout(look, SOON_MS); };
  for (const kind of ["statements", "event", "epoch", "resync"]) live(kind, soon);
  setInterval(soon, POLL_MS);
  look();
}

const frame = document.querySelector("[data-pick]");
if (frame) picking(frame);
const list = document.querySelector("[data-progress]");
if (list && !list.dataset.verified) watching(list);

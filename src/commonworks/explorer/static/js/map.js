// Devices on a map that needs no tiles: hexagons over a graticule, offline.

import {
  control, featureGroup, latLngBounds, layerGroup, map as makeMap, polygon, polyline, tooltip,
} from "../vendor/leaflet/leaflet-src.esm.js";

const STEPS = [30, 15, 10, 5, 2, 1, 0.5, 0.25, 0.1, 0.05, 0.02, 0.01];
const LINE_APART_PX = 80;
const EDGE_PX = { top: 80, bottom: 24, left: 50, right: 110 }; // where controls and labels stand
const SHADES = [1, 3, 10, 100];
const ZOOM_MAX = 14;
const NUMBER = new Intl.NumberFormat(document.documentElement.lang || "en");

function range(item) {
  if (item.minimum === item.maximum) return NUMBER.format(item.minimum);
  return `${NUMBER.format(item.minimum)}–${NUMBER.format(item.maximum)}`;
}

function shade(count) {
  return 1 + SHADES.filter((bound) => count > bound).length;
}

/** Return what a cell says, as text: titles come from resources, never as markup. */
function words(cell) {
  const box = document.createElement("div");
  for (const one of cell.resources) {
    const line = document.createElement("div");
    line.textContent = `${one.title}: ${range(one)}`;
    box.append(line);
  }
  const name = document.createElement("code");
  name.textContent = cell.cell;
  box.append(name);
  return box;
}

function hexagon(feature) {
  const [ring] = feature.geometry.coordinates;
  const cell = feature.properties;
  const drawn = polygon(ring.map(([x, y]) => [y, x]), {
    className: `cell shade-${shade(cell.maximum)}`,
    color: "currentColor", weight: 1.5, fillOpacity: 1, // css/overview.css says more
  });
  drawn.bindTooltip(() => words(cell));
  drawn.on("add", () => {
    const path = drawn.getElement();
    path.setAttribute("tabindex", "0");
    path.setAttribute("role", "img");
    path.setAttribute("aria-label", cell.resources.map((one) => `${one.title}: ${range(one)}`).join("; "));
  });
  return drawn;
}

function degrees(value, positive, negative, step) {
  const digits = step >= 1 ? 0 : 2;
  return `${Math.abs(value).toFixed(digits)}° ${value < 0 ? negative : positive}`;
}

/** Draw meridians and parallels over what is seen, in steps that leave room for their labels. */
function graticule(shown, lines) {
  lines.clearLayers();
  const seen = shown.getBounds();
  const bounds = seen.pad(0.2);
  const [south, north] = [Math.max(bounds.getSouth(), -85), Math.min(bounds.getNorth(), 85)];
  const size = shown.getSize();
  const perPixel = (seen.getEast() - seen.getWest()) / size.x;
  const step = STEPS.findLast((one) => one / perPixel >= LINE_APART_PX) ?? STEPS[0];
  const style = { className: "graticule", interactive: false, color: "currentColor" };
  const label = (at, direction, text) => lines.addLayer(tooltip(at, {
    permanent: true, className: "degrees", direction, offset: [0, 0], interactive: false,
    content: text,
  }));
  const first = (edge) => Math.ceil(edge / step);
  for (let turn = first(bounds.getWest()); turn * step <= bounds.getEast(); turn += 1) {
    const x = turn * step;
    lines.addLayer(polyline([[south, x], [north, x]], style));
    const place = shown.latLngToContainerPoint([seen.getCenter().lat, x]).x;
    if (place > EDGE_PX.left && place < size.x - EDGE_PX.right / 3) {
      const low = shown.containerPointToLatLng([0, size.y - 10]).lat;
      label([low, x], "center", degrees(x, "E", "W", step));
    }
  }
  for (let turn = first(south); turn * step <= north; turn += 1) {
    const y = turn * step;
    lines.addLayer(polyline([[y, bounds.getWest()], [y, bounds.getEast()]], style));
    const at = shown.latLngToContainerPoint([y, seen.getWest()]);
    if (at.y > EDGE_PX.top && at.y < size.y - EDGE_PX.bottom) {
      label([y, seen.getWest()], "right", degrees(y, "N", "S", step));
    }
  }
  lines.eachLayer((line) => { if (line.bringToBack) line.bringToBack(); });
}

async function draw(frame) {
  const answer = await fetch(frame.dataset.map);
  if (!answer.ok) return;
  const found = await answer.json();
  if (!found.features.length) return;
  const text = JSON.parse(frame.dataset.words);
  const place = document.createElement("div");
  place.className = "leaflet";
  place.setAttribute("role", "region");
  place.setAttribute("aria-label", text.map);
  const picture = frame.firstElementChild;
  frame.replaceChild(place, picture);
  const shown = makeMap(place, {
    attributionControl: false, zoomControl: false, maxZoom: ZOOM_MAX, scrollWheelZoom: false,
    zoomSnap: 0.25, fadeAnimation: false,
  });
  control.zoom({ zoomInTitle: text.in, zoomOutTitle: text.out }).addTo(shown);
  control.scale({ imperial: false, position: "topright" }).addTo(shown);
  const cells = featureGroup(found.features.map(hexagon));
  shown.fitBounds(latLngBounds(cells.getBounds()).pad(0.12));
  const lines = layerGroup().addTo(shown);
  cells.addTo(shown);
  graticule(shown, lines);
  shown.on("moveend zoomend resize", () => graticule(shown, lines));
}

for (const frame of document.querySelectorAll("[data-map]")) draw(frame);

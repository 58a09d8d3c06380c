// Devices on a map that needs no tiles: hexagons over a graticule, offline.

import {
  control, featureGroup, latLngBounds, layerGroup, map as makeMap, polygon,
} from "../vendor/leaflet/leaflet-src.esm.js";

import { LANGUAGE } from "./app.js";
import { graticule } from "./graticule.js";

const SHADES = [1, 3, 10, 100];
const ZOOM_MAX = 14;
const ZOOM_MAX_AT = 7; // resolution of the cells that this is close enough for
const ZOOM_PER_RESOLUTION = 1.4;
const NUMBER = new Intl.NumberFormat(LANGUAGE);

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
    attributionControl: false, zoomControl: false, scrollWheelZoom: false,
    maxZoom: ZOOM_MAX + ZOOM_PER_RESOLUTION * Math.max(found.resolution - ZOOM_MAX_AT, 0),
    zoomSnap: 0.25, fadeAnimation: false,
  });
  control.zoom({ zoomInTitle: text.in, zoomOutTitle: text.out }).addTo(shown);
  control.scale({ imperial: false, position: "topright" }).addTo(shown);
  const cells = featureGroup(found.features.map(hexagon));
  shown.fitBounds(latLngBounds(cells.getBounds()).pad(0.12));
  const lines = layerGroup().addTo(shown);
  cells.addTo(shown);
  graticule(shown, lines, text.compass);
  shown.on("moveend zoomend resize", () => graticule(shown, lines, text.compass));
}

for (const frame of document.querySelectorAll("[data-map]")) draw(frame);

// Meridians and parallels under a map that has no tiles.

import { polyline, tooltip } from "../vendor/leaflet/leaflet-src.esm.js";

import { LANGUAGE } from "./app.js";

const STEPS = [30, 15, 10, 5, 2, 1, 0.5, 0.25, 0.1, 0.05, 0.02, 0.01];
const LINE_APART_PX = 80;
const EDGE_PX = { top: 80, bottom: 24, left: 50, right: 110 }; // where controls and labels stand

function degrees(value, positive, negative, step) {
  const digits = step >= 1 ? 0 : 2;
  const form = new Intl.NumberFormat(LANGUAGE, {
    minimumFractionDigits: digits, maximumFractionDigits: digits,
  });
  return `${form.format(Math.abs(value))}° ${value < 0 ? negative : positive}`;
}

/** Draw meridians and parallels over what is seen, in steps that leave room for their labels.
 *
 * `compass`: what north, east, south and west are called beside a number, with blanks between. */
export function graticule(shown, lines, compass) {
  const names = Object.fromEntries(
    ["north", "east", "south", "west"].map((side, place) => [side, compass.split(" ")[place]]));
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
      label([low, x], "center", degrees(x, names.east, names.west, step));
    }
  }
  for (let turn = first(south); turn * step <= north; turn += 1) {
    const y = turn * step;
    lines.addLayer(polyline([[y, bounds.getWest()], [y, bounds.getEast()]], style));
    const at = shown.latLngToContainerPoint([y, seen.getWest()]);
    if (at.y > EDGE_PX.top && at.y < size.y - EDGE_PX.bottom) {
      label([y, seen.getWest()], "right", degrees(y, names.north, names.south, step));
    }
  }
  lines.eachLayer((line) => { if (line.bringToBack) line.bringToBack(); });
}

// Draws every <figure class="chart" data-chart="{…}"> of the page. What it shows stands in the
// table beneath it as well, so this is for the eye only. Macro: chart(id, spec, caption, …).
//
// spec over time or over names:
//   { kind: "line" | "area" | "bars",
//     at:     [1767225600, …]            Unix seconds, ascending; drawn in the reader's zone
//     names:  ["Epoch 1", …]             instead of `at`: one name for each place
//     series: [{ label, values: [1.5, "0.25", null, …],   in the unit shown; null is a gap
//                unit,                    stands on the axis; one unit for each axis
//                digits,                  decimal places in words; 2 unless told
//                axis: "left" | "right",  left unless told
//                kind,                    drawn otherwise than the rest
//                tone: 1…6,               colour of the page; by place unless told
//                stack: true,             bars and areas upon each other
//                mirrored: true }],       also drawn below zero, dashed: a tolerance
//     marks:  [{ at | name, label }]      upright lines: a vote took effect, a limit was reached
//     summary }                           one sentence for who cannot see it; made if missing
//
// spec of a flow from left to right; one name may stand on both sides:
//   { kind: "flow", unit, digits, links: [["source", "target", 1.5], …], summary }
//
// No inline style is ever written as text, nothing is evaluated: it works under a strict policy.

import { LANGUAGE } from "./app.js";

const NARROW = 520;
const DAY_MS = 86_400_000;
const WHOLE = 1e-12;
const NAMES_FLAT = 4;
const NAMES_ALL = 10;
const FLOW_ROW_PX = 40;
const FLOW_ROWS_PLAIN = 8;
const TONES = 6;
const drawn = new Map();

const stillness = matchMedia("(prefers-reduced-motion: reduce)");
const darkness = matchMedia("(prefers-color-scheme: dark)");
const paper = matchMedia("print");

const form = (options) => new Intl.DateTimeFormat(LANGUAGE, options);
const CLOCK = form({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const DAY = form({ day: "numeric", month: "short" });
const MONTH = form({ month: "short", year: "numeric" });
const MOMENT = form({ dateStyle: "medium", timeStyle: "short" });
const DATE = form({ dateStyle: "medium" });

/** Return a number as the tables have it: cut off, not rounded; a sum's last bit is no loss. */
function number(value, digits = 2) {
  const places = value !== 0 && Math.abs(value) < 10 ** -digits ? digits + 3 : digits;
  return new Intl.NumberFormat(LANGUAGE, { maximumFractionDigits: places, roundingMode: "trunc" })
    .format(value * (1 + WHOLE));
}

function withUnit(value, one) {
  return one.unit ? `${number(value, one.digits)} ${one.unit}` : number(value, one.digits);
}

function named(spec) {
  return Boolean(spec.names?.length);
}

function numeric(value) {
  return value === null || value === undefined || value === "" ? null : Number(value);
}

/** Return the page's colours as they are now. */
function colours() {
  const style = getComputedStyle(document.documentElement);
  const of = (name) => style.getPropertyValue(`--${name}`).trim();
  return {
    ink: of("ink"), soft: of("soft"), line: of("line"), paper: of("paper"),
    tones: Array.from({ length: TONES }, (_, place) => of(`series-${place + 1}`)),
    font: getComputedStyle(document.body).fontFamily,
  };
}

// --- words ----------------------------------------------------------------------------------------

/** Return a chart in words: the least and the most of each series, or every link. */
function inWords(spec) {
  if (spec.summary) return spec.summary;
  if (spec.kind === "flow") {
    return spec.links
      .map(([from, to, value]) => `${from} → ${to}: ${withUnit(numeric(value), spec)}`).join("; ");
  }
  return spec.series.map((one) => {
    const values = one.values.map(numeric).filter((value) => value !== null);
    if (!values.length) return one.label;
    const [least, most] = [Math.min(...values), Math.max(...values)];
    return `${one.label}: ${number(least, one.digits)} – ${withUnit(most, one)}`;
  }).join("; ");
}

function describe(figure, spec) {
  const id = `${figure.id || `chart-${drawn.size}`}-words`;
  if (document.getElementById(id)) return;
  const words = document.createElement("p");
  words.id = id;
  words.className = "hidden";
  words.textContent = inWords(spec);
  figure.querySelector(".canvas").before(words);
  figure.setAttribute("aria-describedby", id);
}

// --- options --------------------------------------------------------------------------------------

function tooltip(look, more) {
  return {
    renderMode: "richText", confine: true, backgroundColor: look.paper, borderColor: look.line,
    borderWidth: 1, padding: [8, 10], textStyle: { color: look.ink, fontSize: 13, lineHeight: 19 },
    ...more,
  };
}

function isEmpty(spec) {
  if (spec.kind === "flow") return !spec.links.some((link) => numeric(link[2]) > 0);
  return !spec.series.some((one) => one.values.some((value) => numeric(value) !== null));
}

/** Return how moments are written under the axis: by the span that is shown. */
function timeLabels(at) {
  const span = (at[at.length - 1] - at[0]) * 1000;
  return (value) => {
    const when = new Date(value);
    if (span > 200 * DAY_MS) return MONTH.format(when);
    const midnight = when.getHours() === 0 && when.getMinutes() === 0;
    return span > 3 * DAY_MS || midnight ? DAY.format(when) : CLOCK.format(when);
  };
}

function xAxis(spec, look, narrow) {
  const shared = {
    axisLine: { lineStyle: { color: look.line } }, axisTick: { show: false },
    splitLine: { show: false },
  };
  const label = { color: look.soft, hideOverlap: true, fontSize: narrow ? 11 : 12 };
  if (named(spec)) {
    const turned = narrow && spec.names.length > NAMES_FLAT;
    const axisLabel = {
      ...label, overflow: "truncate", width: turned ? 76 : narrow ? 64 : 110,
      rotate: turned ? 42 : 0, ...(spec.names.length <= NAMES_ALL ? { interval: 0 } : {}),
    };
    return { type: "category", data: spec.names, ...shared, axisLabel };
  }
  return {
    type: "time", ...shared, splitNumber: narrow ? 3 : 6,
    axisLabel: {
      ...label, alignMinLabel: "left", alignMaxLabel: "right", formatter: timeLabels(spec.at),
    },
  };
}

function yAxis(spec, side, look, narrow) {
  const first = spec.series.find((one) => (one.axis || "left") === side);
  return {
    type: "value", position: side, show: Boolean(first), name: first?.unit || "",
    nameTextStyle: { color: look.soft, align: side, padding: [0, 0, 2, 0] },
    nameGap: 10, scale: false, splitNumber: narrow ? 4 : 5,
    axisLabel: {
      color: look.soft, fontSize: narrow ? 11 : 12,
      formatter: (value) => new Intl.NumberFormat(LANGUAGE, {
        notation: Math.abs(value) >= 100_000 ? "compact" : "standard", maximumFractionDigits: 6,
      }).format(value),
    },
    splitLine: { show: side === "left", lineStyle: { color: look.line, opacity: 0.7 } },
  };
}

/** Return a series' points; one that stands alone between gaps gets a dot, or nobody sees it. */
function points(spec, one, sign) {
  const values = one.values.map(numeric).map((value) => (value === null ? null : sign * value));
  const alone = (place) => values[place] !== null && (values[place - 1] ?? null) === null
    && (values[place + 1] ?? null) === null;
  return values.map((value, place) => ({
    value: named(spec) ? value : [spec.at[place] * 1000, value],
    symbol: alone(place) ? "circle" : "none", symbolSize: 5,
  }));
}

function drawnSeries(spec, one, place, look, sign = 1) {
  const kind = one.kind || spec.kind;
  const colour = look.tones[((one.tone || place + 1) - 1) % TONES];
  const shared = {
    name: one.label, yAxisIndex: one.axis === "right" ? 1 : 0, data: points(spec, one, sign),
    itemStyle: { color: colour }, stack: one.stack ? `${one.axis || "left"}` : undefined,
    emphasis: { disabled: true },
  };
  if (kind === "bars") return { ...shared, type: "bar", barMaxWidth: 28, barMinWidth: 1, z: 2 };
  return {
    ...shared, type: "line", connectNulls: false, z: kind === "area" ? 2 : 3,
    lineStyle: {
      color: colour, width: kind === "area" ? 1.25 : 2, type: one.mirrored ? "dashed" : "solid",
    },
    areaStyle: kind === "area" ? { color: colour, opacity: 0.28 } : undefined,
  };
}

function marksOf(spec, look) {
  if (!spec.marks?.length) return undefined;
  return {
    silent: true, symbol: "none", lineStyle: { color: look.soft, type: "dotted" },
    label: { color: look.soft, fontSize: 11, position: "end", distance: 3 },
    data: spec.marks.map((mark) => ({
      xAxis: named(spec) ? mark.name : mark.at * 1000, label: { formatter: mark.label },
    })),
  };
}

function plain(spec, look, narrow) {
  const series = spec.series.flatMap((one, place) => (one.mirrored
    ? [drawnSeries(spec, one, place, look), drawnSeries(spec, one, place, look, -1)]
    : [drawnSeries(spec, one, place, look)]));
  series[0].markLine = marksOf(spec, look);
  const many = spec.series.length > 1;
  const right = spec.series.some((one) => one.axis === "right");
  return {
    grid: { left: 4, right: right ? 4 : 14, top: many ? 62 : 32, bottom: 4, containLabel: true },
    legend: {
      show: many, type: "scroll", top: 0, left: 0, icon: "roundRect", itemWidth: 14, itemHeight: 8,
      data: spec.series.map((one) => ({ name: one.label })), textStyle: { color: look.ink },
      pageIconColor: look.ink, pageTextStyle: { color: look.soft }, inactiveColor: look.line,
    },
    tooltip: tooltip(look, {
      trigger: "axis", formatter: (items) => hint(spec, items),
      axisPointer: { type: "line", lineStyle: { color: look.soft } },
    }),
    xAxis: xAxis(spec, look, narrow),
    yAxis: [yAxis(spec, "left", look, narrow), yAxis(spec, "right", look, narrow)],
    series,
  };
}

/** Return what is said beside the pointer: the moment, and each series there. */
function hint(spec, items) {
  const place = items[0]?.dataIndex ?? 0;
  const lines = [named(spec) ? spec.names[place] : momentOf(spec.at, place)];
  for (const one of spec.series) {
    const value = numeric(one.values[place]);
    const said = value === null ? "–" : withUnit(value, one);
    lines.push(`${one.label}: ${one.mirrored && value !== null ? "±" : ""}${said}`);
  }
  return lines.join("\n");
}

/** Return a place's moment: a date where places are a day or more apart. */
function momentOf(at, place) {
  const apart = at.length > 1 ? at[1] - at[0] : 0;
  const when = new Date(at[place] * 1000);
  return apart >= DAY_MS / 1000 && at[0] % 3600 === 0 && apart % (DAY_MS / 1000) === 0
    ? DATE.format(when) : MOMENT.format(when);
}

/** Return how many names stand on the fuller side of a flow. */
function rowsOf(spec) {
  return Math.max(...[0, 1].map((side) => new Set(spec.links
    .filter((link) => numeric(link[2]) > 0).map((link) => link[side])).size));
}

function flow(spec, look, narrow) {
  const links = spec.links.filter((link) => numeric(link[2]) > 0);
  // both sides have names of their own, so that whoever gives and takes is no circle
  const sides = [["<", 0], [">", 1]].map(
    ([mark, side]) => [...new Set(links.map((link) => link[side]))]
      .map((name) => ({ mark, side, name })));
  const total = (side, name) => links.filter((link) => link[side] === name)
    .reduce((sum, link) => sum + numeric(link[2]), 0);
  const dense = rowsOf(spec) > FLOW_ROWS_PLAIN;
  // what does not fit beside a thin ribbon is left to the pointer and to the table
  const said = (name, sum) => (dense && narrow ? name
    : `${name}${dense ? " · " : "\n"}${withUnit(sum, spec)}`);
  const tone = new Map([...new Set(links.flatMap((link) => [link[0], link[1]]))]
    .map((name, place) => [name, look.tones[place % TONES]]));
  return {
    tooltip: tooltip(look, {
      trigger: "item",
      formatter: ({ data, dataType }) => (dataType === "edge"
        ? `${data.from} → ${data.to}\n${withUnit(data.value, spec)}`
        : `${data.words}\n${withUnit(data.total, spec)}`),
    }),
    series: [{
      type: "sankey", left: 2, right: 2, top: 6, bottom: 6, nodeWidth: 12, nodeGap: dense ? 24 : 16,
      draggable: false, emphasis: { focus: "none", disabled: true }, layoutIterations: 24,
      data: sides.flat().map(({ mark, side, name }) => ({
        name: mark + name, words: name, total: total(side, name), depth: side,
        itemStyle: { color: tone.get(name), borderWidth: 0 },
        label: {
          position: side ? "left" : "right", align: side ? "right" : "left", color: look.ink,
          fontSize: narrow ? 12 : 13, lineHeight: 17, width: narrow ? 120 : 260,
          overflow: dense ? "truncate" : "break",
          formatter: said(name, total(side, name)),
        },
      })),
      links: links.map(([from, to, value]) => ({
        source: `<${from}`, target: `>${to}`, from, to, value: numeric(value),
        lineStyle: { color: tone.get(from), opacity: 0.3, curveness: 0.5 },
      })),
    }],
  };
}

/** Return the whole of what ECharts is told, for a width and for the colours of now. */
export function options(spec, look, width) {
  const narrow = width < NARROW;
  return {
    animation: !stillness.matches, animationDuration: 300, backgroundColor: "transparent",
    textStyle: { color: look.ink, fontFamily: look.font },
    ...(spec.kind === "flow" ? flow(spec, look, narrow) : plain(spec, look, narrow)),
  };
}

// --- drawing --------------------------------------------------------------------------------------

function paint({ chart, canvas, spec }) {
  chart.setOption(options(spec, colours(), canvas.clientWidth), { notMerge: true });
  if (paper.matches) chart.getZr().flush(); // a printer waits for no frame
}

function repaintAll() {
  for (const one of drawn.values()) paint(one);
}

const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const one = drawn.get(target);
    if (!one || target.clientWidth === 0 || target.clientWidth === one.width) continue;
    one.width = target.clientWidth;
    requestAnimationFrame(() => { one.chart.resize(); paint(one); });
  }
});

/** Draw every chart below `root` that is not drawn yet. */
export async function draw(root = document) {
  const figures = [...root.querySelectorAll("figure[data-chart]")]
    .filter((figure) => !drawn.has(figure.querySelector(".canvas")));
  if (!figures.length) return;
  const { init } = await import("../vendor/echarts/echarts.esm.min.js");
  for (const figure of figures) {
    const canvas = figure.querySelector(".canvas");
    const spec = JSON.parse(figure.dataset.chart);
    if (!canvas || drawn.has(canvas)) continue;
    if (isEmpty(spec)) {
      canvas.hidden = true;
      continue;
    }
    describe(figure, spec);
    if (spec.kind === "flow" && rowsOf(spec) > FLOW_ROWS_PLAIN) {
      canvas.style.height = `${rowsOf(spec) * FLOW_ROW_PX}px`;
    }
    // a canvas has no styles of its own that a content security policy could refuse
    const chart = init(canvas, null, { renderer: "canvas" });
    const one = { chart, canvas, spec, width: canvas.clientWidth };
    drawn.set(canvas, one);
    paint(one);
    sizes.observe(canvas);
    figure.dataset.drawn = "yes";
  }
}

new MutationObserver(repaintAll)
  .observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
darkness.addEventListener("change", repaintAll);
paper.addEventListener("change", repaintAll);
stillness.addEventListener("change", repaintAll);
await draw();

// What Plotly draws: pure functions from curves, view and colours to traces and layout.

import { count, metricValue, words } from "./format.js";
import { withHoles } from "./history.js";

/**
 * The plots, in order. `band` draws the spread of each bucket behind the mean; `dense`: every step has a value;
 * `optional`, of a plot or a series: only some brains have it; hidden for others.
 */
export const PLOTS = [
  {
    id: "loss",
    title: "Loss, bits per byte",
    size: "wide",
    marks: true,
    series: [
      { metric: "bpc", color: "--curve-1", band: true, dense: true },
      { metric: "mixed_bpc", color: "--curve-4", optional: true },
      { metric: "replay_bpc", color: "--curve-2" },
      { metric: "held_out_bpc", color: "--curve-3", dots: true },
      { metric: "held_out_mixed_bpc", color: "--curve-5", dots: true, optional: true },
    ],
  },
  { id: "accuracy", title: "Accuracy", size: "wide", optional: true, range: [0, 1.02], series: [
    { metric: "accuracy", color: "--curve-1" },
    { metric: "held_out_accuracy", color: "--curve-3", dots: true },
  ] },
  {
    id: "vitals",
    title: "Vital signs",
    size: "wide vitals",
    range: [0, 1.02],
    series: [
      { metric: "phi", color: "--curve-1", band: true },
      { metric: "agency", color: "--curve-2", dash: "dash" },
      { metric: "integration", color: "--curve-3", dash: "dot" },
      { metric: "confidence", color: "--curve-4", dash: "dashdot" },
      { metric: "self_prediction_error", color: "--curve-5" },
    ],
  },
  { id: "reliance", title: "Exact memory", size: "wide plasticity", optional: true, range: [0, 1.02], series: [
    { metric: "reliance", color: "--curve-4", optional: true },
    { metric: "carried_over", color: "--curve-3", dots: true, optional: true },
  ] },
  {
    id: "plasticity",
    title: "Plasticity",
    size: "wide plasticity",
    series: [
      { metric: "dormant_share", color: "--curve-2", dash: "dash" },
      { metric: "effective_rank", color: "--curve-3" },
      { metric: "weight_norm", color: "--curve-4", dash: "dot" },
    ],
  },
  { id: "rate", title: "Learning rate", size: "", series: [{ metric: "learning_rate", color: "--curve-4", dense: true }] },
  { id: "gradient", title: "Gradient norm", size: "", series: [{ metric: "grad_norm", color: "--curve-2", band: true, dense: true }] },
  { id: "time", title: "Step time in seconds", size: "", series: [{ metric: "step_seconds", color: "--curve-3", band: true, dense: true }] },
];

const MOST_BANDS = 20;

/** Every metric the plots draw: what is loaded from the series API. */
export const METRICS = [...new Set(PLOTS.flatMap((plot) => plot.series.map((one) => one.metric)))];

/** Events drawn over the loss, with the symbol of each. */
export const MARKS = {
  checkpoint_saved: { symbol: "triangle-up", color: "--muted", label: "checkpoint" },
  state_changed: { symbol: "line-ns-open", color: "--warn", label: "state" },
  run_resumed: { symbol: "triangle-right", color: "--good", label: "resumed" },
  rolled_back: { symbol: "x", color: "--bad", label: "rolled back" },
  trainer_lost: { symbol: "x", color: "--bad", label: "trainer lost" },
  experience_pushed: { symbol: "diamond", color: "--curve-4", label: "experience" },
  experience_forgotten: { symbol: "diamond-open", color: "--curve-4", label: "forgotten" },
  alarm_raised: { symbol: "circle-open", color: "--bad", label: "alarm" },
};

/** Steps shown: [from, to], or null for all. A view is null, {from, to} or {last}. */
export function viewRange(view, lastStep) {
  if (!view) return null;
  if (view.last) return [Math.max(0, lastStep - view.last), Math.max(view.last, lastStep)];
  return [view.from, view.to];
}

/** Translate the x range of a Plotly relayout into a view; null resets, undefined is no zoom at all. */
export function viewFromRelayout(change, logarithmic) {
  if (change["xaxis.autorange"]) return null;
  let range = change["xaxis.range"] ?? [change["xaxis.range[0]"], change["xaxis.range[1]"]];
  if (range[0] === undefined || range[1] === undefined) return undefined;
  range = range.map(Number);
  if (logarithmic) range = range.map((value) => 10 ** value);
  return { from: Math.max(0, range[0]), to: Math.max(range[0] + 1, range[1]) };
}

/** Traces of one plot. `curveOf(metric)` gives its Curve, `hidden` the metrics switched off. */
export function traces(plot, { curveOf, range, logarithmic, colors, hidden, points }) {
  const drawn = [];
  for (const series of plot.series) {
    if (hidden.has(series.metric) || (series.optional && curveOf(series.metric).length === 0)) continue;
    let buckets = curveOf(series.metric).view(range?.[0] ?? null, range?.[1] ?? null, points, logarithmic);
    if (logarithmic) buckets = positive(buckets);
    if (series.dense) buckets = withHoles(buckets);
    const color = colors(series.color);
    if (series.band && buckets.n.some((n) => n > 1)) drawn.push(...spread(buckets, color));
    drawn.push(line(series, buckets, color));
  }
  return drawn;
}

function positive(buckets) {
  const first = buckets.step.findIndex((step) => step > 0);
  if (first < 0) return Object.fromEntries(Object.keys(buckets).map((name) => [name, []]));
  return Object.fromEntries(Object.entries(buckets).map(([name, column]) => [name, column.slice(first)]));
}

function line(series, buckets, color) {
  const dots = buckets.step.length < (series.dots ? 200 : 20);
  // A value with a gap on either side is not visible as a line.
  const alone = (index) => buckets.mean[index] !== null && (buckets.mean[index - 1] ?? null) === null && (buckets.mean[index + 1] ?? null) === null;
  const sizes = buckets.mean.map((_, index) => (dots || alone(index) ? 4 : 0));
  return {
    type: "scatter",
    mode: sizes.some((size) => size > 0) ? "lines+markers" : "lines",
    connectgaps: false,
    x: buckets.step,
    y: buckets.mean,
    line: { color, width: 1.6, dash: series.dash ?? "solid" },
    marker: { color, size: sizes, line: { width: 0 } },
    name: "",
    showlegend: false,
    customdata: buckets.step.map((_, index) => hover(series.metric, buckets, index)),
    hovertemplate: "%{customdata}",
  };
}

function hover(metric, buckets, index) {
  if (buckets.n[index] === 0) return `${words(metric)}: no value`;
  const mean = metricValue(metric, buckets.mean[index]);
  const label = words(metric);
  if (buckets.n[index] <= 1) return `${label} ${mean}`;
  const least = metricValue(metric, buckets.min[index]);
  const most = metricValue(metric, buckets.max[index]);
  return `${label} ${mean} (${least} to ${most} in ${count(buckets.n[index])})`;
}

/** Minimum and maximum of each bucket as a shaded band, so spikes are visible at any zoom. */
function spread(buckets, color) {
  const edge = { type: "scatter", mode: "lines", line: { width: 0, color }, hoverinfo: "skip", showlegend: false };
  return gaplessParts(buckets).flatMap(([start, end]) => [
    { ...edge, x: buckets.step.slice(start, end), y: buckets.min.slice(start, end) },
    { ...edge, x: buckets.step.slice(start, end), y: buckets.max.slice(start, end), fill: "tonexty", fillcolor: faded(color) },
  ]);
}

/** [start, end) of each part without a gap, since a fill would cross gaps; only the last ones get a band. */
function gaplessParts(buckets) {
  const found = [];
  for (let index = 0; index < buckets.step.length; index += 1) {
    if (buckets.mean[index] === null) continue;
    if (index > 0 && found.length && buckets.mean[index - 1] !== null) found.at(-1)[1] = index + 1;
    else found.push([index, index + 1]);
  }
  return found.filter(([start, end]) => end - start > 1).slice(-MOST_BANDS);
}

/** A colour `#rrggbb` at 20 % opacity. */
export function faded(color) {
  const parts = [1, 3, 5].map((start) => Number.parseInt(color.slice(start, start + 2), 16));
  return `rgba(${parts.join(",")},0.2)`;
}

/** Events as symbols along the bottom of a plot. Plotly interprets markup, so only our own words reach it. */
export function markTrace(events, { colors, range, logarithmic }) {
  const shown = events.filter((event) => {
    if (!MARKS[event.kind] || event.step === null || (logarithmic && event.step <= 0)) return false;
    return !range || (event.step >= range[0] && event.step <= range[1]);
  });
  const label = (event) => {
    const what = event.kind === "state_changed" ? words(event.data?.after) : MARKS[event.kind].label;
    return `${what.replace(/[^\p{L}\p{N} -]/gu, "")} at ${count(event.step)}`;
  };
  return {
    type: "scatter",
    mode: "markers",
    x: shown.map((event) => event.step),
    y: shown.map(() => 0.03),
    yaxis: "y2",
    marker: {
      symbol: shown.map((event) => MARKS[event.kind].symbol),
      color: shown.map((event) => colors(MARKS[event.kind].color)),
      size: 8,
      line: { width: 1.5, color: shown.map((event) => colors(MARKS[event.kind].color)) },
    },
    name: "",
    showlegend: false,
    customdata: shown.map(label),
    hovertemplate: "%{customdata}",
  };
}

/** Layout of one plot. The range is set every time, so live data does not move it. */
export function layout(plot, { range, logarithmic, colors, lastStep, font, narrow = false }) {
  const axis = { gridcolor: colors("--grid"), zeroline: false, linecolor: colors("--line"), color: colors("--muted") };
  const whole = [logarithmic ? 1 : 0, Math.max(10, lastStep)];
  const steps = (range ?? whole).map((step) => (logarithmic ? Math.log10(Math.max(1, step)) : step));
  return {
    margin: { l: 46, r: 8, t: 4, b: 22 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: font, size: 11, color: colors("--muted") },
    hovermode: "x unified",
    hoverlabel: { bgcolor: colors("--surface"), bordercolor: colors("--muted"), font: { color: colors("--ink"), size: 11 } },
    dragmode: "zoom",
    showlegend: false,
    xaxis: {
      ...axis,
      type: logarithmic ? "log" : "linear",
      range: steps,
      autorange: false,
      separatethousands: true,
      exponentformat: "none",
      nticks: plot.size && !narrow ? 9 : 4,
      tickangle: 0,
      dtick: logarithmic && steps[1] - steps[0] > 1 ? 1 : undefined,
      unifiedhovertitle: { text: "step %{x:,d}" },
    },
    yaxis: {
      ...axis,
      fixedrange: true,
      nticks: 5,
      exponentformat: "e", // a power would be raised by an inline style,
      ...(plot.range ? { range: plot.range, autorange: false } : { autorange: true, rangemode: "normal" }),
    },
    yaxis2: { overlaying: "y", range: [0, 1], fixedrange: true, visible: false },
  };
}

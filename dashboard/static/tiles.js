// The tiles: each vital sign with its uncertainty, a sparkline, and whether it is within the healthy band. Signs that this
// kind of brain cannot have are one line of text instead.

import { byId, element, setAttribute, setText, svg } from "./dom.js";
import { ApiError } from "./api.js";
import { clock, count, fixed, NONE, percent, significant, uncertainty, utc, words } from "./format.js";
import { isUnsupported, unsupportedLine } from "./unsupported.js";

const RECENT_STEPS = 100;
const SPARK_POINTS = 80;
const REDRAW_EVERY_MS = 1000;

/** Healthy bands come from the daemon: a convention of the project, adjustable per run, not a finding. */
const TILES = [
  { name: "bpc", title: "BPC", note: "bits per byte, before learning" },
  { name: "mixed_bpc", title: "BPC with memory", optional: true, note: "network and exact memory together" },
  { name: "accuracy", title: "Accuracy", optional: true, note: "of the newest 1,000 examples, before learning" },
  { name: "held_out_accuracy", title: "Held-out accuracy", optional: true },
  { name: "phi", title: "Φ" },
  { name: "agency", title: "Agency" },
  { name: "integration", title: "Integration" },
  { name: "confidence", title: "Confidence" },
  { name: "self_prediction_error", title: "Self-prediction error" },
];

export function mountTiles(page) {
  const tiles = TILES.map(build);
  const row = byId("tiles");
  show(row, tiles.filter((tile) => !tile.optional));
  let drawn = 0;
  let request = 0;

  async function loadBands(run) {
    request += 1;
    const mine = request;
    try {
      const { items } = await page.api.get("/vitals", { run: run?.id, limit: 500 });
      if (mine !== request) return;
      const bands = new Map(items.map((item) => [item.name, item]));
      for (const tile of tiles) setBand(tile, bands.get(tile.name));
      page.redraw();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the value is shown without a band
    }
  }
  page.onRun.push(loadBands);

  return (state, run) => {
    const now = performance.now();
    const redraw = now - drawn >= REDRAW_EVERY_MS || page.history.lastStep === 0;
    if (redraw) drawn = now;
    const present = tiles.filter((tile) => !isAbsent(run, tile));
    show(row, present);
    for (const tile of present) {
      const shown = tile.name === "bpc" ? lossNow(run, page.history) : tile.name === "mixed_bpc" ? mixedNow(run, tile) : tile.optional ? accuracyNow(run, tile) : readingNow(run, tile);
      renderTile(tile, shown);
      if (redraw) drawSpark(tile.path, page.history.curve(shown.metric));
    }
    setText(byId("governor"), governorLine(run));
    const lacking = unsupportedLine(run?.readings);
    setText(byId("unsupported"), lacking);
    byId("unsupported").hidden = lacking === "";
  };
}

function build({ name, title, note = "", optional = false }) {
  const parts = {
    title: element("span", { class: "tile-name", text: title }),
    value: element("span", { text: NONE, data: { value: name } }),
    error: element("span", { class: "tile-error" }),
    note: element("span", { class: "tile-note", text: note }),
    path: svg("path"),
    detail: element("dl", { class: "tile-detail", id: `detail-${name}`, role: "tooltip" }),
    verdict: element("b"),
  };
  const spark = svg("svg", { class: "spark", viewBox: "0 0 100 30", preserveAspectRatio: "none", "aria-hidden": "true" }, parts.path);
  const foot = element("div", { class: "band-row" });
  const node = element(
    "article",
    { class: "tile", tabindex: 0, "aria-describedby": parts.detail.id, data: { tile: name } },
    parts.title,
    element("span", { class: "tile-value" }, parts.value, " ", parts.error),
    parts.note,
    spark,
    foot,
    parts.detail,
  );
  return { node, name, heading: title, optional, band: null, needle: null, foot, fallback: note, ...parts };
}

function show(row, tiles) {
  const same = row.children.length === tiles.length && tiles.every((tile, index) => row.children[index] === tile.node);
  if (!same) row.replaceChildren(...tiles.map((tile) => tile.node));
}

/** A tile of what the shown brain does not have: it counts no accuracy, or a vital sign is not for its kind. */
function isAbsent(run, tile) {
  return tile.optional ? (run?.latest?.[tile.name] ?? null) === null : isUnsupported(run?.readings?.[tile.name]);
}

/** Draw the healthy band of a tile, as the daemon describes it for this run; without one there is none. */
function setBand(tile, sign) {
  tile.measured = sign?.measured;
  tile.band = sign?.band ?? null;
  if (!tile.band) {
    tile.foot.replaceChildren();
    return;
  }
  tile.needle = svg("line", { class: "needle", y1: 0, y2: 12 });
  const [low, high] = tile.band.map((edge) => edge * 100);
  tile.foot.replaceChildren(
    svg(
      "svg",
      { class: "band", viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" },
      svg("rect", { class: "rail", x: 0, y: 3, width: 100, height: 6 }),
      svg("rect", { class: "healthy", x: low, y: 3, width: high - low, height: 6 }),
      ...[low, high].map((edge) => svg("line", { class: "edge", x1: edge, x2: edge, y1: 1, y2: 11 })),
      tile.needle,
    ),
    element("span", { class: "band-label", title: `The healthy band is a ${sign.band_is}, not a finding. ${sign.summary}` },
      tile.verdict, ` ${tile.band[0]}–${tile.band[1]}, ${sign.band_is}`),
  );
}

/** When the vital signs were last measured, how far apart, and what that took so far; empty before the second time. */
export function governorLine(run) {
  const { vitals_ticks: times, vitals_interval_steps: apart, vitals_spent_seconds: seconds } = run?.latest ?? {};
  const last = run?.latest_steps?.vitals_ticks;
  if (!(times > 1) || !(apart > 0) || last === undefined || !(run.training_seconds > 0)) return "";
  return `Vital signs were last measured at step ${count(last)}, ${count(apart)} steps after the previous time. ` +
    `${count(times)} measurements of ${count(Math.round((1000 * seconds) / times))} ms each took ${percent(seconds / run.training_seconds, 2)} of the training time.`;
}

/** The prequential loss as its mean over the newest steps, for one step says little; the note is the last step, as the terminal shows it. */
export function lossNow(run, history) {
  const recent = history.curve("bpc").recent(RECENT_STEPS);
  const last = run?.latest?.bpc ?? null;
  const value = recent?.mean ?? last;
  const detail = [["last step", fixed(last)]];
  if (recent) detail.push(["mean of", `${count(recent.count)} steps`], ["their mean", fixed(recent.mean)], ["standard error", uncertainty(recent.error)]);
  detail.push(["held-out", fixed(run?.latest?.held_out_bpc)]);
  const labelled = (run?.latest?.accuracy ?? null) !== null; // then what is predicted is a label, not the text
  const note = labelled ? "of the labels only; see accuracy" : recent ? `mean of ${count(recent.count)} steps; last ${fixed(last)}` : "";
  const reason = run ? "no step has been scored yet" : "no run yet";
  return { metric: "bpc", value, error: recent?.error ?? null, note, reason, detail };
}

/** What a byte costs the network and the exact memory together, beside what it costs the network alone. */
function mixedNow(run, tile) {
  const { mixed_bpc: value, recent_bpc: bpc, reliance, held_out_bpc: heldOut, held_out_mixed_bpc: heldOutMixed } = run.latest;
  const note = reliance === undefined || reliance === null ? tile.fallback : `${percent(reliance, 0)} of the evidence from memory`;
  const detail = [["network alone", fixed(bpc)], ["with memory", fixed(value)], ["reliance", percent(reliance, 0)], ["held-out, network alone", fixed(heldOut)], ["held-out, with memory", fixed(heldOutMixed)]];
  return { metric: tile.name, value, error: null, note, reason: "", detail };
}

/** How often a brain that predicts labels is right: on what it is about to learn, or on what it never learns. */
function accuracyNow(run, tile) {
  const { latest } = run;
  const examples = latest.held_out_examples ?? null;
  const note = tile.name === "held_out_accuracy" && examples !== null ? `of ${count(examples)} examples never learned` : tile.fallback;
  const detail = [["before learning", fixed(latest.accuracy)], ["held-out", fixed(latest.held_out_accuracy)], ["labels known", count(latest.labels)], ["examples learned", count(latest.examples)]];
  return { metric: tile.name, value: latest[tile.name], error: null, note, reason: "", detail };
}

function readingNow(run, tile) {
  const reading = run?.readings?.[tile.name];
  return {
    metric: tile.name,
    heading: headingOf(tile.heading, reading),
    value: reading?.value ?? null,
    error: reading?.uncertainty ?? null,
    note: comparedWith(reading) || (reading?.samples ? `${count(reading.samples)} samples` : ""),
    reason: whyMissing(run, reading, tile.measured),
    detail: reading ? readingDetail(reading) : [],
  };
}

/** Why a vital sign has no value; `measured` is false where the run's settings switch all of them off. */
export function whyMissing(run, reading, measured) {
  if (!run) return "no run yet";
  if (measured === false) return "switched off (vitals.enabled)";
  return reading?.reason ?? "not measured yet";
}

/** For a brain that cannot act on the world, agency is that over its own words; the heading shows it. */
export function headingOf(heading, reading) {
  return reading?.name === "agency" && reading.detail?.acts === 0 ? `${heading} (own words)` : heading;
}

/** Values to compare a reading with: its controls and, for agency, the world's answer. A control without a value is not 0. */
export function comparedWith(reading) {
  const detail = reading?.detail ?? {};
  const values = [];
  if (detail.acts === 1 && detail.world !== undefined) values.push(`world ${fixed(detail.world)}`);
  if (detail.acts === 1 && detail.self !== undefined) {
    const untrained = detail["self.control.untrained"];
    values.push(`own words ${fixed(detail.self)}${untrained === undefined ? "" : ` (untrained ${fixed(untrained)})`}`);
  }
  for (const name of ["disconnected", "untrained", "shuffled"]) {
    const known = detail[`control.${name}`] !== undefined || detail[`control.${name}.step`] !== undefined;
    const error = detail[`control.${name}.error`];
    const spread = error === undefined ? "" : ` ± ${fixed(error)}`;
    if (known) values.push(`${name} ${fixed(detail[`control.${name}`])}${spread}`);
  }
  return values.join(" · ");
}

// Conditions, not measurements: heading and reason name them.
const CONDITIONS = new Set(["acts", "warming_up", "unsupported", "failed", "out_of_memory"]);

/** What is known of a reading, as rows of a name and a text; of the world only once it acts there. */
export function readingDetail(reading) {
  const rows = [
    ["standard error", uncertainty(reading.uncertainty)],
    ["raw estimate", fixed(reading.raw)],
    ["samples", count(reading.samples)],
    ["cost", reading.cost_ms === undefined ? NONE : `${fixed(reading.cost_ms, 1)} ms`],
    ["definition", `version ${reading.version ?? NONE}`],
  ];
  if (reading.step !== undefined) rows.push(["measured at step", count(reading.step)]);
  if (reading.time !== undefined) rows.push(["measured", clock(reading.time), utc(reading.time)]);
  const detail = reading.detail ?? {};
  const isShown = (name) => !CONDITIONS.has(name) && (name !== "world" || Boolean(detail.acts));
  for (const [name, value] of Object.entries(detail)) if (isShown(name)) rows.push([words(name), significant(value)]);
  return rows;
}

function renderTile(tile, shown) {
  const available = shown.value !== null && shown.value !== undefined;
  setAttribute(tile.node, "data-available", String(available));
  setText(tile.title, shown.heading ?? tile.heading);
  setText(tile.value, available ? fixed(shown.value) : NONE);
  setText(tile.error, available && shown.error !== null ? `± ${uncertainty(shown.error)}` : "");
  setText(tile.note, available ? shown.note || tile.fallback : `not available: ${shown.reason}`);
  renderDetail(tile.detail, shown.detail);
  if (!tile.band) return;
  const inside = available && shown.value >= tile.band[0] && shown.value <= tile.band[1];
  setAttribute(tile.node, "data-band", available ? (inside ? "inside" : "outside") : null);
  setText(tile.verdict, !available ? "" : inside ? "within" : shown.value < tile.band[0] ? "below" : "above");
  const place = available ? Math.min(99, Math.max(1, shown.value * 100)) : -10;
  setAttribute(tile.needle, "x1", place);
  setAttribute(tile.needle, "x2", place);
}

function renderDetail(list, rows) {
  const key = JSON.stringify(rows);
  if (list.dataset.rows === key) return;
  list.dataset.rows = key;
  list.replaceChildren(...rows.flatMap(([label, value, title]) => [element("dt", { text: label }), element("dd", { text: value, title })]));
}

function drawSpark(path, curve) {
  setAttribute(path, "d", sparkPath(curve.view(null, null, SPARK_POINTS).mean));
}

/** Path of a sparkline over a 100 × 30 box, 2 of margin above and below; empty for fewer than two values; null leaves a gap. */
export function sparkPath(values) {
  const known = values.filter((value) => value !== null);
  if (known.length < 2) return "";
  const least = Math.min(...known);
  const span = Math.max(...known) - least || 1;
  return values
    .map((value, index) => {
      if (value === null) return "";
      const x = (index / (values.length - 1)) * 100;
      const starts = (values[index - 1] ?? null) === null;
      return `${starts ? "M" : "L"}${x.toFixed(1)} ${(28 - ((value - least) / span) * 26).toFixed(1)}`;
    })
    .join("");
}

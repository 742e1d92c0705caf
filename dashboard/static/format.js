// How numbers, sizes and times are written on the page.

export const NONE = "–";

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

/** Whole number with thousands separators: 12,345. */
export function count(value) {
  return isNumber(value) ? grouped.format(value) : NONE;
}

/** Fixed number of decimals: 2.914. */
export function fixed(value, digits = 3) {
  return isNumber(value) ? value.toFixed(digits).replace(/^-(0(\.0*)?)$/, "$1") : NONE;
}

/** The mean loss of the newest steps, as the terminal shows it; before there is one the newest loss. */
export function newestLoss(latest) {
  return latest?.recent_bpc ?? latest?.bpc;
}

/** The same of a checkpoint; older ones have only the smoothed loss. */
export function savedLoss(item) {
  const known = item.recent_bpc ?? null;
  return known === null && typeof item.bpc === "number" ? `${fixed(item.bpc)} smoothed` : fixed(known);
}

/** Three significant digits over many magnitudes: 0.0123, 45.6, 1.20e-7. */
export function significant(value, digits = 3) {
  if (!isNumber(value)) return NONE;
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(digits - 1);
  return value.toPrecision(digits).includes("e") ? grouped.format(value) : value.toPrecision(digits);
}

/** Decimals for a standard error beside a value of `digits` decimals: never a bare 0.000. */
export function uncertainty(value, digits = 3) {
  if (!isNumber(value)) return NONE;
  const text = value.toFixed(digits);
  return value > 0 && Number(text) === 0 ? `<${(10 ** -digits).toFixed(digits)}` : text;
}

/** Share of one as a percentage: 42 %. */
export function percent(share, digits = 0) {
  return isNumber(share) ? `${(share * 100).toFixed(digits)} %` : NONE;
}

/** Steps in a second: 9.8/s, or the time a step takes when it is slower than one a second. */
export function rate(perSecond) {
  if (!isNumber(perSecond)) return NONE;
  if (perSecond > 0 && perSecond < 0.1) return `${(1 / perSecond).toFixed(0)} s/step`;
  return `${perSecond.toFixed(perSecond < 10 ? 2 : 1)}/s`;
}

/** Seconds as 34s, 2m 34s, 3h 05m, 2d 04h. */
export function duration(seconds) {
  if (!isNumber(seconds)) return NONE;
  const whole = Math.max(0, Math.floor(seconds));
  const two = (part) => String(part).padStart(2, "0");
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}h ${two(Math.floor((whole % 3600) / 60))}m`;
  return `${Math.floor(whole / 86400)}d ${two(Math.floor((whole % 86400) / 3600))}h`;
}

/** Binary sizes: 512 B, 1.2 MiB. */
export function bytes(value) {
  if (!isNumber(value)) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let size = value;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(size < 10 ? 2 : 1)} ${units[unit]}`;
}

/** A moment from ISO text or unix seconds; null when it is neither. */
export function moment(value) {
  if (value === null || value === undefined || value === "") return null;
  const date = typeof value === "number" ? new Date(value * 1000) : new Date(value);
  return Number.isNaN(date.getTime()) ? null : date;
}

/** Local wall-clock time, with the date when it is another day than `now`; `short` leaves out year and seconds then. */
export function clock(value, { now = new Date(), short = false } = {}) {
  const date = moment(value);
  if (!date) return NONE;
  const two = (part) => String(part).padStart(2, "0");
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  if (date.toDateString() === now.toDateString()) return time;
  const day = `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return short ? `${day} ${time.slice(0, 5)}` : `${date.getFullYear()}-${day} ${time}`;
}

/** The same moment in UTC, for the hover. */
export function utc(value) {
  const date = moment(value);
  return date ? `${date.toISOString().slice(0, 19).replace("T", " ")} UTC` : "";
}

/** How each metric is shown: its label and how its value is written. */
const METRICS = {
  bpc: { label: "prequential", write: (value) => fixed(value, 3) },
  mixed_bpc: { label: "with memory", write: (value) => fixed(value, 3) },
  replay_bpc: { label: "replay", write: (value) => fixed(value, 3) },
  held_out_bpc: { label: "held-out", write: (value) => fixed(value, 3) },
  held_out_mixed_bpc: { label: "held-out with memory", write: (value) => fixed(value, 3) },
  phi: { label: "Φ", write: (value) => fixed(value, 3) },
  agency: { label: "agency", write: (value) => fixed(value, 3) },
  integration: { label: "integration", write: (value) => fixed(value, 3) },
  confidence: { label: "confidence", write: (value) => fixed(value, 3) },
  self_prediction_error: { label: "self-prediction error", write: (value) => fixed(value, 3) },
  reliance: { label: "reliance on memory", write: (value) => fixed(value, 3) },
  carried_over: { label: "carried over by sleep", write: (value) => fixed(value, 3) },
  accuracy: { label: "before learning", write: (value) => fixed(value, 3) },
  held_out_accuracy: { label: "held-out", write: (value) => fixed(value, 3) },
  dormant_share: { label: "dormant units", write: (value) => fixed(value, 3) },
  effective_rank: { label: "effective rank", write: (value) => fixed(value, 3) },
  weight_norm: { label: "weight norm", write: (value) => fixed(value, 3) },
  learning_rate: { label: "learning rate", write: (value) => significant(value, 3) },
  grad_norm: { label: "gradient norm", write: (value) => significant(value, 3) },
  step_seconds: { label: "step time", write: (value) => (isNumber(value) ? `${(value * 1000).toFixed(1)} ms` : NONE) },
};

/** Label of a metric for a person. */
export function metricLabel(name) {
  return METRICS[name]?.label ?? name.replaceAll("_", " ");
}

/** Value of a metric for a person. */
export function metricValue(name, value) {
  return (METRICS[name]?.write ?? significant)(value);
}

/** `checkpoint_saved` as words. */
export function words(kind) {
  return String(kind ?? "").replaceAll("_", " ");
}

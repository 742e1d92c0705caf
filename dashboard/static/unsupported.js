// Vital signs that the shown brain cannot have: a brain of its kind lacks what they measure.

import { metricLabel } from "./format.js";

/** Whether a reading says that this kind of brain has no such value, now or later. */
export function isUnsupported(reading) {
  return reading?.detail?.unsupported === 1;
}

/** All of them in one line, by what the brain lacks; empty where it lacks nothing. */
export function unsupportedLine(readings) {
  const lacking = new Map();
  for (const reading of Object.values(readings ?? {}).filter(isUnsupported)) {
    const what = String(reading.reason ?? "").replace(/^(this brain|a brain of kind \S+) /, "it ");
    lacking.set(what, [...(lacking.get(what) ?? []), metricLabel(reading.name)]);
  }
  if (lacking.size === 0) return "";
  const parts = [...lacking].map(([what, names]) => `${names.join(", ")} (${what})`);
  return `Not for this kind of brain: ${parts.join("; ")}.`;
}

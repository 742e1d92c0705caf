// What the shown brain can do, as the daemon describes its kind, and what is asked of it and fed to it accordingly. No DOM.

const LARGEST_TEXT_BYTES = 1024 * 1024;
const UNKNOWN = { answers: false, learns_labels: false, can_grow: true };

/** What the brain of a run can do; of a kind that the daemon does not know, what most can. */
export function abilitiesOf(run) {
  return { ...UNKNOWN, ...run?.abilities };
}

/** The body of POST /runs/{id}/generate. A brain that answers draws nothing: temperature and length have no effect. */
export function questionOf({ prompt, ...drawing }, abilities) {
  if (abilities.answers) return { prompt };
  return { prompt, ...Object.fromEntries(Object.entries(drawing).map(([name, typed]) => [name, Number(typed)])) };
}

/** The body of POST /runs/{id}/experience for what was typed; throws a RangeError that says what is missing. */
export function experienceOf(text, label, abilities) {
  if (!text) throw new RangeError("Enter some text first.");
  if (new TextEncoder().encode(text).length > LARGEST_TEXT_BYTES) throw new RangeError("More than 1 MiB: feed it in parts.");
  if (!abilities.learns_labels) return { text };
  if (!label.trim()) throw new RangeError("Enter its label too: this brain learns nothing from a text without one.");
  return { text, label: label.trim() };
}

// Forgetting on purpose, in words: what was found, what stays, and the order itself. No DOM.

import { bytes, count } from "./format.js";

const LARGEST_TEXT_BYTES = 1024 * 1024;
const LEAST_TEXT_BYTES = 8;
const NAMED = 3;

/**
 * The body of POST /runs/{id}/forget for what was typed; throws a RangeError that says what is missing.
 * `kind` is text, source or since.
 */
export function orderOf(kind, typed) {
  if (kind === "text") {
    const length = new TextEncoder().encode(typed.trim()).length;
    if (length < LEAST_TEXT_BYTES) throw new RangeError(`Enter at least ${LEAST_TEXT_BYTES} bytes of text: anything shorter would be found everywhere.`);
    if (new TextEncoder().encode(typed).length > LARGEST_TEXT_BYTES) throw new RangeError("More than 1 MiB: forget its source, or parts of it.");
    return { text: typed };
  }
  if (!typed.trim()) throw new RangeError(kind === "source" ? "Choose a source." : "Enter a step, a time or how long ago.");
  return kind === "source" ? { source: typed } : { since: sinceOf(typed) };
}

/** A step or "2h" as it is; a time without a zone is this browser's, and is sent in UTC. */
export function sinceOf(typed) {
  const text = typed.trim();
  if (!/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2})?)?$/.test(text)) return text;
  const date = new Date(text.length === 10 ? `${text}T00:00` : text.replace(" ", "T"));
  return Number.isNaN(date.getTime()) ? text : date.toISOString().replace(".000Z", "+00:00");
}

/** What would be forgotten, or was: one line each. */
export function foundLines(answer) {
  const lines = [`${count(answer.rows ?? 0)} rows of replayed text (${bytes(answer.row_bytes ?? 0)})`];
  if (answer.memory_emptied) lines.push("the whole exact memory, which can no longer tell it from the rest");
  else if (answer.memory_bytes !== undefined) lines.push(`${count(answer.memory_bytes)} bytes of the exact memory${emptied(answer)}`);
  if (answer.receipt !== null) lines.push(`${count(answer.probe_rows ?? 0)} rows of frozen probes, ${count(answer.pushed_texts ?? 0)} fed texts`);
  else if (nothingFound(answer)) lines.push("frozen probes and fed text are searched once you confirm");
  const first = answer.first_step ?? null;
  if (first !== null) lines.push(`first read at step ${count(first)}, as far back as its memories reach`);
  return lines;
}

/** What was emptied belongs to other text too: before, their number would not show how much is there of this one. */
function emptied(answer) {
  return answer.receipt === null ? "" : ` (${count(answer.memory_contexts)} contexts emptied, those by what followed earlier as a whole, whatever text is in them)`;
}

function nothingFound(answer) {
  return !answer.rows && !answer.memory_emptied && !answer.memory_bytes;
}

/** What forgetting does not reach. */
export function keptLines(answer) {
  const lines = ["The weights stay as they are: what they learned from it fades only as other text is learned."];
  if (answer.kind !== "source") lines.push("If a source still contains it, it will be learned again: remove it there first.");
  else if (answer.sources_read_on ?? true) lines.push("The source is still being read. To leave it out, stop the run and resume it with the other sources: synapsed resume latest --data OTHER");
  if (answer.older.length) lines.push(`Older checkpoints may still hold it (${named(answer.older)}). Whenever one of them is loaded, it is forgotten again.`);
  if (answer.others.length) lines.push(`Runs that share its rows lose those and keep their own copies (${named(answer.others)}): forget it there too.`);
  lines.push(`Not reached: ${answer.not_reached.join("; ")}.`);
  return lines;
}

/** The receipt, as lines; the first names it. */
export function receiptLines(answer) {
  const lines = [`Receipt ${count(answer.receipt)}, in effect from step ${count(answer.effective_step)}`];
  if (answer.sha256) lines.push(`SHA-256 of the text: ${answer.sha256}`);
  if (answer.on_disk) lines.push(`Erased on disk; the first checkpoint without it is ${answer.checkpoint}`);
  else lines.push(`Erased from memory but still on disk (${answer.why_not ?? "not saved yet"}): it is erased there once a checkpoint can be saved`);
  return lines;
}

/** Which weights never learned it: the checkpoint from before, or why none can be named. */
export function wayBackLine(answer) {
  if (answer.before) {
    return `The weights of ${answer.before.checkpoint} (step ${count(answer.before.step)}) are from before it was first read, as far as its memories tell. ` +
      "Continuing from there and sleeping lets the brain catch up on what it still remembers; the run as it is now remains and can be resumed.";
  }
  const why = (answer.first_step ?? null) === null ? "It is not known when it was first read, so no checkpoint from before can be named." : "No checkpoint from before it was first read is left.";
  return `${why} A sleep replays only what is left.`;
}

function named(names) {
  return names.slice(0, NAMED).join(", ") + (names.length > NAMED ? ` and ${count(names.length - NAMED)} more` : "");
}

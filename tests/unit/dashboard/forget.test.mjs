// Forgetting on purpose in words, without a DOM.

import assert from "node:assert/strict";
import { test } from "node:test";

import { foundLines, keptLines, orderOf, receiptLines, sinceOf, wayBackLine } from "../../../dashboard/static/forget_words.js";

const answer = (more = {}) => ({ kind: "text", receipt: null, rows: 2, row_bytes: 2048, older: [], not_reached: ["the weights", "exports"], others: [], before: null, first_step: 40, ...more });

test("an order names one thing, and what is missing is named", () => {
  assert.deepEqual(orderOf("text", " a secret \n"), { text: " a secret \n" });
  assert.deepEqual(orderOf("source", "notes"), { source: "notes" });
  assert.deepEqual(orderOf("since", " 2h "), { since: "2h" });
  assert.throws(() => orderOf("text", " seven b"), RangeError);
  assert.throws(() => orderOf("text", "ä".repeat(600_000)), /More than 1 MiB/);
  assert.throws(() => orderOf("source", ""), RangeError);
  assert.throws(() => orderOf("since", " "), RangeError);
});

test("a time without a zone is that of the browser", () => {
  const here = new Date("2026-01-31T18:00").toISOString().replace(".000Z", "+00:00");
  for (const typed of ["2026-01-31 18:00", "2026-01-31T18:00", " 2026-01-31T18:00:00 "]) assert.equal(sinceOf(typed), here);
  assert.equal(sinceOf("2026-01-31"), new Date("2026-01-31T00:00").toISOString().replace(".000Z", "+00:00"));
  for (const typed of ["1200", "90m", "2026-01-31T18:00+01:00", "2026-99-99", "yesterday"]) assert.equal(sinceOf(typed), typed);
});

test("what is found names each memory, and an emptied one as such", () => {
  assert.deepEqual(foundLines(answer()), ["2 rows of replayed text (2.00 KiB)", "first read at step 40, as far back as its memories reach"]);
  const memory = { memory_bytes: 5, memory_contexts: 8207, memory_emptied: false };
  assert.equal(foundLines(answer(memory))[1], "5 bytes of the exact memory");
  assert.equal(foundLines(answer({ ...memory, receipt: 3 }))[1], "5 bytes of the exact memory (8,207 contexts emptied, those by what followed earlier as a whole, whatever text is in them)");
  assert.match(foundLines(answer({ memory_bytes: 5, memory_contexts: 7, memory_emptied: true }))[1], /^the whole exact memory/);
  assert.deepEqual(foundLines(answer({ rows: 0, row_bytes: 0, first_step: null })), ["0 rows of replayed text (0 B)", "frozen probes and fed text are searched once you confirm"]);
  assert.ok(foundLines(answer({ receipt: 3, probe_rows: 1, pushed_texts: 2 })).includes("1 rows of frozen probes, 2 fed texts"));
});

test("what is not reached is named: weights, a source still read, older checkpoints, forks", () => {
  const of = (more) => keptLines(answer(more)).join("\n");
  assert.match(of({}), /weights stay as they are/);
  assert.match(of({}), /learned again: remove it/);
  assert.match(of({ kind: "source" }), /still being read/);
  assert.doesNotMatch(of({ kind: "source", sources_read_on: false }), /still being read/);
  assert.match(of({ older: ["a", "b", "c", "d", "e"] }), /\(a, b, c and 2 more\)/);
  assert.match(of({ others: ["r-2"] }), /r-2/);
  assert.match(of({}), /Not reached: the weights; exports\.$/);
});

test("a receipt says whether the disk is erased, and why not", () => {
  const of = (more) => receiptLines(answer({ receipt: 12, effective_step: 900, ...more })).join("\n");
  assert.match(of({ on_disk: true, checkpoint: "continuous_9" }), /Erased on disk; .*continuous_9/);
  assert.match(of({ on_disk: false, why_not: "No space left" }), /still on disk \(No space left\)/);
  assert.match(of({ on_disk: true, checkpoint: "c", sha256: "ab" }), /SHA-256 of the text: ab/);
});

test("weights from before are offered where there are any", () => {
  assert.match(wayBackLine(answer({ before: { checkpoint: "continuous_1", step: 30 } })), /continuous_1 \(step 30\) are from before it was first read/);
  assert.match(wayBackLine(answer()), /No checkpoint from before it was first read is left/);
  assert.match(wayBackLine(answer({ first_step: null })), /not known when it was first read/);
});

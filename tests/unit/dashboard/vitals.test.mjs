// What the page shows of vital signs and alarms, without a DOM.

import assert from "node:assert/strict";
import { test } from "node:test";

import { inOrder } from "../../../dashboard/static/alarms.js";
import { wholeSet } from "../../../dashboard/static/heldout.js";
import { completionLine, matchLine } from "../../../dashboard/static/recall.js";
import { comparedWith, governorLine, headingOf, lossNow, readingDetail, whyMissing } from "../../../dashboard/static/tiles.js";
import { isUnsupported, unsupportedLine } from "../../../dashboard/static/unsupported.js";

test("agency over own words is labelled so, world agency is not", () => {
  assert.equal(headingOf("Agency", { name: "agency", value: 0.4, detail: { acts: 0 } }), "Agency (own words)");
  assert.equal(headingOf("Agency", { name: "agency", value: 0.4, detail: { acts: 1 } }), "Agency");
  assert.equal(headingOf("Agency", undefined), "Agency");
  assert.equal(headingOf("Φ", { name: "phi", detail: { acts: 0 } }), "Φ");
});

test("conditions are no numbers, and the world is shown once it acts there", () => {
  const names = (detail) => readingDetail({ name: "agency", value: null, detail }).map(([name]) => name).slice(5);
  assert.deepEqual(names({ acts: 0, world: 0, warming_up: 1, self: 0.4 }), ["self"]);
  assert.deepEqual(names({ unsupported: 1 }), []);
  assert.deepEqual(names({ acts: 1, world: 0.9 }), ["world"]);
});

test("a value stands beside its controls, and a control without a value is no zero", () => {
  const phi = { name: "phi", value: 0.15, detail: { "control.disconnected": 0, "control.disconnected.step": 50, "control.untrained.step": 100 } };
  assert.equal(comparedWith(phi), "disconnected 0.000 · untrained –");
  const agency = { name: "agency", detail: { acts: 1, world: 0.9, self: 0.31, "control.untrained": 0.1, "control.shuffled": -0.02 } };
  assert.equal(comparedWith(agency), "world 0.900 · own words 0.310 · untrained 0.100 · shuffled -0.020");
  const controlled = { ...agency, detail: { ...agency.detail, "self.control.untrained": 0.2, "self.control.shuffled": 0 } };
  assert.equal(comparedWith(controlled), "world 0.900 · own words 0.310 (untrained 0.200) · untrained 0.100 · shuffled -0.020");
  const ownWords = { name: "agency", detail: { acts: 0, world: 0, self: 0.4, "control.untrained": 0.2, "control.shuffled": 0 } };
  assert.equal(comparedWith(ownWords), "untrained 0.200 · shuffled 0.000");
  assert.equal(comparedWith({ name: "agency", detail: { acts: 0, world: 0, self: 0.4 } }), "");
  assert.equal(comparedWith({ name: "phi", detail: { "control.untrained": 0.04, "control.untrained.error": 0.02 } }), "untrained 0.040 ± 0.020");
  assert.equal(comparedWith(undefined), "");
});

test("what a kind of brain cannot have stands in one line, by what it lacks", () => {
  const lacks = (name, reason) => ({ name, value: null, reason, detail: { unsupported: 1 } });
  const warming = { name: "agency", value: null, reason: "warming up", detail: {} };
  assert.equal(isUnsupported(warming), false);
  assert.equal(isUnsupported(undefined), false);
  assert.equal(unsupportedLine(undefined), "");
  assert.equal(unsupportedLine({ agency: warming }), "");
  const readings = { a: lacks("phi", "this brain has no modules"), b: lacks("weight_norm", "this brain has no sites"), c: lacks("agency", "a brain of kind classifier has no modules"), d: { ...warming, name: "confidence" } };
  assert.equal(unsupportedLine(readings), "Not for this kind of brain: Φ, agency (it has no modules); weight norm (it has no sites).");
});

test("beside the held-out loss stand the loss with memory and the accuracy, of brains that have them alone", () => {
  assert.equal(wholeSet({ bpc: { total: 1.25 } }), "Held-out BPC 1.250 over the whole set.");
  const remembering = { bpc: { total: 2.5 }, mixed_bpc: { total: 1.875 } };
  assert.equal(wholeSet(remembering), "Held-out BPC 2.500 (1.875 with memory) over the whole set.");
  const labelled = { bpc: { total: 0.057 }, accuracy: { total: 0.444 }, num_examples: { total: 1080 } };
  assert.equal(wholeSet(labelled), "Held-out BPC 0.057 and accuracy 0.444 (1,080 examples) over the whole set.");
});

test("the longest match is a sentence, also where there is none", () => {
  const match = { length: 31, bytes_ago: 12345, step: null, source: null };
  assert.equal(matchLine(match), "The longest match has 31 bytes, read 12,345 bytes ago.");
  assert.equal(matchLine({ ...match, step: 1200, source: "notes" }), "The longest match has 31 bytes, read 12,345 bytes ago, at step 1,200 from notes.");
  assert.match(matchLine(null), /^No match of six bytes/);
  assert.match(completionLine("x", null), /^From fewer than six bytes/);
  assert.match(completionLine("x", match), /^Memory continues/);
  assert.match(completionLine("", match), /no confident continuation/);
});

test("how often vital signs are measured is shown once two measurements tell", () => {
  const measured = (latest, training_seconds = 100) => ({ training_seconds, latest, latest_steps: { vitals_ticks: 9100 } });
  const first = { vitals_ticks: 1, vitals_spent_seconds: 1.374, vitals_tick_ms: 1374, vitals_share: 0.335 };
  assert.equal(governorLine(undefined), "");
  assert.equal(governorLine({ latest: {}, training_seconds: 5 }), "");
  assert.equal(governorLine(measured(first)), "");
  assert.equal(governorLine(measured({ ...first, vitals_interval_steps: 50 })), "", "an older daemon gave one measurement an interval");
  const third = { vitals_ticks: 3, vitals_spent_seconds: 0.9, vitals_interval_steps: 1250, vitals_share: 0.335 };
  const line = "Vital signs were last measured at step 9,100, 1,250 steps after the previous time. 3 measurements of 300 ms each took 0.90 % of the training time.";
  assert.equal(governorLine(measured(third)), line);
  assert.match(governorLine(measured(third, 1000)), / took 0\.09 % of the training time\.$/, "the share is that of now, not of the last measurement");
});

test("unseen and grave alarms stand first", () => {
  const alarm = (id, severity, raised_at, acknowledged_at = null) => ({ id, severity, raised_at, acknowledged_at });
  const alarms = [
    alarm("seen", "error", "2026-01-04", "2026-01-05"),
    alarm("hint", "info", "2026-01-03"),
    alarm("old", "warning", "2026-01-01"),
    alarm("new", "warning", "2026-01-02"),
    alarm("grave", "error", "2026-01-01"),
  ];
  assert.deepEqual(inOrder(alarms).map((one) => one.id), ["grave", "new", "old", "hint", "seen"]);
});

test("the loss is the mean of the newest steps, with the last one beside it", () => {
  const history = (recent) => ({ curve: () => ({ recent: () => recent }) });
  const shown = lossNow({ latest: { bpc: 3.5 } }, history({ mean: 2.25, error: 0.015, count: 100 }));
  assert.deepEqual([shown.value, shown.error, shown.note], [2.25, 0.015, "mean of 100 steps; last 3.500"]);
  assert.equal(lossNow({ latest: { bpc: 3.5 } }, history(null)).value, 3.5);
  assert.equal(lossNow(undefined, history(null)).value, null);
});

test("a vital sign that is switched off is not one that is not measured yet", () => {
  assert.equal(whyMissing({}, undefined, true), "not measured yet");
  assert.equal(whyMissing({}, undefined, false), "switched off (vitals.enabled)");
  assert.equal(whyMissing({}, { reason: "warming up" }, true), "warming up");
  assert.equal(whyMissing(undefined, undefined, undefined), "no run yet");
});

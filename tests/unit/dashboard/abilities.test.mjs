// What is asked of a brain and fed to it follows what the daemon says its kind can do.

import assert from "node:assert/strict";
import { test } from "node:test";

import { abilitiesOf, experienceOf, questionOf } from "../../../dashboard/static/abilities.js";

const continues = abilitiesOf({ abilities: { answers: false, learns_labels: false, can_grow: true } });
const labels = abilitiesOf({ abilities: { answers: true, learns_labels: true, can_grow: false } });

test("a kind that the daemon does not know, and no run, are offered what most can do", () => {
  assert.deepEqual(abilitiesOf({ abilities: null }), continues);
  assert.deepEqual(abilitiesOf(undefined), continues);
  assert.equal(labels.can_grow, false);
});

test("how to draw is asked of a brain that continues, not of one that answers", () => {
  const typed = { prompt: "wind", temperature: "0.8", top_p: "0.95", max_bytes: "200" };
  assert.deepEqual(questionOf(typed, continues), { prompt: "wind", temperature: 0.8, top_p: 0.95, max_bytes: 200 });
  assert.deepEqual(questionOf(typed, labels), { prompt: "wind" });
});

test("a text is fed with its label to a brain that learns labels, alone to others", () => {
  assert.deepEqual(experienceOf("wind", " weather ", labels), { text: "wind", label: "weather" });
  assert.deepEqual(experienceOf("wind", "weather", continues), { text: "wind" });
  assert.throws(() => experienceOf("wind", " ", labels), { name: "RangeError", message: /label/ });
  for (const abilities of [labels, continues]) assert.throws(() => experienceOf("", "weather", abilities), /text first/);
  assert.throws(() => experienceOf("é".repeat(2 ** 19 + 1), "", continues), /1 MiB/);
});

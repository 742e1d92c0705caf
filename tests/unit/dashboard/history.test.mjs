import assert from "node:assert/strict";
import { test } from "node:test";

import { Curve, History, lowerBound } from "../../../dashboard/static/history.js";

const filled = (steps, value = (step) => step, capacity = 3000) => {
  const curve = new Curve(capacity);
  for (let step = 1; step <= steps; step += 1) curve.append(step, step * 0.1, value(step));
  return curve;
};

test("a spike outlives every merge", () => {
  const curve = filled(20000, (step) => (step === 777 ? 9.5 : 2), 500);
  assert.ok(curve.length <= 500);
  const view = curve.view(null, null, 50);
  assert.equal(Math.max(...view.max), 9.5);
  assert.equal(Math.min(...view.min), 2);
  assert.equal(view.n.reduce((sum, n) => sum + n, 0), 20000);
});

test("merging keeps the mean of all steps", () => {
  const curve = filled(4096, (step) => step, 256);
  const view = curve.view(null, null, 30);
  const mean = view.mean.reduce((sum, value, index) => sum + value * view.n[index], 0) / 4096;
  assert.ok(Math.abs(mean - 2048.5) < 1e-6);
  assert.ok(view.step.length <= 31);
});

test("steps learned again after a crash supersede the lost ones", () => {
  const curve = filled(100);
  curve.append(60, 1, -1);
  assert.equal(curve.length, 60);
  assert.equal(curve.last.at(-1), -1);
});

test("values that are not finite leave one gap, which no mean and no view counts", () => {
  const curve = filled(3);
  for (const value of [null, undefined, NaN, Infinity]) curve.append(4, 0.4, value);
  assert.deepEqual([curve.step, curve.n.at(-1), curve.last.at(-1)], [[1, 2, 3, 4], 0, null]);
  assert.equal(curve.recent(10).count, 3);
  const nothing = new Curve();
  nothing.append(1, 0.1, NaN);
  assert.equal(nothing.length, 0);
});

test("loading a series keeps the live points behind its end, and only those", () => {
  const curve = filled(20);
  const columns = { step: [5, 10], time: [1, 2], min: [0, null], max: [9, null], mean: [4, null], last: [5, null], n: [5, 5] };
  curve.load(columns);
  assert.deepEqual(curve.step, [5, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
  assert.deepEqual([curve.n[0], curve.n[1], curve.mean[1]], [5, 0, null]); // a bucket without a value is a gap
});

test("on a log axis the first steps stay apart", () => {
  const view = filled(10000, (step) => step, 20000).view(null, null, 100, true);
  assert.deepEqual(view.step.slice(0, 5), [1, 2, 3, 4, 5]);
  assert.ok(view.step.length <= 101);
});

test("a view reaches one point over each edge", () => {
  const view = filled(100).view(40, 50, 600);
  assert.deepEqual([view.step[0], view.step.at(-1)], [39, 51]);
});

test("the standard error counts single steps only", () => {
  const curve = new Curve();
  curve.load({ step: [100], time: [1], min: [0], max: [100], mean: [50], last: [1], n: [100] });
  assert.equal(curve.recent(100), null);
  for (const [step, value] of [[101, 1], [102, 2], [103, 3]]) curve.append(step, step, value);
  const { mean, error, count } = curve.recent(100);
  assert.deepEqual([mean, count], [2, 3]);
  assert.ok(Math.abs(error - Math.sqrt(1 / 3)) < 1e-12);
});

test("a history takes columns and points of a delta", () => {
  const history = new History();
  history.append({ columns: { step: [1, 2], time: [0.1, 0.2], bpc: [8, 7.5] }, points: [["phi", 2, 0.2, 0.4]] });
  assert.deepEqual(history.curve("bpc").mean, [8, 7.5]);
  assert.deepEqual(history.curve("phi").step, [2]);
  assert.equal(history.lastStep, 2);
});

test("lowerBound finds the first value not below the target", () => {
  assert.deepEqual([0, 3, 4, 99].map((target) => lowerBound([1, 3, 3, 7], target)), [0, 1, 3, 4]);
});

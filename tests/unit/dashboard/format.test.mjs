import assert from "node:assert/strict";
import { test } from "node:test";

import { bytes, clock, count, duration, fixed, metricValue, newestLoss, percent, rate, savedLoss, significant, uncertainty, utc } from "../../../dashboard/static/format.js";

test("what is not a number reads as a dash everywhere", () => {
  for (const write of [count, fixed, significant, uncertainty, percent, rate, duration, bytes, clock]) {
    for (const value of [null, undefined, NaN]) assert.equal(write(value), "–", `${write.name}(${value})`);
  }
  assert.equal(utc(null), "");
});

test("a loss is the mean of the newest steps, and of older checkpoints named for what it is", () => {
  assert.deepEqual([newestLoss({ bpc: 3.9, recent_bpc: 2.5 }), newestLoss({ bpc: 3.9 }), newestLoss(undefined)], [2.5, 3.9, undefined]);
  assert.equal(savedLoss({ bpc: 3.934, recent_bpc: 2.52 }), "2.520");
  assert.equal(savedLoss({ bpc: 3.934, recent_bpc: null }), "3.934 smoothed");
  assert.equal(savedLoss({ bpc: null }), "–");
});

test("counts are grouped, decimals fixed, and no zero is negative", () => {
  assert.equal(count(1234567), "1,234,567");
  assert.equal(fixed(2.91449), "2.914");
  assert.equal(fixed(-0.0001), "0.000");
  assert.equal(fixed(-1.5, 1), "-1.5");
});

test("three significant digits over many magnitudes", () => {
  assert.equal(significant(0.0123456), "0.0123");
  assert.equal(significant(45.678), "45.7");
  assert.equal(significant(1.2e-7), "1.20e-7");
  assert.equal(significant(123456), "123,456");
  assert.equal(significant(0), "0.00");
});

test("a small standard error is never shown as nothing", () => {
  assert.equal(uncertainty(0.00001), "<0.001");
  assert.equal(uncertainty(0.0142), "0.014");
  assert.equal(uncertainty(0), "0.000");
});

test("durations, sizes and paces", () => {
  assert.equal(duration(34.9), "34s");
  assert.equal(duration(154), "2m 34s");
  assert.equal(duration(3 * 3600 + 300), "3h 05m");
  assert.equal(duration(2 * 86400 + 4 * 3600), "2d 04h");
  assert.equal(bytes(512), "512 B");
  assert.equal(bytes(1536), "1.50 KiB");
  assert.equal(bytes(64 * 1024 ** 2), "64.0 MiB");
  assert.equal(rate(9.812), "9.81/s");
  assert.equal(rate(0.05), "20 s/step");
  assert.equal(metricValue("step_seconds", 0.1021), "102.1 ms");
});

test("times are local with UTC beside them; another day names its date", () => {
  const now = new Date(2026, 2, 1, 18, 0, 0);
  const morning = new Date(2026, 2, 1, 9, 5, 7);
  const yesterday = new Date(2026, 1, 28, 9, 5, 7);
  assert.equal(clock(morning.toISOString(), { now }), "09:05:07");
  assert.equal(clock(yesterday.toISOString(), { now }), "2026-02-28 09:05:07");
  assert.equal(clock(yesterday.getTime() / 1000, { now, short: true }), "02-28 09:05");
  assert.equal(utc("2026-03-01T09:05:07+00:00"), "2026-03-01 09:05:07 UTC");
});

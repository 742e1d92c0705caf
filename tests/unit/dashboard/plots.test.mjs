import assert from "node:assert/strict";
import { test } from "node:test";

import { Curve } from "../../../dashboard/static/history.js";
import { faded, layout, markTrace, METRICS, PLOTS, traces, viewFromRelayout, viewRange } from "../../../dashboard/static/plots.js";
import { when } from "../../../dashboard/static/schedule.js";
import { sparkPath } from "../../../dashboard/static/tiles.js";

const colors = () => "#102030";
const loss = PLOTS[0];

test("views: all, a window that moves, a range that stands", () => {
  assert.equal(viewRange(null, 500), null);
  assert.deepEqual(viewRange({ last: 1000 }, 5000), [4000, 5000]);
  assert.deepEqual(viewRange({ last: 1000 }, 500), [0, 1000]);
  assert.deepEqual(viewRange({ from: 3, to: 9 }, 5000), [3, 9]);
});

test("a drag becomes a view, in log steps too; other relayouts are no zoom", () => {
  assert.deepEqual(viewFromRelayout({ "xaxis.range[0]": 10, "xaxis.range[1]": 20 }, false), { from: 10, to: 20 });
  assert.deepEqual(viewFromRelayout({ "xaxis.range": [1, 3] }, true), { from: 10, to: 1000 });
  assert.equal(viewFromRelayout({ "xaxis.autorange": true }, false), null);
  assert.equal(viewFromRelayout({ width: 3 }, false), undefined);
});

test("a coarse curve is drawn with the band of its minimum and maximum", () => {
  const curve = new Curve();
  for (let step = 1; step <= 1000; step += 1) curve.append(step, step, step === 500 ? 9 : 2);
  const drawn = traces(loss, { curveOf: () => curve, range: null, logarithmic: false, colors, hidden: new Set(["mixed_bpc", "replay_bpc", "held_out_bpc", "held_out_mixed_bpc"]), points: 100 });
  assert.equal(drawn.length, 3);
  assert.equal(Math.max(...drawn[1].y), 9);
  assert.equal(drawn[1].fill, "tonexty");
  assert.match(drawn[2].customdata[50], /bpc .* \(2\.000 to 9\.000 in \d+\)|bpc 2\.000/);
});

test("what only some brains have is drawn once it has a value", () => {
  const [empty, one] = [new Curve(), new Curve()];
  one.append(1, 1, 2);
  const how = { range: null, logarithmic: false, colors, hidden: new Set(["replay_bpc", "held_out_bpc"]), points: 100 };
  const count = (mixed) => traces(loss, { ...how, curveOf: (metric) => (metric.includes("mixed_bpc") ? mixed : one) }).length;
  assert.deepEqual([count(empty), count(one)], [1, 3]);
});

test("a hidden metric is not drawn and step zero has no place on a log axis", () => {
  const curve = new Curve();
  for (const step of [0, 1, 2]) curve.append(step, step, 1);
  const how = { curveOf: () => curve, range: null, colors, points: 100 };
  assert.equal(traces(loss, { ...how, logarithmic: false, hidden: new Set(METRICS) }).length, 0);
  const [line] = traces(loss, { ...how, logarithmic: true, hidden: new Set(["mixed_bpc", "replay_bpc", "held_out_bpc", "held_out_mixed_bpc"]) });
  assert.deepEqual(line.x, [1, 2]);
});

test("no text of an event reaches Plotly as markup", () => {
  const events = [
    { seq: 1, kind: "state_changed", step: 5, data: { after: "<a href=x>running</a>" } },
    { seq: 2, kind: "unknown_kind", step: 5 },
    { seq: 3, kind: "checkpoint_saved", step: null },
  ];
  const trace = markTrace(events, { colors, range: null, logarithmic: false });
  assert.equal(trace.x.length, 1);
  assert.doesNotMatch(trace.customdata[0], /[<>=]/);
});

test("the reader's range is in every layout", () => {
  const how = { colors, lastStep: 5000, font: "x" };
  assert.deepEqual(layout(loss, { ...how, range: [10, 100], logarithmic: false }).xaxis.range, [10, 100]);
  assert.deepEqual(layout(loss, { ...how, range: [10, 100], logarithmic: true }).xaxis.range, [1, 2]);
  assert.deepEqual(layout(loss, { ...how, range: null, logarithmic: false }).xaxis.range, [0, 5000]);
});

test("a daily job reads as one", () => {
  assert.equal(when({ trigger: "cron 30 3 * * *", cron: "30 3 * * *" }), "daily at 03:30");
  assert.equal(when({ trigger: "cron 0 4 * * 1", cron: "0 4 * * 1" }), "cron 0 4 * * 1");
  assert.equal(when({ trigger: "every 1 h", cron: null }), "every 1 h");
});

test("colours fade and sparklines fill their box", () => {
  assert.equal(faded("#102030"), "rgba(16,32,48,0.2)");
  assert.equal(sparkPath([1]), "");
  assert.equal(sparkPath([0, 1]), "M0.0 28.0L100.0 2.0");
  assert.equal(sparkPath([3, 3]), "M0.0 28.0L100.0 28.0");
});

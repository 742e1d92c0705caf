import assert from "node:assert/strict";
import { test } from "node:test";

import { activeRun, availability, degradedReason, initialState, reduce, shownRun } from "../../../dashboard/static/state.js";

const run = (id, state, more = {}) => ({ id, name: id, state, step: 0, created_at: `2026-03-0${id}T00:00:00Z`, session: 1, latest: {}, readings: {}, ...more });
const event = (seq, more = {}) => ({ seq, run: "1", kind: "checkpoint_saved", severity: "info", step: seq, time: "2026-03-01T00:00:00Z", message: "", ...more });
const snapshot = (runs, events = [], more = {}) => ({ type: "snapshot", runs, run: runs[0]?.id ?? null, events, schedule: [], ...more });
const after = (state, ...actions) => actions.reduce(reduce, state);
const live = { type: "connection", connection: { phase: "live" } };

test("the reducer never changes the state it is given", () => {
  const freeze = (value) => {
    if (value && typeof value === "object") Object.values(Object.freeze(value)).forEach(freeze);
    return value;
  };
  let state = freeze(initialState());
  const frames = [
    live,
    snapshot([run("1", "running")], [event(2), event(1)]),
    { type: "delta", run: "1", state: "running", degraded: null, step: 2, samples: 64, training_seconds: 1, columns: { step: [1, 2], time: [1, 2], bpc: [8, 7] }, points: [["phi", 2, 2, 0.3]], readings: [{ name: "phi", value: 0.3 }], sample: "hi" },
    { type: "event", ...event(3) },
    { type: "run", run: run("2", "queued") },
    { type: "operation", id: "op-1", state: "done" },
    { type: "gap", dropped: 3 },
    { type: "heartbeat", time: "x" },
  ];
  for (const frame of frames) state = freeze(reduce(state, freeze(frame)));
  assert.equal(state.runs["1"].latest.bpc, 7);
  assert.equal(state.runs["1"].latest.phi, 0.3);
  assert.equal(state.runs["1"].sample, "hi");
  assert.equal(state.runs["1"].sample_step, 2);
  assert.equal(state.operations["op-1"].state, "done");
  assert.deepEqual(state.events.map((one) => one.seq), [3, 2, 1]);
});

test("every newest value has the step it was measured at", () => {
  const delta = { type: "delta", run: "1", step: 9, columns: { step: [8, 9], time: [1, 2], bpc: [8, 7] }, points: [["held_out_bpc", 5, 2, 3.5]], readings: [{ name: "phi", value: 0.3, step: 6 }, { name: "agency", value: null }] };
  const { latest, latest_steps: steps } = after(initialState(), snapshot([run("1", "running", { latest_steps: { old: 2 } })]), delta).runs["1"];
  assert.deepEqual(steps, { old: 2, bpc: 9, held_out_bpc: 5, phi: 6, agency: 9 });
  assert.deepEqual([latest.held_out_bpc, latest.phi, latest.agency], [3.5, 0.3, null]);
});

test("events are unique and newest first, whatever order they come in", () => {
  const state = after(initialState(), { type: "events", items: [event(2), event(5)] }, { type: "events", items: [event(4), event(5)] }, { type: "event", ...event(3) });
  assert.deepEqual(state.events.map((one) => one.seq), [5, 4, 3, 2]);
});

test("a snapshot of a later life asks for the events between", () => {
  const before = after(initialState(), snapshot([run("1", "running")], [event(10)]));
  assert.equal(reduce(before, snapshot([run("1", "running")], [event(12), event(11)])).missingAfter, null);
  const gap = reduce(before, snapshot([run("1", "running")], [event(40), event(39)]));
  assert.equal(gap.missingAfter, 10);
  assert.equal(reduce(gap, { type: "filled" }).missingAfter, null);
});

test("another home's snapshot leaves nothing of the old one", () => {
  const before = after(initialState(), snapshot([run("1", "running")], [event(10)]));
  const state = reduce(before, snapshot([run("2", "stopped")], [event(3, { run: "2" })]));
  assert.deepEqual(Object.keys(state.runs), ["2"]);
  assert.deepEqual(state.events.map((one) => one.seq), [3]);
});

test("the run shown: the choice, else what learns, else the proposal, else the newest", () => {
  const runs = [run("3", "stopped"), run("2", "running"), run("1", "finished")];
  const state = after(initialState(), snapshot(runs, [], { run: "1" }));
  assert.equal(shownRun(state).id, "2");
  assert.equal(activeRun(state).id, "2");
  assert.equal(shownRun(reduce(state, { type: "choose", run: "3" })).id, "3");
  const idle = reduce(state, { type: "run", run: run("2", "stopped") });
  assert.equal(shownRun(idle).id, "1");
  assert.equal(shownRun(initialState()), null);
});

test("controls fit the state of the run and say why not", () => {
  const can = (state) => availability(after(initialState(), live, snapshot([run("1", state, { checkpoint: "c" })])));
  const allowed = (state) => Object.entries(can(state)).filter(([, reason]) => reason === null).map(([name]) => name).sort();
  assert.deepEqual(allowed("running"), ["checkpoint", "evaluate", "forget", "pause", "sleep", "stop", "talk"]);
  assert.deepEqual(allowed("waiting"), ["checkpoint", "evaluate", "forget", "pause", "sleep", "stop", "talk"]);
  assert.deepEqual(allowed("paused"), ["checkpoint", "continue", "evaluate", "forget", "sleep", "stop", "talk"]);
  assert.deepEqual(allowed("stopped"), ["resume", "start"]);
  assert.deepEqual(allowed("stopping"), []);
  assert.match(can("running").start, /one run learns at a time/);
  assert.equal(can("stopped").pause, "the run is stopped");
  assert.match(can("stopped").forget, /synapsed forget in a terminal/);
});

test("nothing can be done without a connection", () => {
  const state = after(initialState(), snapshot([run("1", "running")]), { type: "connection", connection: { phase: "reconnecting" } });
  assert.ok(Object.values(availability(state)).every((reason) => reason !== null));
});

test("the pace is measured on the trainer's clock and starts over after going back", () => {
  const delta = (steps, times) => ({ type: "delta", run: "1", columns: { step: steps, time: times } });
  let state = after(initialState(), snapshot([run("1", "running")]), delta([1, 2, 3], [10, 10.5, 11]), delta([4, 5], [11.5, 12]));
  assert.equal(state.runs["1"].pace.perSecond, 2);
  state = reduce(state, delta([2, 3], [20, 21]));
  assert.equal(state.runs["1"].pace.perSecond, 1);
});

test("a delta clears and raises the degraded flag", () => {
  const delta = (degraded) => ({ type: "delta", run: "1", degraded });
  const state = after(initialState(), snapshot([run("1", "running")]), delta("disk full"));
  assert.equal(degradedReason(state.runs["1"]), "disk full");
  assert.equal(degradedReason(reduce(state, delta(null)).runs["1"]), null);
});

test("a gap and a resumed feed ask for the curves again; unknown frames change nothing", () => {
  const state = initialState();
  assert.equal(after(state, { type: "gap", dropped: 1 }, { type: "welcome", resumed: true }).gaps, 2);
  assert.equal(reduce(state, { type: "something_new" }), state);
});

test("a deleted run is gone, and nobody is shown what is not there", () => {
  const gone = { type: "event", ...event(9, { kind: "run_deleted", run: null, data: { run: "1" } }) };
  const state = after(initialState(), live, snapshot([run("1", "stopped"), run("2", "stopped")]), { type: "choose", run: "1" }, gone);
  assert.deepEqual(Object.keys(state.runs), ["2"]);
  assert.equal(state.chosen, null);
  assert.equal(shownRun(state).id, "2");
});

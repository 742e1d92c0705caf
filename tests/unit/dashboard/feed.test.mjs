import assert from "node:assert/strict";
import { test } from "node:test";

import { DROP_AFTER_MS, Feed, PROTOCOL, retryDelay, STALE_AFTER_MS } from "../../../dashboard/static/feed.js";

class Clock {
  constructor() {
    this.time = 0;
    this.tasks = new Map();
    this.next = 1;
  }

  now = () => this.time;

  set = (task, ms) => {
    this.tasks.set(this.next, { task, at: this.time + ms });
    return this.next++;
  };

  clear = (handle) => this.tasks.delete(handle);

  advance(ms) {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.tasks].filter(([, one]) => one.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.tasks.delete(due[0]);
      this.time = due[1].at;
      due[1].task();
    }
    this.time = end;
  }
}

class Socket {
  sent = [];
  closed = false;
  send(text) {
    this.sent.push(JSON.parse(text));
  }
  close() {
    this.closed = true;
  }
  receive(frame) {
    this.onmessage({ data: JSON.stringify(frame) });
  }
}

function world() {
  const clock = new Clock();
  const sockets = [];
  const phases = [];
  const frames = [];
  const feed = new Feed({
    url: "ws://x/stream",
    onFrame: (frame) => frames.push(frame),
    onPhase: (phase) => phases.push(phase),
    open: (url, protocol) => {
      const socket = Object.assign(new Socket(), { url, protocol });
      sockets.push(socket);
      return socket;
    },
    timers: clock,
    random: () => 0.5,
  });
  feed.start();
  return { clock, sockets, phases, frames, feed };
}

const snapshot = { type: "snapshot", runs: [], run: null, events: [], schedule: [] };

function welcomed(it) {
  const socket = it.sockets.at(-1);
  socket.onopen();
  socket.receive({ type: "welcome", epoch: "e1", seq: 7, resumed: false });
  socket.receive(snapshot);
  return socket;
}

test("sends hello with the subprotocol and goes live", () => {
  const it = world();
  const socket = welcomed(it);
  assert.equal(socket.protocol, PROTOCOL);
  assert.deepEqual(socket.sent, [{ type: "hello" }]);
  assert.deepEqual(it.phases.map((one) => one.phase), ["connecting", "live"]);
});

test("comes back at the newest event it has seen", () => {
  const it = world();
  const socket = welcomed(it);
  socket.receive({ type: "event", seq: 9 });
  socket.onclose({ code: 1006, reason: "" });
  assert.equal(it.phases.at(-1).phase, "reconnecting");
  assert.equal(it.phases.at(-1).retryAt, it.clock.now() + 375);
  it.clock.advance(375);
  it.sockets[1].onopen();
  assert.deepEqual(it.sockets[1].sent, [{ type: "hello", epoch: "e1", seq: 9 }]);
});

test("a break between welcome and snapshot does not skip what the snapshot would have brought", () => {
  const it = world();
  const socket = it.sockets[0];
  socket.onopen();
  socket.receive({ type: "welcome", epoch: "e1", seq: 7, resumed: false });
  socket.onclose({ code: 1006, reason: "" });
  it.clock.advance(1000);
  it.sockets[1].onopen();
  assert.deepEqual(it.sockets[1].sent, [{ type: "hello" }]);
});

test("back-off doubles to a limit with jitter, and starts over after a welcome", () => {
  assert.deepEqual([1, 2, 3, 10].map((attempt) => retryDelay(attempt, () => 0)), [250, 500, 1000, 7500]);
  assert.deepEqual([1, 2, 10].map((attempt) => retryDelay(attempt, () => 1)), [500, 1000, 15000]);
  const it = world();
  for (let failure = 0; failure < 4; failure += 1) {
    it.sockets.at(-1).onclose({ code: 1006, reason: "" });
    it.clock.advance(15000);
  }
  assert.equal(it.phases.at(-1).attempt, 4);
  welcomed(it).onclose({ code: 1001, reason: "" });
  assert.equal(it.phases.at(-1).attempt, 1);
});

test("twelve silent seconds are stale, a heartbeat makes it live again, more silence drops the socket", () => {
  const it = world();
  const socket = welcomed(it);
  it.clock.advance(STALE_AFTER_MS - 1);
  assert.equal(it.phases.at(-1).phase, "live");
  it.clock.advance(1);
  assert.equal(it.phases.at(-1).phase, "stale");
  socket.receive({ type: "heartbeat", time: "x" });
  assert.equal(it.phases.at(-1).phase, "live");
  it.clock.advance(DROP_AFTER_MS);
  assert.ok(socket.closed);
  assert.equal(it.phases.find((one) => one.phase === "reconnecting").reason, "no heartbeat");
});

test("the reason of a bye is reported, and a click does not wait for the countdown", () => {
  const it = world();
  const socket = welcomed(it);
  socket.receive({ type: "bye", reason: "shutting down" });
  socket.onclose({ code: 1001, reason: "" });
  assert.equal(it.phases.at(-1).reason, "shutting down");
  it.feed.retryNow();
  it.feed.retryNow();
  assert.equal(it.sockets.length, 2);
});

test("a frame of an old socket is ignored, and stopping ends everything", () => {
  const it = world();
  const socket = welcomed(it);
  socket.onclose({ code: 1006, reason: "" });
  it.clock.advance(1000);
  const before = it.frames.length;
  socket.receive({ type: "heartbeat" });
  assert.equal(it.frames.length, before);
  it.feed.stop();
  it.clock.advance(60_000);
  assert.equal(it.sockets.length, 2);
});

// The live feed: one websocket that reconnects by itself, resumes at {epoch, seq} and detects when it is stale.

export const PROTOCOL = "synapsed.v1";
export const STALE_AFTER_MS = 8_000;
export const DROP_AFTER_MS = 20_000;
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;

/** Back-off before the `attempt`th try (from 1): doubling, capped, the upper half of it at random. */
export function retryDelay(attempt, random = Math.random) {
  const ceiling = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempt - 1));
  return ceiling / 2 + (random() * ceiling) / 2;
}

const systemTimers = {
  now: () => Date.now(),
  set: (task, ms) => setTimeout(task, ms),
  clear: (handle) => clearTimeout(handle),
};

/**
 * Client of `/api/v1/stream`.
 *
 * `onFrame(frame)` gets every frame; `onPhase({phase, retryAt?, attempt?, reason?})` reports the phase of the connection:
 * connecting, live, stale (silent for 8 s) or reconnecting. `open`, `timers` and `random` are injected in tests.
 */
export class Feed {
  constructor({ url, onFrame, onPhase, open = null, timers = systemTimers, random = Math.random }) {
    this.url = url;
    this.onFrame = onFrame;
    this.onPhase = onPhase;
    this.open = open ?? ((address, protocol) => new WebSocket(address, protocol));
    this.timers = timers;
    this.random = random;
    this.epoch = null;
    this.seq = null;
    this.attempt = 0;
    this.socket = null;
    this.retryTimer = null;
    this.silenceTimer = null;
    this.byeReason = null;
    this.pendingWelcome = null;
    this.phase = null;
  }

  start() {
    this.#connect();
  }

  stop() {
    this.timers.clear(this.retryTimer);
    this.timers.clear(this.silenceTimer);
    const socket = this.socket;
    this.socket = null;
    socket?.close(1000);
  }

  /** Reconnect at once, without waiting for the countdown (a click, the network is back, the tab is shown again). */
  retryNow() {
    if (this.socket) return;
    this.timers.clear(this.retryTimer);
    this.#connect();
  }

  #setPhase(phase) {
    this.phase = phase.phase;
    this.onPhase(phase);
  }

  #connect() {
    this.#setPhase({ phase: "connecting", attempt: this.attempt });
    this.byeReason = null;
    this.pendingWelcome = null;
    const socket = this.open(this.url, PROTOCOL);
    this.socket = socket;
    socket.onopen = () => {
      const hello = { type: "hello" };
      if (this.epoch !== null && this.seq !== null) Object.assign(hello, { epoch: this.epoch, seq: this.seq });
      socket.send(JSON.stringify(hello));
    };
    socket.onmessage = (message) => socket === this.socket && this.#receive(message.data);
    socket.onclose = (close) => socket === this.socket && this.#lost(close);
    this.#watchSilence();
  }

  #receive(data) {
    this.#watchSilence();
    const frame = JSON.parse(data);
    if (frame.type === "welcome") {
      this.attempt = 0;
      // Without resumption the position counts only from the snapshot on: a break between the two must not skip it.
      if (frame.resumed) this.epoch = frame.epoch;
      else this.pendingWelcome = frame;
    } else if (frame.type === "snapshot" && this.pendingWelcome) {
      this.epoch = this.pendingWelcome.epoch;
      this.seq = this.pendingWelcome.seq;
      this.pendingWelcome = null;
    } else if (frame.type === "event") {
      this.seq = Math.max(this.seq ?? 0, frame.seq);
    } else if (frame.type === "bye") {
      this.byeReason = frame.reason ?? null;
    }
    if (this.phase !== "live") this.#setPhase({ phase: "live" });
    this.onFrame(frame);
  }

  #watchSilence() {
    this.timers.clear(this.silenceTimer);
    this.silenceTimer = this.timers.set(() => {
      if (this.phase === "live") this.#setPhase({ phase: "stale", since: this.timers.now() - STALE_AFTER_MS });
      this.silenceTimer = this.timers.set(() => this.#drop(), DROP_AFTER_MS - STALE_AFTER_MS);
    }, STALE_AFTER_MS);
  }

  /** A socket that stays silent is dead even when TCP has not noticed (a suspended laptop, a stopped process). */
  #drop() {
    const socket = this.socket;
    if (!socket) return;
    this.#lost({ code: 4000, reason: "no heartbeat" });
    socket.close();
  }

  #lost(close) {
    this.socket = null;
    this.timers.clear(this.silenceTimer);
    this.attempt += 1;
    const delay = retryDelay(this.attempt, this.random);
    this.retryTimer = this.timers.set(() => this.#connect(), delay);
    const reason = this.byeReason ?? (close.reason || null);
    this.#setPhase({ phase: "reconnecting", attempt: this.attempt, retryAt: this.timers.now() + delay, reason });
  }
}

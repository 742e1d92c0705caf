// The masthead: the run, its state, the connection and the progress.

import { byId, element, setAttribute, setText } from "./dom.js";
import { count, duration, fixed, newestLoss, rate } from "./format.js";
import { degradedReason, knownState } from "./state.js";

const FACTS = [
  ["step", "step"],
  ["samples", "samples"],
  ["time", "training time"],
  ["pace", "pace"],
  ["brain", "brain"],
  ["size", "parameters"],
];

const STATE_SIGN = { running: "▶", paused: "❚❚", crashed: "✕", sleeping: "☾", waiting: "…" };

export function mountHeader(page) {
  const facts = {};
  byId("facts").append(
    ...FACTS.map(([name, label]) => {
      facts[name] = element("dd", { text: "–", data: { fact: name } });
      return element("div", {}, element("dt", { text: label }), facts[name]);
    }),
  );
  const retry = byId("connection-retry");
  retry.addEventListener("click", () => page.feed.retryNow());
  // The countdown runs between frames as well.
  setInterval(() => renderConnection(page.state.connection, retry), 1000);

  return (state, run) => {
    renderConnection(state.connection, retry);
    setText(byId("run-name"), run ? run.name || run.id : "synapsed");
    const badge = byId("run-state");
    const known = run ? knownState(run, state.connection) : { text: "no run yet", sign: "unknown" };
    const live = state.connection.phase === "live";
    setText(badge, known.text);
    setAttribute(badge, "data-state", known.sign);
    setAttribute(badge, "title", run?.reason && run.state !== "running" ? run.reason : null);
    renderDegraded(run);
    setText(facts.step, count(run?.step));
    setText(facts.samples, count(run?.samples));
    setText(facts.time, duration(run?.training_seconds));
    setText(facts.pace, live && run?.state === "running" ? rate(run.pace?.perSecond ?? run.latest?.steps_per_second) : "–");
    setText(facts.brain, run?.brain ? `${run.brain}${run.device ? ` on ${run.device}` : ""}` : "–");
    setText(facts.size, count(run?.num_parameters));
    setText(byId("footer-run"), run ? `${run.id} · session ${run.session ?? "–"}` : "");
    document.title = run ? `${known.sign === "unknown" ? "?" : (STATE_SIGN[run.state] ?? "■")} ${fixed(newestLoss(run.latest), 2)} BPC · ${run.name || run.id}` : "synapsed";
  };
}

function renderDegraded(run) {
  const degraded = byId("run-degraded");
  const reason = degradedReason(run) ?? (run?.state === "crashed" ? run.reason : null);
  degraded.hidden = !reason;
  setText(degraded, reason ? (run.degraded ? `degraded: ${reason}` : reason) : "");
}

function renderConnection(connection, retry) {
  setAttribute(byId("connection"), "data-phase", connection.phase);
  setText(byId("connection-text"), connectionText(connection, Date.now()));
  retry.hidden = connection.phase !== "reconnecting";
}

/** The connection as text. */
export function connectionText(connection, now) {
  if (connection.phase === "live") return "live";
  if (connection.phase === "stale") return `stale: silent for ${Math.round((now - connection.since) / 1000)} s`;
  if (connection.phase === "reconnecting") {
    const seconds = Math.max(0, Math.ceil((connection.retryAt - now) / 1000));
    const why = connection.reason ? ` (${connection.reason})` : "";
    return `reconnecting in ${seconds} s${why}`;
  }
  return connection.attempt ? "reconnecting" : "connecting";
}

// Controls of a run: start, resume, pause or continue, checkpoint now, stop; each enabled by the state, with its outcome.

import { allow, perform, setStatus } from "./actions.js";
import { byId, element } from "./dom.js";
import { count } from "./format.js";
import { openStartDialog } from "./start_dialog.js";
import { availability, ended } from "./state.js";

export function mountControls(page) {
  const status = byId("outcome");
  const button = (name, text, kind, listener) =>
    element("button", { type: "button", class: kind, text, data: { act: name }, on: { click: listener } });

  let shown = null; // an outcome about a state: cleared when the run leaves that state

  const act = (name, pending, describe, leadsTo = null) => async () => {
    const { id } = page.shown() ?? {};
    shown = null;
    const done = await perform(buttons[name], status, pending, async () => describe(await page.api.act(id, name)));
    const there = page.shown();
    if (done && leadsTo) shown = { text: status.textContent, run: id, state: leadsTo, reached: there?.id === id && there.state === leadsTo };
  };

  function forgetOld(run) {
    if (!shown) return;
    if (run?.id === shown.run && run.state === shown.state) shown.reached = true;
    else if (shown.reached) {
      if (status.textContent === shown.text) setStatus(status, "");
      shown = null;
    }
  }

  const buttons = {
    start: button("start", "Start…", "", () => start()),
    resume: button("resume", "Resume", "primary", () => resume()),
    pause: button("pause", "Pause", "", act("pause", "Pausing after this step …", (done) => `Paused at step ${at(done)}.`, "paused")),
    continue: button("continue", "Continue", "primary", act("continue", "Continuing …", (done) => `Learning continues from step ${at(done)}.`)),
    checkpoint: button("checkpoint", "Checkpoint now", "", act("checkpoint", "Saving a checkpoint …", saved)),
    stop: button("stop", "Stop", "", act("stop", "Saving a last checkpoint and stopping …", stopped, "stopped")),
  };
  byId("controls").append(...Object.values(buttons));

  function start() {
    if (buttons.start.getAttribute("aria-disabled") === "true") {
      perform(buttons.start, status, "", async () => "");
      return;
    }
    openStartDialog(page, status);
  }

  function resume() {
    perform(buttons.resume, status, "Resuming …", async () => {
      const checkpoint = page.shown().checkpoint;
      const run = await page.api.post(`/checkpoints/${encodeURIComponent(checkpoint)}/resume`, {});
      page.dispatch({ type: "runs", items: [run] });
      page.choose(run.id);
      return `Resumed from ${checkpoint}.`;
    });
  }

  return (state, run) => {
    forgetOld(run);
    const can = availability(state);
    for (const [name, node] of Object.entries(buttons)) allow(node, can[name]);
    const over = run ? ended(run.state) : false;
    buttons.resume.hidden = !over;
    buttons.continue.hidden = over || run?.state !== "paused";
    buttons.pause.hidden = over || run?.state === "paused";
    buttons.start.classList.toggle("primary", !run);
  };
}

const at = (operation) => count(operation.result?.step);

function saved(operation) {
  const name = operation.result?.checkpoint ?? operation.result?.name;
  return `Checkpoint saved at step ${at(operation)}${name ? `: ${name}` : ""}.`;
}

function stopped(operation) {
  const name = operation.result?.checkpoint;
  return name ? `Stopped. Last checkpoint: ${name}.` : "Stopped; the last checkpoint is saved.";
}

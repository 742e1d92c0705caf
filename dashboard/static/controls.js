// Steering: start, resume, pause or continue, checkpoint now, stop; each enabled by state, each with its outcome.

import { allow, perform } from "./acts.js";
import { byId, element } from "./dom.js";
import { count } from "./format.js";
import { openStartDialog } from "./start_dialog.js";
import { availability, ended } from "./state.js";

export function mountControls(page) {
  const status = byId("outcome");
  const button = (name, text, kind, listener) =>
    element("button", { type: "button", class: kind, text, data: { act: name }, on: { click: listener } });

  const act = (name, pending, describe) => () =>
    perform(buttons[name], status, pending, async () => {
      const run = page.shown();
      return describe(await page.api.act(run.id, name), run);
    });

  const buttons = {
    start: button("start", "Start…", "", () => start()),
    resume: button("resume", "Resume", "primary", () => resume()),
    pause: button("pause", "Pause", "", act("pause", "Pausing after this step …", (done) => `Paused at step ${at(done)}.`)),
    continue: button("continue", "Continue", "primary", act("continue", "Continuing …", (done) => `Learning on from step ${at(done)}.`)),
    checkpoint: button("checkpoint", "Checkpoint now", "", act("checkpoint", "Saving a checkpoint …", saved)),
    stop: button("stop", "Stop", "", act("stop", "Saving a last checkpoint and stopping …", stopped)),
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

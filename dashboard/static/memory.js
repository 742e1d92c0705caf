// Forgetting of each source, the share of replay in each batch, sleep by hand, and forgetting on purpose.

import { allow, perform, refusal, setStatus } from "./actions.js";
import { byId, element, setText } from "./dom.js";
import { openForget } from "./forget_dialog.js";
import { fixed, NONE, percent } from "./format.js";
import { availability } from "./state.js";
import { rowButton, table } from "./table.js";

const COLUMNS = [
  ["Source", "name"],
  ["Smoothed", "number"],
  ["Best", "number best"],
  ["Forgetting", "number"],
  ["", "actions"],
];
const RELOAD_AT_MOST_EVERY_MS = 10_000;
const EMPTY = "No frozen probe has been scored yet.";

export function mountMemory(page) {
  const view = table("Forgetting by source", COLUMNS, EMPTY);
  const status = element("p", { class: "status", role: "status" });
  const facts = element("p", { class: "aside" });
  const sleep = element("button", { type: "button", class: "quiet", text: "Sleep", data: { act: "sleep" }, on: { click: fallAsleep } });
  byId("memory").append(view.node, view.empty);
  byId("memory").after(facts, status);
  const forget = element("button", { type: "button", class: "quiet", text: "Forget…", data: { act: "forget" }, on: { click: () => askToForget(forget) } });
  byId("memory-actions").append(sleep, forget);
  let timer = null;
  let request = 0;

  function fallAsleep() {
    perform(sleep, status, "Falling asleep …", async () => {
      const done = await page.api.act(page.shown().id, "sleep");
      return `Asleep for ${done.result?.steps ?? NONE} steps; see the events for the outcome.`;
    });
  }

  function askToForget(button, given = {}) {
    if (button.getAttribute("aria-disabled") === "true") setStatus(status, `Not now: ${button.title}.`);
    else openForget(page, status, given);
  }

  function row(name, columns) {
    const last = columns.step.length - 1;
    const smooth = columns.smooth[last];
    const lost = columns.forgetting[last];
    const button = rowButton("Forget…", "forget", () => askToForget(button, { source: name }), `Forget all of ${name}`);
    return element(
      "tr",
      {},
      element("td", { class: "name", text: name }),
      element("td", { class: "number", text: fixed(smooth), title: `${fixed(columns.bpc[last])} at the last measurement` }),
      element("td", { class: "number best", text: lost === null ? NONE : fixed(smooth - lost) }),
      element("td", { class: "number", text: fixed(lost) }),
      element("td", { class: "actions" }, button),
    );
  }

  async function load() {
    const run = page.shown();
    request += 1;
    const mine = request;
    try {
      const found = run ? await page.api.get(`/runs/${encodeURIComponent(run.id)}/forgetting`, { rows: 500 }) : { sources: {} };
      if (mine === request) render(found);
    } catch (error) {
      if (mine === request) {
        view.empty.hidden = false;
        setText(view.empty, `Not loaded: ${refusal(error)}`);
      }
    }
  }

  function render(found) {
    const sources = Object.entries(found.sources).filter(([, columns]) => columns.step.length > 0);
    sources.sort(([a], [b]) => a.localeCompare(b));
    setText(view.empty, EMPTY);
    view.empty.hidden = sources.length > 0;
    view.node.hidden = sources.length === 0;
    view.body.replaceChildren(...sources.map(([name, columns]) => row(name, columns)));
    allowAll(page.state);
    const latest = page.shown()?.latest ?? {};
    const share = latest.replay_fraction;
    const carried = Number.isFinite(latest.carried_over) ? ` The last sleep taught the network ${percent(latest.carried_over)} of what only the exact memory knew.` : "";
    facts.textContent = sources.length
      ? `Loss on the frozen probes in BPC. Mean forgetting ${fixed(found.mean)} BPC, worst ${fixed(found.worst)}; stability gap ${fixed(found.stability_gap)}.${Number.isFinite(share) ? ` ${percent(share)} of each batch is replay.` : ""}${carried}`
      : "";
  }

  page.onRun.push(load);
  page.onFrame.push((frame) => {
    const measured = frame.type === "delta" && frame.points?.some(([name]) => name.startsWith("forgetting") || name === "carried_over");
    if (!measured || timer) return;
    timer = setTimeout(() => {
      timer = null;
      load();
    }, RELOAD_AT_MOST_EVERY_MS);
  });
  function allowAll(state) {
    const can = availability(state);
    allow(sleep, can.sleep);
    allow(forget, can.forget);
    for (const button of view.body.querySelectorAll('[data-act="forget"]')) allow(button, can.forget);
  }
  return allowAll;
}

// The list of runs, and which one is shown.

import { allow, perform, setStatus } from "./actions.js";
import { ApiError } from "./api.js";
import { confirmTyped } from "./confirm.js";
import { byId, element, reconcile, setAttribute, setText, timeElement } from "./dom.js";
import { bytes, count, duration, fixed, newestLoss } from "./format.js";
import { ended, knownState, runList } from "./state.js";
import { rowButton, table } from "./table.js";

const COLUMNS = [
  ["Run", "name"],
  ["State", ""],
  ["Step", "number"],
  ["BPC", "number"],
  ["Training", "number"],
  ["Started", ""],
  ["", "actions"],
];

export function mountRuns(page) {
  const view = table("Runs", COLUMNS, "No run yet. Start one above, or with: synapsed start");
  const follow = rowButton("Follow the learning run", "follow", () => page.choose(null));
  const more = rowButton("Load older", "older", loadOlder);
  let cursor;
  const status = element("p", { class: "status", role: "status" });
  byId("runs").append(view.node, view.empty, more, status);
  byId("runs-actions").append(follow);

  async function loadOlder() {
    try {
      const answer = await page.api.get("/runs", { limit: 100, cursor });
      cursor = answer.next;
      setText(more, "Load older");
      more.hidden = !cursor;
      page.dispatch({ type: "runs", items: answer.items });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setText(more, `Not loaded: ${error.message}`);
    }
  }

  async function remove(run, button) {
    const name = run.name || run.id;
    if (button.getAttribute("aria-disabled") === "true") return setStatus(status, `Not now: ${button.title}.`);
    const lost = `${name} (step ${count(run.step)}, ${duration(run.training_seconds)} of learning) will be deleted permanently, with its checkpoints, memory and history.`;
    const typed = await confirmTyped("Delete this run?", lost, [name, run.id], "Delete permanently");
    if (typed === null) return undefined;
    return perform(button, status, `Deleting ${name} …`, async () => {
      const gone = await page.api.delete(`/runs/${encodeURIComponent(run.id)}`, { confirm: typed });
      return `${name} is deleted, ${bytes(gone.freed_bytes)} freed.`;
    });
  }

  return (state, shown) => {
    const runs = runList(state);
    view.empty.hidden = runs.length > 0;
    view.node.hidden = runs.length === 0;
    more.hidden = cursor === null || runs.length < 20;
    follow.hidden = state.chosen === null;
    reconcile(view.body, runs, (run) => run.id, (run) => build(page, run, remove), (node, run) => update(node, run, shown, state.connection));
    for (const node of view.body.children) update(node, state.runs[node.dataset.key], shown, state.connection);
  };
}

function build(page, run, remove) {
  const name = run.name || run.id;
  return element(
    "tr",
    {},
    element("td", { class: "name" }, element("span", { text: name, title: run.id }), run.parent && element("div", { class: "aside", text: `forked from ${run.parent.run} at ${count(run.parent.step)}` })),
    element("td", {}, element("span", { class: "badge small", data: { cell: "state" } })),
    element("td", { class: "number", data: { cell: "step" } }),
    element("td", { class: "number", data: { cell: "bpc" } }),
    element("td", { class: "number", data: { cell: "time" } }),
    element("td", { class: "nowrap" }, timeElement(run.started_at ?? run.created_at)),
    element("td", { class: "actions" }, rowButton("Show", "show", () => page.choose(run.id), `Show ${name}`), rowButton("Delete", "delete", (click) => remove(page.state.runs[run.id] ?? run, click.currentTarget), `Delete ${name}`)),
  );
}

function update(node, run, shown, connection) {
  const cell = (name) => node.querySelector(`[data-cell="${name}"]`);
  const badge = cell("state");
  const known = knownState(run, connection);
  setText(badge, known.text);
  setAttribute(badge, "data-state", known.sign);
  allow(node.querySelector('[data-act="delete"]'), ended(run.state) ? null : `the run is ${run.state}; stop it first`);
  setText(cell("step"), count(run.step));
  setText(cell("bpc"), fixed(newestLoss(run.latest)));
  setText(cell("time"), duration(run.training_seconds));
  setAttribute(node, "aria-current", run.id === shown?.id ? "true" : null);
}

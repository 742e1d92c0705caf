// The runs: which there are, and which one is shown.

import { ApiError } from "./api.js";
import { byId, element, reconcile, setAttribute, setText, timeElement } from "./dom.js";
import { count, duration, fixed } from "./format.js";
import { runList } from "./state.js";
import { rowButton, table } from "./table.js";

const COLUMNS = [
  ["Run", "name"],
  ["State", ""],
  ["Step", "number"],
  ["BPC", "number"],
  ["Training", "number"],
  ["Begun", ""],
  ["", "actions"],
];

export function mountRuns(page) {
  const view = table("Runs", COLUMNS, "No run yet. Start one above, or with: synapsed start");
  const follow = rowButton("Follow what learns", "follow", () => page.choose(null));
  const more = rowButton("Load older", "older", loadOlder);
  let cursor;
  byId("runs").append(view.node, view.empty, more);
  byId("runs-actions").append(follow);

  async function loadOlder() {
    try {
      const answer = await page.api.get("/runs", { limit: 100, cursor });
      cursor = answer.next;
      more.hidden = !cursor;
      page.dispatch({ type: "runs", items: answer.items });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setText(more, `Not loaded: ${error.message}`);
    }
  }

  return (state, shown) => {
    const runs = runList(state);
    view.empty.hidden = runs.length > 0;
    view.node.hidden = runs.length === 0;
    more.hidden = cursor === null || runs.length < 20;
    follow.hidden = state.chosen === null;
    reconcile(view.body, runs, (run) => run.id, (run) => build(page, run), (node, run) => update(node, run, shown));
    for (const node of view.body.children) update(node, state.runs[node.dataset.key], shown);
  };
}

function build(page, run) {
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
    element("td", { class: "actions" }, rowButton("Show", "show", () => page.choose(run.id), `Show ${name}`)),
  );
}

function update(node, run, shown) {
  const cell = (name) => node.querySelector(`[data-cell="${name}"]`);
  const badge = cell("state");
  setText(badge, run.state);
  setAttribute(badge, "data-state", run.state);
  setText(cell("step"), count(run.step));
  setText(cell("bpc"), fixed(run.latest?.bpc));
  setText(cell("time"), duration(run.training_seconds));
  setAttribute(node, "aria-current", run.id === shown?.id ? "true" : null);
}

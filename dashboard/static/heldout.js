// Held-out loss of each source, with its coverage of the held-out set and its age. Of a brain with an exact memory there are
// two losses, of its network alone and of both together, and its reliance: how much of the evidence for what it read of the
// source lately came from memory. Of one that predicts labels there is its accuracy.

import { allow, perform, refusal } from "./actions.js";
import { byId, element, setAttribute, setText, timeElement } from "./dom.js";
import { count, fixed, NONE, percent } from "./format.js";
import { availability } from "./state.js";
import { table } from "./table.js";

const COLUMNS = [
  ["Source", "name"],
  ["BPC", "number"],
  ["With memory", "number mixed"],
  ["Reliance", "number mixed"],
  ["Accuracy", "number accuracy"],
  ["Coverage", "number coverage"],
  ["Age, steps", "number"],
  ["Measured", "measured"],
];
const RELOAD_AT_MOST_EVERY_MS = 10_000;
const EMPTY = "Not measured yet: a slice is scored every hundred steps or so.";

export function mountHeldOut(page) {
  const view = table("Held-out loss by source", COLUMNS, EMPTY);
  const status = element("p", { class: "status", role: "status" });
  const whole = element("button", { type: "button", class: "quiet", text: "Score the whole set", on: { click: evaluate } });
  byId("held-out").append(view.node, view.empty);
  byId("held-out").after(status);
  byId("held-out-actions").append(whole);
  let timer = null;
  let request = 0;

  function evaluate() {
    perform(whole, status, "Scoring the whole held-out set; learning pauses meanwhile …", async () => {
      const done = await page.api.act(page.shown().id, "evaluate");
      await load();
      return wholeSet(done.result);
    });
  }

  async function load() {
    const run = page.shown();
    request += 1;
    const mine = request;
    try {
      const items = run ? (await page.api.get(`/runs/${encodeURIComponent(run.id)}/evaluations`)).items : [];
      if (mine === request) render(items);
    } catch (error) {
      if (mine === request) {
        view.empty.hidden = false;
        setText(view.empty, `Not loaded: ${refusal(error)}`);
      }
    }
  }

  function render(items) {
    // Newest first: the first of each source is the current one.
    const newest = [...new Map([...items].reverse().map((item) => [item.source, item])).values()];
    newest.sort((a, b) => String(a.source).localeCompare(String(b.source)));
    setText(view.empty, EMPTY);
    view.empty.hidden = newest.length > 0;
    view.node.hidden = newest.length === 0;
    setAttribute(view.node, "data-labelled", String(newest.some(isLabelled)));
    setAttribute(view.node, "data-remembering", String(newest.some(isMixed)));
    const latest = page.shown()?.latest ?? {};
    view.body.replaceChildren(...newest.map((item) => row(item, latest[`reliance/${item.source}`])));
  }

  page.onRun.push(load);
  page.onFrame.push((frame) => {
    if (frame.type === "event" && frame.kind === "evaluation_finished") load();
    const measured = frame.type === "delta" && frame.points?.some(([name]) => name.startsWith("held_out"));
    if (!measured || timer) return;
    timer = setTimeout(() => {
      timer = null;
      load();
    }, RELOAD_AT_MOST_EVERY_MS);
  });
  return (state) => allow(whole, availability(state).evaluate);
}

/** What scoring the whole held-out set found, in words. */
export function wholeSet(result) {
  const accuracy = result?.accuracy?.total ?? null;
  const beside = accuracy === null ? "" : ` and accuracy ${fixed(accuracy)} (${count(result.num_examples?.total)} examples)`;
  const mixed = result?.mixed_bpc?.total ?? null;
  const remembered = mixed === null ? "" : ` (${fixed(mixed)} with memory)`;
  return `Held-out BPC ${fixed(result?.bpc?.total)}${remembered}${beside} over the whole set.`;
}

const isMixed = (item) => (item.mixed_bpc ?? null) !== null;

const isLabelled = (item) => (item.accuracy ?? null) !== null;

function row(item, reliance) {
  return element(
    "tr",
    {},
    element("td", { class: "name", text: item.source || NONE }),
    element("td", { class: "number", text: fixed(item.bpc) }),
    element("td", { class: "number mixed", text: fixed(item.mixed_bpc) }),
    element("td", { class: "number mixed", text: percent(reliance) }),
    element("td", { class: "number accuracy", text: isLabelled(item) ? `${fixed(item.accuracy)} of ${count(item.examples)}` : NONE }),
    element("td", { class: "number coverage", text: percent(item.coverage) }),
    element("td", { class: "number", text: count(item.age_steps) }),
    element("td", { class: "nowrap measured" }, timeElement(item.time)),
  );
}

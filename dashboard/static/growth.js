// Growth: the growth sites of the brain, the effect of growing each by hand, what has grown so far and whether that paid.

import { abilitiesOf } from "./abilities.js";
import { allow, perform, refusal, setStatus } from "./actions.js";
import { confirm } from "./confirm.js";
import { byId, element, setText } from "./dom.js";
import { count, fixed, percent } from "./format.js";
import { availability } from "./state.js";
import { rowButton, table } from "./table.js";

const COLUMNS = [
  ["Site", "name"],
  ["Units", "number"],
  ["Utilisation", "number"],
  ["Effective rank", "number"],
  ["Unexpressed", "number"],
  ["After growing", "number"],
  ["", "actions"],
];

const EMPTY = "Press “Show growth sites” to see how full each one is.";
const CHANGES = new Set(["brain_grew", "growth_judged"]);

const PAST_COLUMNS = [
  ["Step", "number"],
  ["Site", "name"],
  ["Verdict", "name"],
  ["Gain", "number"],
  ["Units", "number"],
  ["Loss", "number"],
  ["Twin’s loss", "number"],
];

/** What came of a growth, in words; `trial` is that of the newest growth, or null. */
function verdictOf(record, trial) {
  const verdict = record.verdict;
  if (!verdict) return trial?.began === record.step ? `on trial: ${count(trial.done)} of ${count(trial.steps)} steps` : "not judged";
  if (verdict.paid === null) return `not judged: ${verdict.reason}`;
  return verdict.paid ? "paid" : "did not pay";
}

const times = (number) => (number === 1 ? "once" : `${count(number)} times`);

export function mountGrowth(page) {
  const view = table("Growth sites", COLUMNS, EMPTY);
  const status = element("p", { class: "status", role: "status" });
  const facts = element("p", { class: "aside" });
  const modules = element("p", { class: "aside", id: "modules" });
  const look = element("button", { type: "button", class: "quiet", text: "Show growth sites", data: { act: "growth" }, on: { click: show } });
  byId("growth").append(view.node, view.empty);
  // Beside the loss of a growth there is always that of a twin which did not grow and learned from the same text.
  const past = table("What grew, and whether it paid", PAST_COLUMNS, "");
  const pastPlace = element("div", { class: "table-scroll", id: "growth-past", tabindex: "0" }, past.node);
  byId("growth").after(modules, facts, pastPlace, status);
  pastPlace.hidden = true;
  byId("growth-actions").append(look);
  view.node.hidden = true;
  // A column is added to the whole brain, so its button is below all sites.
  const column = element("button", { type: "button", class: "quiet", text: "Add a column", data: { act: "column" }, on: { click: addColumn } });
  const price = element("span", { class: "aside" });
  const beside = element("p", {}, column, " ", price);
  facts.before(beside);
  beside.hidden = true;
  let request = 0;

  // The trainer answers between two steps, so this is loaded on demand, and again after the brain has grown.
  async function load() {
    const run = page.shown();
    request += 1;
    const mine = request;
    const found = await page.api.get(`/runs/${encodeURIComponent(run.id)}/growth`);
    if (mine !== request) return;
    view.body.replaceChildren(...found.sites.map((site) => row(site)));
    view.node.hidden = false;
    view.empty.hidden = true;
    beside.hidden = false;
    allow(column, found.column.reason);
    price.textContent = found.column.reason
      ? `No column can be added: ${found.column.reason}.`
      : `It would add ${count(found.column.newborns)} neurons and ${count(found.column.parameters)} parameters, and freeze ${count(found.column.freezes)} permanently.`;
    modules.textContent = found.modules.length ? `Modules, from input to output: ${found.modules.join(" → ")}.` : "";
    facts.textContent = `${count(found.num_neurons)} of at most ${count(found.max_neurons)} neurons, grown ${times(found.history.length)} so far; automatic growth is ${found.enabled ? "on" : "off"}, with a cool-down of ${count(found.cooldown_steps)} steps.`;
    past.body.replaceChildren(...[...found.history].reverse().map((record, index) => pastRow(record, index === 0 ? found.trial : null)));
    pastPlace.hidden = found.history.length === 0;
  }

  function pastRow(record, trial) {
    const verdict = record.verdict ?? {};
    const noise = Number.isFinite(verdict.noise) ? ` ± ${percent(verdict.noise, 2)}` : "";
    return element(
      "tr",
      {},
      element("td", { class: "number", text: count(record.step) }),
      element("td", { class: "name", text: record.site, title: record.reason }),
      element("td", { class: "name", text: verdictOf(record, trial) }),
      element("td", { class: "number", text: `${percent(verdict.gain, 2)}${noise}` }),
      element("td", { class: "number", text: `${count(record.units_before)} → ${count(record.units_after)}` }),
      element("td", { class: "number", text: fixed(verdict.bpc) }),
      element("td", { class: "number", text: fixed(verdict.promised_bpc) }),
    );
  }

  function show() {
    perform(look, status, "Asking the brain …", async () => {
      await load();
      return "";
    });
  }

  function row(site) {
    const signals = site.signals ?? {};
    const wider = rowButton("Grow", "grow", () => widen(wider, site), `Grow ${site.site}`);
    const deeper = rowButton("Deepen", "deepen", () => deepen(deeper, site), `Add a block after that of ${site.site}`);
    const expert = rowButton("Add expert", "expert", () => addExpert(expert, site), `Add an expert beside ${site.site}`);
    allow(wider, site.reason);
    allow(deeper, site.deeper.reason);
    allow(expert, site.expert.reason);
    return element(
      "tr",
      {},
      element("td", { class: "name", text: site.site }),
      element("td", { class: "number", text: count(site.units) }),
      element("td", { class: "number", text: percent(signals.utilisation) }),
      element("td", { class: "number", text: percent(signals.rank_share) }),
      element("td", { class: "number", text: fixed(signals.unexpressed) }),
      element("td", { class: "number", text: count(site.preview.units) }),
      element("td", { class: "actions" }, wider, deeper, expert),
    );
  }

  function widen(button, site) {
    grow(button, site.site, { site: site.site }, (grown) => `${site.site} grew from ${count(grown?.units_before)} to ${count(grown?.units_after)} units.`);
  }

  function deepen(button, site) {
    grow(button, site.site, { site: site.site, operator: "deepen" }, () => `A block of ${count(site.deeper.newborns)} units was added after ${site.site}.`);
  }

  function addExpert(button, site) {
    grow(button, site.site, { site: site.site, operator: "expert" }, () => `An expert of ${count(site.expert.newborns)} units was added beside ${site.site}.`);
  }

  async function addColumn() {
    const allowed = column.getAttribute("aria-disabled") !== "true";
    const lost = "Everything the brain has now, except its self model, stops learning permanently, and a new column learns beside it. The only way back is the checkpoint saved before, which is pinned.";
    if (allowed && !(await confirm("Add a column?", lost, "Add"))) return;
    grow(column, "a column", { operator: "column" }, (grown) => `A column of ${count(grown?.units_after)} units was added; everything older is frozen.`);
  }

  function grow(button, what, wanted, describe) {
    perform(button, status, `Saving, then growing ${what} …`, async () => {
      const path = `/runs/${encodeURIComponent(page.shown().id)}/growth`;
      const done = await page.api.settle(await page.api.post(path, wanted));
      await load();
      return describe(done.result);
    });
  }

  page.onRun.push(() => {
    request += 1;
    view.node.hidden = true;
    view.empty.hidden = false;
    beside.hidden = true;
    pastPlace.hidden = true;
    modules.textContent = "";
    facts.textContent = "";
    setStatus(status, "");
  });
  page.onFrame.push((frame) => {
    if (frame.type === "event" && CHANGES.has(frame.kind) && frame.run === page.shown()?.id && !view.node.hidden) {
      load().catch((error) => setStatus(status, refusal(error), "bad"));
    }
  });
  return (state, run) => {
    allow(look, availability(state).evaluate);
    look.hidden = !abilitiesOf(run).can_grow;
    setText(view.empty, look.hidden ? "A brain of this kind does not grow." : EMPTY);
  };
}

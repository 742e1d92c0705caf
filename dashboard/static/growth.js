// Growth by hand: the sites of the brain, what growing each would give, and what grew so far.

import { allow, perform, refusal, say } from "./acts.js";
import { byId, element } from "./dom.js";
import { count, fixed, percent } from "./format.js";
import { availability } from "./state.js";
import { rowButton, table } from "./table.js";

const COLUMNS = [
  ["Site", "name"],
  ["Units", "number"],
  ["In use", "number"],
  ["Effective rank", "number"],
  ["Missed", "number"],
  ["Would have", "number"],
  ["", "actions"],
];

export function mountGrowth(page) {
  const view = table("Growth sites", COLUMNS, "Not looked at yet.");
  const status = element("p", { class: "status", role: "status" });
  const facts = element("p", { class: "aside" });
  const look = element("button", { type: "button", class: "quiet", text: "Look at the sites", data: { act: "growth" }, on: { click: show } });
  byId("growth").append(view.node, view.empty);
  byId("growth").after(facts, status);
  byId("growth-actions").append(look);
  view.node.hidden = true;
  let request = 0;

  // The trainer answers between two steps, so it is asked on demand, and again when the brain grew.
  async function load() {
    const run = page.shown();
    request += 1;
    const mine = request;
    const found = await page.api.get(`/runs/${encodeURIComponent(run.id)}/growth`);
    if (mine !== request) return;
    view.body.replaceChildren(...found.sites.map((site) => row(site)));
    view.node.hidden = false;
    view.empty.hidden = true;
    facts.textContent = `${count(found.num_neurons)} of at most ${count(found.max_neurons)} neurons, ${count(found.history.length)} growths so far; growth by itself is ${found.enabled ? "on" : "off"}.`;
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
    const deeper = rowButton("Deepen", "deepen", () => deepen(deeper, site), `Add a block behind that of ${site.site}`);
    allow(wider, site.reason);
    allow(deeper, site.deeper.reason);
    return element(
      "tr",
      {},
      element("td", { class: "name", text: site.site }),
      element("td", { class: "number", text: count(site.units) }),
      element("td", { class: "number", text: percent(signals.utilisation) }),
      element("td", { class: "number", text: percent(signals.rank_share) }),
      element("td", { class: "number", text: fixed(signals.unexpressed) }),
      element("td", { class: "number", text: count(site.preview.units) }),
      element("td", { class: "actions" }, wider, deeper),
    );
  }

  function widen(button, site) {
    grow(button, site, { site: site.site }, (grown) => `${site.site} grew from ${count(grown?.units_before)} to ${count(grown?.units_after)} units.`);
  }

  function deepen(button, site) {
    grow(button, site, { site: site.site, operator: "deepen" }, () => `A block of ${count(site.deeper.newborns)} units was born behind ${site.site}.`);
  }

  function grow(button, site, wanted, told) {
    perform(button, status, `Saving, then growing ${site.site} …`, async () => {
      const path = `/runs/${encodeURIComponent(page.shown().id)}/growth`;
      const done = await page.api.settle(await page.api.post(path, wanted));
      await load();
      return told(done.result);
    });
  }

  page.onRun.push(() => {
    request += 1;
    view.node.hidden = true;
    view.empty.hidden = false;
    facts.textContent = "";
    say(status, "");
  });
  page.onFrame.push((frame) => {
    if (frame.type === "event" && frame.kind === "brain_grew" && frame.run === page.shown()?.id && !view.node.hidden) {
      load().catch((error) => say(status, refusal(error), "bad"));
    }
  });
  return (state) => allow(look, availability(state).evaluate);
}

// The dialog that makes a run forget on purpose: what, then what would be forgotten, then the receipt.

import { perform, refusal, setStatus } from "./actions.js";
import { byId, element } from "./dom.js";
import { foundLines, keptLines, orderOf, receiptLines, wayBackLine } from "./forget_words.js";
import { ended } from "./state.js";
import { submitOnKey } from "./talk.js";

const READY_AFTER_MS = 120_000;
const LOOK_EVERY_MS = 1000;
const KINDS = [
  ["text", "A text"],
  ["source", "All of a source"],
  ["since", "Everything since a time"],
];

let openings = 0; // an answer that comes after the dialog was closed and opened again is not shown in it

/** Open it for the run shown. `given` fills it in: `text` or `source`. `status`, outside the dialog, gets the outcome. */
export function openForget(page, status, given = {}) {
  const run = page.shown();
  const dialog = byId("forget-dialog");
  const path = `/runs/${encodeURIComponent(run.id)}`;
  const form = question(given, run);
  openings += 1;
  const mine = openings;
  const open = () => dialog.open && mine === openings;
  const show = (...nodes) => {
    dialog.replaceChildren(...nodes);
    dialog.querySelector("h2").focus();
  };
  const order = async (body) => (await page.api.settle(await page.api.post(`${path}/forget`, body))).result;

  form.node.addEventListener("submit", (submission) => {
    submission.preventDefault();
    let wanted;
    try {
      wanted = form.wanted();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      setStatus(form.status, error.message, "bad");
      return;
    }
    perform(form.submit, form.status, "Looking for it …", async () => {
      const found = await order({ ...wanted, dry_run: true });
      if (open()) show(confirmation(found, wanted));
      return "";
    });
  });

  function confirmation(found, wanted) {
    const line = element("p", { class: "status", role: "status" });
    const agree = element("button", { type: "button", class: "danger", text: "Forget permanently" });
    const back = element("button", { type: "button", text: "Back", on: { click: () => show(form.node) } });
    agree.addEventListener("click", () =>
      perform(agree, line, "Forgetting, saving and erasing …", async () => {
        back.hidden = true;
        try {
          const done = await order(wanted);
          setStatus(status, `Forgotten: ${done.what} (receipt ${done.receipt}).`, "good");
          if (open()) show(receipt(done));
        } catch (error) {
          back.hidden = false;
          if (!open()) setStatus(status, refusal(error), "bad");
          throw error;
        }
        return "";
      }));
    return element("div", { class: "stack" },
      title(`Forget ${found.what}?`),
      element("p", { text: "Erased from memory, then from disk; this cannot be undone:" }),
      list(foundLines(found)),
      element("p", { text: "What this does not reach:" }),
      list(keptLines(found)),
      element("p", { class: "hint", text: `${wayBackLine(found)}${found.before ? " Forgetting keeps that checkpoint, but later saves may delete it unless it is pinned." : ""}` }),
      line,
      element("div", { class: "buttons" }, back, closing(dialog, "Cancel"), agree));
  }

  function receipt(done) {
    const line = element("p", { class: "status", role: "status" });
    const back = done.before;
    const offer = element("button", { type: "button", text: back ? "Continue from there and sleep" : "Sleep now", data: { act: "forget-sleep" } });
    offer.addEventListener("click", () =>
      perform(offer, line, back ? "Saving a last checkpoint and stopping …" : "Falling asleep …", async () => {
        const id = back ? await forked(page, run, back.checkpoint, line) : run.id;
        const slept = await page.api.act(id, "sleep");
        offer.hidden = true;
        return `Asleep for ${slept.result?.steps} steps; see the events for the outcome.`;
      }));
    return element("div", { class: "stack" },
      title(`Forgotten: ${done.what}`),
      list([...receiptLines(done), ...foundLines(done)]),
      element("p", { text: wayBackLine(done) }),
      element("p", { class: "hint", text: keptLines(done).join(" ") }),
      line,
      element("div", { class: "buttons" }, offer, closing(dialog, "Close")));
  }

  dialog.replaceChildren(form.node);
  dialog.showModal();
  form.begin();
  offerSources(page, path, form, given.source);
}

/** Stop the run, resume the older checkpoint as a fork, wait until that takes orders; its id. */
async function forked(page, run, checkpoint, line) {
  if (!ended((page.state.runs[run.id] ?? run).state)) await page.api.act(run.id, "stop");
  setStatus(line, `Continuing from ${checkpoint} …`);
  // Queued, since the run that stops may still be saving.
  const fork = await page.api.post(`/checkpoints/${encodeURIComponent(checkpoint)}/resume`, { queue: true });
  page.dispatch({ type: "runs", items: [fork] });
  page.choose(fork.id);
  const until = performance.now() + READY_AFTER_MS;
  let now = fork;
  while (["queued", "starting"].includes(now.state) && performance.now() < until) {
    await new Promise((wake) => setTimeout(wake, LOOK_EVERY_MS));
    now = await page.api.get(`/runs/${encodeURIComponent(fork.id)}`);
  }
  setStatus(line, "Falling asleep …");
  return fork.id;
}

/** The sources a run has read, for the list; a failure to load them is shown in the dialog. */
async function offerSources(page, path, form, chosen) {
  try {
    const [run, scored] = await Promise.all([page.api.get(path), page.api.get(`${path}/forgetting`, { rows: 1 })]);
    const names = new Set([...run.sources.map((source) => source.name), ...Object.keys(scored.sources), chosen].filter(Boolean));
    form.offer([...names, ...(names.has("pushed") ? [] : ["pushed"])]);
  } catch (error) {
    setStatus(form.status, refusal(error), "bad");
  }
}

/** The first step: what is to be forgotten. */
function question(given, run) {
  const fields = {
    text: element("textarea", { name: "text", rows: 4, id: "forget-text" }),
    source: element("select", { name: "source", id: "forget-source" }),
    since: element("input", { name: "since", id: "forget-since", autocomplete: "off", placeholder: "2h", maxlength: 100 }),
  };
  const labels = {
    text: ["The passage, exactly as it was read", "8 bytes to 1 MiB. Rows that hold only a piece of it are found too; the same in other words is not."],
    source: ["Source", "“pushed” is what was fed to it."],
    since: ["Since", "How long ago (90m, 2h, 3d), a local time (2026-01-31 18:00) or a step (1200)."],
  };
  const parts = Object.fromEntries(Object.entries(fields).map(([kind, control]) => {
    const [label, hint] = labels[kind];
    control.setAttribute("aria-describedby", `forget-${kind}-hint`);
    return [kind, element("div", {}, element("label", { for: control.id, text: label }), control, element("p", { class: "hint", id: `forget-${kind}-hint`, text: hint }))];
  }));
  const radios = KINDS.map(([kind, label]) => {
    const input = element("input", { type: "radio", name: "kind", value: kind, on: { change: () => turn() } });
    return element("label", { class: "choice" }, input, label);
  });
  const status = element("p", { class: "status", role: "status" });
  const submit = element("button", { type: "submit", class: "primary", text: "Show what would be forgotten" });
  const node = element("form", { class: "stack", novalidate: true },
    title("Forget on purpose"),
    element("p", { class: "hint", text: `${run.name || run.id} forgets it in its replay memory, exact memory, frozen probes and fed text. Nothing happens before you have seen what would be forgotten.` }),
    element("fieldset", {}, element("legend", { text: "What should it forget?" }), ...radios),
    ...Object.values(parts),
    status,
    element("div", { class: "buttons" }, closing(byId("forget-dialog"), "Cancel"), submit));
  const kind = () => node.elements.kind.value;
  function turn() {
    for (const [name, part] of Object.entries(parts)) part.hidden = name !== kind();
    setStatus(status, "");
  }
  node.elements.kind.value = given.source === undefined ? "text" : "source";
  fields.text.value = given.text ?? "";
  submitOnKey(node, fields.text);
  turn();
  function offer(names) {
    const chosen = fields.source.value;
    fields.source.replaceChildren(...names.map((name) => element("option", { value: name, text: name })));
    if (names.includes(chosen)) fields.source.value = chosen;
  }
  if (given.source !== undefined) offer([given.source]); // the others are loaded
  return {
    node,
    status,
    submit,
    offer,
    wanted: () => orderOf(kind(), fields[kind()].value),
    begin: () => fields[kind()].focus(),
  };
}

const title = (text) => element("h2", { id: "forget-title", text, tabindex: -1 });

const list = (lines) => element("ul", { class: "plain" }, ...lines.map((text) => element("li", { text })));

const closing = (dialog, text) => element("button", { type: "button", text, on: { click: () => dialog.close() } });

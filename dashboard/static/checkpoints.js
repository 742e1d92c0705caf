// The checkpoints of the run shown: resume, pin, delete, and the command that exports.

import { allow, perform, refusal, setStatus } from "./actions.js";
import { confirm } from "./confirm.js";
import { byId, element, setText, timeElement } from "./dom.js";
import { bytes, count, fixed, NONE, savedLoss } from "./format.js";
import { availability } from "./state.js";
import { rowButton, table } from "./table.js";

const COLUMNS = [
  ["Checkpoint", "name"],
  ["Step", "number"],
  ["Saved", ""],
  ["Reason", ""],
  ["BPC", "number"],
  ["Size", "number"],
  ["", "", "marks"],
  ["", "actions"],
];
const RELOAD_ON = new Set(["checkpoint_saved", "checkpoint_pruned", "checkpoint_set_aside"]);

export function mountCheckpoints(page) {
  const view = table("Checkpoints of this run", COLUMNS, "No checkpoint yet: the first is saved before the first step.");
  const holder = byId("checkpoints");
  const status = element("p", { class: "status", role: "status" });
  const note = element("p", { class: "status", role: "status", hidden: true }); // separate from the status of actions
  const more = element("button", { type: "button", class: "quiet", text: "Load older", hidden: true, on: { click: () => load(false) } });
  holder.append(view.node, view.empty, more, note);
  holder.after(status);
  let items = [];
  let next = null;
  let aside = ""; // how many were set aside as damaged, of all runs
  let opened = null; // id of the checkpoint whose export command is shown
  let request = 0;

  async function load(fresh = true) {
    const run = page.shown();
    request += 1;
    const mine = request;
    if (!run) return render([]);
    try {
      const answer = await page.api.get("/checkpoints", { run: run.id, limit: 50, cursor: fresh ? null : next });
      if (mine !== request) return undefined;
      next = answer.next;
      aside = setAside((await page.api.get("/home")).damaged);
      if (mine !== request) return undefined;
      note.hidden = true;
      return render(fresh ? answer.items : [...items, ...answer.items]);
    } catch (error) {
      if (mine !== request) return undefined;
      note.hidden = false;
      return setStatus(note, `Not loaded: ${refusal(error)}`, "bad");
    }
  }

  function render(list) {
    items = list;
    view.empty.hidden = items.length > 0;
    view.node.hidden = items.length === 0;
    more.hidden = !next;
    view.body.replaceChildren(...items.flatMap((item) => (item.id === opened ? [row(item), exportRow(item)] : [row(item)])));
    const total = items.reduce((sum, item) => sum + (item.size_bytes ?? 0), 0);
    const kept = items.length ? `${count(items.length)}${next ? "+" : ""} kept, ${bytes(total)}` : "";
    setText(byId("checkpoints-note"), [kept, aside].filter(Boolean).join("; "));
    renderAllowed();
  }

  function row(item) {
    const flags = [
      item.best && flag("best", "good"),
      item.pinned && flag("pinned"),
      item.verified === false && flag("not verified", "bad"),
    ];
    return element(
      "tr",
      { data: { checkpoint: item.id } },
      element("td", { class: "name" }, element("code", { text: item.id, title: item.path })),
      element("td", { class: "number", text: count(item.step) }),
      element("td", { class: "nowrap" }, timeElement(item.created_at)),
      element("td", { text: item.reason ?? NONE }),
      element("td", { class: "number", text: savedLoss(item), title: `smoothed: ${fixed(item.bpc)}; the lowest is the best` }),
      element("td", { class: "number", text: bytes(item.size_bytes) }),
      element("td", {}, ...flags),
      element("td", { class: "actions" }, ...actions(item)),
    );
  }

  function actions(item) {
    const path = `/checkpoints/${encodeURIComponent(item.id)}`;
    const on = (pending, task) => (click) => perform(click.currentTarget, status, pending, task);
    const pin = item.pinned ? "unpin" : "pin";
    return [
      rowButton("Resume", "resume", on(`Resuming ${item.id} …`, async () => {
        const run = await page.api.post(`${path}/resume`, {});
        page.dispatch({ type: "runs", items: [run] });
        page.choose(run.id);
        return run.id === item.run ? `Continuing from ${item.id}.` : `Forked as ${run.name || run.id} from ${item.id}.`;
      }), `Resume ${item.id}`),
      rowButton(item.pinned ? "Unpin" : "Pin", pin, on("…", async () => {
        await page.api.post(`${path}/${pin}`);
        await load();
        return item.pinned ? `${item.id} is no longer pinned.` : `${item.id} is pinned: it is never pruned.`;
      }), `${pin} ${item.id}`),
      rowButton("Export", "export", () => {
        opened = opened === item.id ? null : item.id;
        render(items);
      }, `Export ${item.id}`),
      rowButton("Delete", "delete", (click) => remove(item, path, click.currentTarget), `Delete ${item.id}`),
    ];
  }

  async function remove(item, path, button) {
    const lost = `${item.id} (step ${count(item.step)}, ${bytes(item.size_bytes)}) will be deleted permanently.`;
    if (!(await confirm("Delete this checkpoint?", lost, "Delete"))) return;
    await perform(button, status, `Deleting ${item.id} …`, async () => {
      await page.api.delete(path);
      await load();
      return `${item.id} deleted.`;
    });
  }

  function exportRow(item) {
    const command = `synapsed export ${item.id} --format pt`;
    const copy = rowButton("Copy", "copy", async () => {
      await navigator.clipboard.writeText(command);
      setStatus(status, "Command copied.", "good");
    });
    return element("tr", { class: "detail" }, element("td", { colspan: COLUMNS.length }, "In a terminal: ", element("code", { class: "command", text: command }), " ", copy));
  }

  function renderAllowed() {
    const can = availability(page.state);
    const reason = can.start; // as for starting: no other run may be learning
    for (const button of view.body.querySelectorAll('[data-act="resume"]')) allow(button, reason);
  }

  page.onRun.push(() => {
    opened = null;
    load();
  });
  page.onFrame.push((frame) => {
    if (frame.type === "snapshot" || (frame.type === "event" && RELOAD_ON.has(frame.kind))) load();
  });
  return renderAllowed;
}

const flag = (text, tone = "") => element("span", { class: `flag ${tone}`, text });

/** How many checkpoints were set aside as damaged; they take space until a person deletes them. */
function setAside(damaged) {
  if (damaged.length === 0) return "";
  const total = damaged.reduce((sum, one) => sum + one.size_bytes, 0);
  return `${count(damaged.length)} damaged, set aside, ${bytes(total)}`;
}

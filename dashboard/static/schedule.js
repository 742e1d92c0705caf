// Scheduled jobs: next run, last outcome, pause or run now.

import { perform } from "./actions.js";
import { byId, element, timeElement } from "./dom.js";
import { NONE } from "./format.js";
import { rowButton, table } from "./table.js";

const COLUMNS = [
  ["Job", "name"],
  ["When", ""],
  ["Next", ""],
  ["Last", ""],
  ["", "actions"],
];
const RELOAD_ON = new Set(["job_finished", "job_failed"]);

/** When a job runs, as text; a daily cron expression is shown as one. */
export function when(job) {
  const daily = /^(\d{1,2}) (\d{1,2}) \* \* \*$/.exec(job.cron ?? "");
  return daily ? `daily at ${daily[2].padStart(2, "0")}:${daily[1].padStart(2, "0")}` : String(job.trigger);
}

export function mountSchedule(page) {
  const view = table("Scheduled jobs", COLUMNS, "Nothing is scheduled.");
  const status = element("p", { class: "status", role: "status" });
  byId("schedule").append(view.node, view.empty);
  byId("schedule").after(status);

  async function load() {
    const { items } = await page.api.get("/schedule");
    page.dispatch({ type: "schedule", items });
  }

  function actions(job) {
    const path = `/schedule/${encodeURIComponent(job.id)}`;
    const pause = (click) =>
      perform(click.currentTarget, status, "…", async () => {
        const changed = await page.api.patch(path, { paused: !job.paused });
        page.dispatch({ type: "job", job: changed });
        return changed.paused ? `${job.id} is paused.` : `${job.id} continues.`;
      });
    const now = (click) =>
      perform(click.currentTarget, status, `Running ${job.id} …`, async () => {
        await page.api.settle(await page.api.post(`${path}/run`));
        await load();
        return `${job.id} ran.`;
      });
    return [
      rowButton(job.paused ? "Continue" : "Pause", "pause", pause, `${job.paused ? "Continue" : "Pause"} ${job.id}`),
      rowButton("Run now", "run", now, `Run ${job.id} now`),
    ];
  }

  function row(job) {
    const last = job.last_run ? [timeElement(job.last_run), element("div", { class: "aside", text: job.last_outcome ?? "" })] : [NONE];
    return element(
      "tr",
      { data: { job: job.id } },
      element("td", { class: "name", text: job.summary || job.id, title: job.id }),
      element("td", { class: "nowrap", text: when(job) }),
      element("td", { class: "nowrap" }, job.paused ? element("span", { class: "flag", text: "paused" }) : timeElement(job.next_run)),
      element("td", {}, ...last),
      element("td", { class: "actions" }, ...actions(job)),
    );
  }

  page.onFrame.push((frame) => {
    if (frame.type === "event" && RELOAD_ON.has(frame.kind)) load().catch(() => {}); // shown again by the next snapshot
  });
  let last = null;
  return (state) => {
    if (state.schedule === last) return;
    last = state.schedule;
    view.empty.hidden = state.schedule.length > 0;
    view.node.hidden = state.schedule.length === 0;
    view.body.replaceChildren(...state.schedule.map(row));
  };
}

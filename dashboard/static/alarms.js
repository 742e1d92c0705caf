// Active alarms: severity, cause and remedy; acknowledged ones stay listed, less prominently, until they clear.

import { perform, setStatus } from "./actions.js";
import { ApiError } from "./api.js";
import { byId, element, reconcile, setAttribute, timeElement } from "./dom.js";
import { count, fixed, words } from "./format.js";

const SIGNS = { info: "✓", warning: "▲", error: "✕" };
const LIMIT = 100;
const ABOUT_ALARMS = new Set(["alarm_raised", "alarm_cleared", "alarm_acknowledged", "stop_hinted"]);
const SEVERITY_ORDER = { error: 0, warning: 1, info: 2 };

/** Unacknowledged first, then by severity, newest first. */
export function inOrder(alarms) {
  const seen = (alarm) => (alarm.acknowledged_at ? 1 : 0);
  return [...alarms].sort(
    (a, b) =>
      seen(a) - seen(b) || SEVERITY_ORDER[a.severity] - SEVERITY_ORDER[b.severity] || String(b.raised_at).localeCompare(String(a.raised_at)),
  );
}

export function mountAlarms(page) {
  const section = byId("alarms");
  const list = byId("alarm-list");
  const status = byId("alarm-status");
  let request = 0;

  async function load() {
    const run = page.shown();
    request += 1;
    const mine = request;
    try {
      const items = run ? (await page.api.get("/alarms", { run: run.id, active: true, limit: LIMIT })).items : [];
      if (mine === request) show(items);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // keep what is shown; the next event or snapshot loads again
    }
  }

  function show(alarms) {
    section.hidden = alarms.length === 0;
    reconcile(list, inOrder(alarms), (alarm) => `${alarm.id} ${alarm.acknowledged_at ?? ""}`, build);
    if (alarms.every((alarm) => alarm.acknowledged_at)) setStatus(status, "");
  }

  function build(alarm) {
    const acknowledge = (click) =>
      perform(click.currentTarget, status, "…", async () => {
        await page.api.post(`/alarms/${encodeURIComponent(alarm.id)}/acknowledge`);
        await load();
        return `${words(alarm.kind)}: acknowledged.`;
      });
    const item = element(
      "li",
      { data: { severity: alarm.severity, alarm: alarm.kind } },
      element("span", { class: "sign", text: SIGNS[alarm.severity] ?? "·", role: "img", "aria-label": alarm.severity, title: alarm.severity }),
      element(
        "div",
        {},
        element("p", { class: "cause", text: reason(alarm) }),
        element("p", { class: "remedy", text: alarm.remedy }),
        element("p", { class: "aside" }, "since step ", count(alarm.step), ", ", timeElement(alarm.raised_at)),
      ),
      alarm.acknowledged_at
        ? element("span", { class: "aside" }, "acknowledged ", timeElement(alarm.acknowledged_at, { short: true }))
        : element("button", { type: "button", text: "Acknowledge", "aria-label": `Acknowledge: ${words(alarm.kind)}`, on: { click: acknowledge } }),
    );
    setAttribute(item, "data-seen", alarm.acknowledged_at ? "true" : null);
    return item;
  }

  page.onRun.push(load);
  page.onFrame.push((frame) => {
    const concerned = frame.type === "event" && ABOUT_ALARMS.has(frame.kind) && frame.run === page.shown()?.id;
    if (concerned || frame.type === "snapshot" || frame.type === "welcome") load();
  });
  return () => {};
}

function reason(alarm) {
  return alarm.value === null || alarm.value === undefined ? alarm.cause : `${alarm.cause} (${words(alarm.sign)} ${fixed(alarm.value)})`;
}

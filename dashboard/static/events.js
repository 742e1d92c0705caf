// The event feed: newest first, filtered by kind, severity and run, older ones loaded on demand.

import { ApiError } from "./api.js";
import { byId, element, reconcile, setText, timeElement } from "./dom.js";
import { count, words } from "./format.js";

const PAGE = 100;
const SHOWN = 400;
const SIGNS = { info: "·", warning: "▲", error: "✕" };
const SEVERITIES = [
  ["", "all severities"],
  ["warning", "warnings and errors"],
  ["error", "errors"],
];

export function mountEvents(page) {
  const list = byId("event-list");
  const older = byId("events-older");
  const filter = { kind: "", severity: "", scope: "all" };
  const kinds = new Set();
  let limit = SHOWN;
  let cursors = {}; // paging position by scope and kind; null at the end
  const reached = {}; // oldest event loaded so far, by the same key
  let loading = false;
  let failure = null; // why the last attempt to load older ones failed

  const kindSelect = select("kind", "Kind", [["", "all kinds"]]);
  byId("event-filters").append(select("scope", "Runs", [["all", "all runs"], ["run", "this run"]]), kindSelect, select("severity", "Severity", SEVERITIES));

  function select(name, label, options) {
    const change = () => {
      filter[name] = node.value;
      limit = SHOWN;
      failure = null;
      show();
      if (name !== "severity" && visible().length < 20) loadOlder();
    };
    const node = element("select", { name, "aria-label": label, on: { change } });
    node.append(...options.map(([value, text]) => element("option", { value, text })));
    return node;
  }

  function visible() {
    const run = page.shown()?.id;
    return page.state.events.filter(
      (event) =>
        (!filter.kind || event.kind === filter.kind) &&
        (!filter.severity || event.severity === "error" || event.severity === filter.severity) &&
        (filter.scope === "all" || event.run === run),
    );
  }

  function where() {
    const run = filter.scope === "run" ? page.shown()?.id : null;
    return { path: run ? `/runs/${encodeURIComponent(run)}/events` : "/events", key: `${run ?? "all"}/${filter.kind}` };
  }

  function show() {
    for (const event of page.state.events) {
      if (kinds.has(event.kind)) continue;
      kinds.add(event.kind);
      kindSelect.append(element("option", { value: event.kind, text: words(event.kind) }));
    }
    const events = visible();
    reconcile(list, events.slice(0, limit), (event) => event.seq, build);
    const ended = cursors[where().key] === null && events.length <= limit;
    setText(older, failure ?? (ended ? "no older events" : "Load older"));
    older.setAttribute("aria-disabled", String(ended || loading));
  }

  /** Pages overlap with live events, so load pages until something new appears. */
  async function loadOlder() {
    if (loading) return;
    if (visible().length > limit) {
      limit += SHOWN;
      show();
      return;
    }
    loading = true;
    failure = null;
    const { path, key } = where();
    try {
      const before = visible().length;
      // New events have pushed out some of those loaded: start over, or there would be a gap.
      if (reached[key] < (page.state.events.at(-1)?.seq ?? 0)) delete cursors[key];
      while (cursors[key] !== null && visible().length === before) {
        const answer = await page.api.get(path, { kind: filter.kind, limit: PAGE, cursor: cursors[key] });
        cursors[key] = answer.next ?? null;
        reached[key] = answer.items.at(-1)?.seq ?? reached[key];
        page.dispatch({ type: "events", items: answer.items });
      }
      limit = Math.max(limit, Math.min(visible().length, limit + SHOWN));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      failure = `Not loaded: ${error.message}`; // another press tries again
    } finally {
      loading = false;
      show();
    }
  }

  older.addEventListener("click", loadOlder);
  new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && list.childElementCount > 0 && loadOlder(), {
    root: byId("event-scroll"),
  }).observe(older);
  page.onFrame.push((frame) => {
    if (frame.type !== "snapshot") return;
    cursors = {};
    loadOlder();
  });

  let last = null;
  let lastRun = null;
  return (state, run) => {
    if (state.events === last && run?.id === lastRun) return;
    last = state.events;
    lastRun = run?.id;
    show();
  };
}

function build(event) {
  return element(
    "li",
    { data: { severity: event.severity, kind: event.kind, seq: event.seq } },
    timeElement(event.time, { short: true }),
    element("span", { class: "sign", text: SIGNS[event.severity] ?? "·", title: event.severity, "aria-label": event.severity, role: "img" }),
    element("span", { class: "kind", text: words(event.kind), title: event.kind }),
    element("span", { class: "message", text: event.message }),
    element("span", { class: "step", text: event.step === null ? "" : count(event.step), title: "step" }),
  );
}

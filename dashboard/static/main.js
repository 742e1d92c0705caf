// The page's main program: store, live feed, panels; data flows one way, feed → state → panels.

import { Api, ApiError } from "./api.js";
import { byId } from "./dom.js";
import { Feed } from "./feed.js";
import { History } from "./history.js";
import { initialState, reduce, shownRun } from "./state.js";
import { mountAlarms } from "./alarms.js";
import { mountCharts } from "./charts.js";
import { mountCheckpoints } from "./checkpoints.js";
import { mountControls } from "./controls.js";
import { mountEvents } from "./events.js";
import { mountGrowth } from "./growth.js";
import { mountHeader } from "./header.js";
import { mountHeldOut } from "./heldout.js";
import { mountMemory } from "./memory.js";
import { mountRecall } from "./recall.js";
import { mountRuns } from "./runs.js";
import { mountSchedule } from "./schedule.js";
import { mountTiles } from "./tiles.js";
import { mountTalk } from "./talk.js";
import { withErrorBoundary } from "./error_boundary.js";
import { METRICS } from "./plots.js";

const RENDER_EVERY_MS = 200;
const SERIES_POINTS = 1000;
const GAP_SETTLE_MS = 50;

const page = {
  api: new Api(),
  state: initialState(),
  history: new History(),
  dispatch,
  choose,
  shown: () => shownRun(page.state),
  redraw: () => render(),
  onFrame: [], // listeners for every frame: (frame) => void
  onRun: [], // called when another run, or another session of it, is shown: (run) => void
  feed: null,
};

let renderTimer = null;
let shownKey = null;
let loadedGaps = 0;
let seriesRequest = 0;
let gapTimer = null;

// Each with its element: an error in one panel is shown there, and does not reach the others.
const panels = [
  [mountHeader, ".masthead"],
  [mountControls, ".masthead"],
  [mountAlarms, "#alarms"],
  [mountTiles, "#tiles"],
  [mountCharts, "#curves"],
  [mountTalk, ".sample"],
  [mountEvents, ".events"],
  [mountHeldOut, ".held-out"],
  [mountRecall, "#recall-panel"],
  [mountMemory, ".memory"],
  [mountGrowth, ".growth"],
  [mountCheckpoints, ".checkpoints"],
  [mountRuns, ".runs"],
  [mountSchedule, ".schedule"],
].map(([mount, place]) => withErrorBoundary(page, mount, document.querySelector(place)));

function dispatch(action) {
  const before = page.state;
  page.state = reduce(before, action);
  if (page.state === before) return;
  if (action.type === "delta") renderTimer ??= setTimeout(render, RENDER_EVERY_MS);
  else render();
}

function render() {
  clearTimeout(renderTimer);
  renderTimer = null;
  const run = page.shown();
  const key = run ? `${run.id}/${run.session ?? 0}` : null;
  if (key !== shownKey) {
    shownKey = key;
    page.history.clear();
    loadedGaps = page.state.gaps;
    clearTimeout(gapTimer);
    if (run) loadSeries(run.id);
    for (const listener of page.onRun) listener(run);
  } else if (run && page.state.gaps !== loadedGaps) {
    loadedGaps = page.state.gaps;
    // A resumed feed asks for this twice, by its welcome and by a gap: one request is enough.
    clearTimeout(gapTimer);
    gapTimer = setTimeout(() => loadSeries(run.id), GAP_SETTLE_MS);
  }
  for (const panel of panels) panel(page.state, run);
}

async function loadSeries(run) {
  seriesRequest += 1;
  const mine = seriesRequest;
  const path = `/runs/${encodeURIComponent(run)}/series`;
  try {
    const series = await page.api.get(path, { metrics: METRICS.join(","), points: SERIES_POINTS });
    if (mine !== seriesRequest) return;
    page.history.load(series);
    for (const listener of page.onFrame) listener({ type: "series", run });
    render();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    notice(error);
  }
}

/** Fetch the run named in the address when it is not among the newest; show a notice when it is unknown. */
async function findChosen() {
  const wanted = page.state.chosen;
  if (wanted === null || page.state.runs[wanted]) return;
  try {
    dispatch({ type: "run", run: await page.api.get(`/runs/${encodeURIComponent(wanted)}`) });
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 404 || page.state.chosen !== wanted) return;
    const other = page.shown();
    showNotice(`There is no run ${wanted} here; it may have been deleted.${other ? ` Shown instead: ${other.name || other.id}.` : ""}`);
  }
}

function wantedRun() {
  return new URLSearchParams(location.hash.slice(1)).get("run");
}

function choose(run) {
  byId("notice").hidden = true;
  history.replaceState(null, "", run ? `#run=${encodeURIComponent(run)}` : location.pathname);
  dispatch({ type: "choose", run });
}

function onFrame(frame) {
  const run = page.shown();
  if (frame.type === "delta" && run && frame.run === run.id) page.history.append(frame);
  dispatch(frame);
  for (const listener of page.onFrame) listener(frame);
  if (frame.type === "snapshot") findChosen();
  if (page.state.missingAfter !== null) fillMissing(page.state.missingAfter);
}

/** After a restart of the daemon the snapshot may begin later than the newest known event: fetch what lies between. */
async function fillMissing(after) {
  dispatch({ type: "filled" });
  let position = after;
  for (;;) {
    const answer = await page.api.get("/events", { after: position, limit: 500 }).catch(notice);
    if (!answer || answer.items.length === 0) return;
    dispatch({ type: "events", items: answer.items });
    if (!answer.next) return;
    position = answer.items.at(-1).seq;
  }
}

function onPhase(connection) {
  dispatch({ type: "connection", connection });
  document.body.dataset.phase = connection.phase;
  // A page cannot tell a refused handshake from a lost socket; REST shows whether the session is the reason.
  if (connection.phase === "reconnecting" && connection.attempt >= 2) page.api.get("/runs", { limit: 1 }).catch(notice);
  if (connection.phase === "live") byId("notice").hidden = true;
}

/** Show an error of a request that no button started. */
function notice(error) {
  if (!(error instanceof ApiError)) throw error;
  const signedOut = error.status === 401 || error.status === 403;
  if (!signedOut && error.status === 0) return; // the connection badge shows it already
  showNotice(signedOut
    ? "This browser is not signed in to the daemon. Run synapsed open on its machine, and open the address that it prints."
    : error.message);
}

function showNotice(text) {
  const box = byId("notice");
  box.textContent = text;
  box.hidden = false;
}

function begin() {
  const wanted = wantedRun();
  if (wanted) page.state = { ...page.state, chosen: wanted };
  const stream = new URL("api/v1/stream", document.baseURI);
  stream.protocol = stream.protocol === "https:" ? "wss:" : "ws:";
  stream.hash = "";
  page.feed = new Feed({
    url: stream.href,
    onFrame,
    onPhase,
  });
  render();
  document.body.dataset.mounted = "";
  page.feed.start();
  addEventListener("hashchange", () => {
    byId("notice").hidden = true;
    dispatch({ type: "choose", run: wantedRun() });
    findChosen();
  });
  addEventListener("online", () => page.feed.retryNow());
  addEventListener("pagehide", () => page.feed.stop());
  addEventListener("pageshow", (shown) => shown.persisted && page.feed.start());
  document.addEventListener("visibilitychange", () => !document.hidden && page.feed.retryNow());
}

begin();

// The state of the page, except the curves, and the one pure function that changes it. No DOM, no network.

const ENDED = new Set(["stopped", "finished", "crashed"]);
const MAX_EVENTS = 2000; // of live ones; older ones that the reader loads are kept as well
const RATE_WINDOW_SECONDS = 8;

/** The state before anything has arrived. */
export function initialState() {
  return {
    connection: { phase: "connecting", attempt: 0 },
    runs: {},
    suggested: null, // the run the daemon suggests to show
    chosen: null, // the run the reader picked; null follows the learning run
    events: [], // newest first, unique by seq
    eventLimit: MAX_EVENTS, // grows with every page of older ones the reader asks for
    missingAfter: null, // events after this seq are to be fetched
    schedule: [],
    operations: {},
    gaps: 0, // grows whenever the curves must be fetched again
  };
}

/** Whether a run in this state has no trainer any more. */
export function ended(runState) {
  return ENDED.has(runState);
}

/** Runs, newest first. */
export function runList(state) {
  return Object.values(state.runs).sort((a, b) => String(b.created_at ?? "").localeCompare(String(a.created_at ?? "")));
}

/** The run that has a trainer now, or null. */
export function activeRun(state) {
  return runList(state).find((run) => !ended(run.state) && run.state !== "queued") ?? null;
}

/** The run the page shows: the reader's choice, else the learning one, else the one the daemon suggests, else the newest. */
export function shownRun(state) {
  return (
    state.runs[state.chosen] ?? activeRun(state) ?? state.runs[state.suggested] ?? runList(state)[0] ?? null
  );
}

/** The state of a run as text; without a connection it is only the last one reported. */
export function knownState(run, connection) {
  const certain = connection.phase === "live" || ended(run.state);
  return { text: certain ? run.state : `last known: ${run.state}`, sign: certain ? run.state : "unknown" };
}

// States in which the trainer takes orders between two steps.
const ANSWERING = ["running", "paused", "sleeping", "waiting"];

/** Which controls fit the state of a run, each with the reason when it does not. Null means it fits. */
export function availability(state) {
  const run = shownRun(state);
  const active = activeRun(state);
  const offline = state.connection.phase === "live" ? null : "no connection to the daemon";
  const need = (...states) =>
    offline ?? (!run ? "there is no run yet" : states.includes(run.state) ? null : `the run is ${run.state}`);
  const free = offline ?? (active ? `${active.name || active.id} is ${active.state}; one run learns at a time` : null);
  return {
    start: free,
    resume: !run || !ended(run.state) ? need("stopped", "finished", "crashed") : (free ?? (run.checkpoint ? null : "the run has no checkpoint")),
    pause: need("running", "sleeping", "waiting"),
    continue: need("paused"),
    checkpoint: need(...ANSWERING),
    stop: need("queued", "starting", ...ANSWERING),
    talk: need(...ANSWERING),
    forget: run && ended(run.state) && !offline ? `the run is ${run.state}: resume it, or run synapsed forget in a terminal` : need(...ANSWERING),
    evaluate: need(...ANSWERING),
    sleep: need("running", "paused", "waiting"),
  };
}

/** The next state after a frame of the feed or an action of the page. Unknown types change nothing. */
export function reduce(state, action) {
  const handler = HANDLERS[action.type];
  return handler ? handler(state, action) : state;
}

const HANDLERS = {
  connection: (state, { connection }) => ({ ...state, connection }),
  snapshot,
  delta,
  event: (state, frame) => addEvents(state, [bare(frame, "event")]),
  run: (state, frame) => putRuns(state, [bare(frame, "run")]),
  operation: (state, frame) => {
    const operation = bare(frame, "operation");
    return { ...state, operations: { ...state.operations, [operation.id]: operation } };
  },
  gap: (state) => ({ ...state, gaps: state.gaps + 1 }),
  welcome: (state, frame) => (frame.resumed ? { ...state, gaps: state.gaps + 1 } : state),
  // Actions of the page itself.
  choose: (state, { run }) => ({ ...state, chosen: run }),
  runs: (state, { items }) => putRuns(state, items),
  events: (state, { items }) => addEvents({ ...state, eventLimit: Math.max(state.eventLimit, state.events.length + items.length) }, items),
  filled: (state) => ({ ...state, missingAfter: null }),
  schedule: (state, { items }) => ({ ...state, schedule: items }),
  job: (state, { job }) => ({ ...state, schedule: state.schedule.map((old) => (old.id === job.id ? job : old)) }),
};

/** A frame carries its record either flat beside `type` or nested under its own name. */
function bare(frame, name) {
  if (frame[name] && typeof frame[name] === "object") return frame[name];
  const { type, ...record } = frame;
  return record;
}

function snapshot(state, frame) {
  const newest = frame.events.reduce((most, event) => Math.max(most, event.seq), 0);
  const oldest = frame.events.reduce((least, event) => Math.min(least, event.seq), Infinity);
  const known = state.events[0]?.seq ?? null;
  // A daemon whose newest event is older than ours serves another home: drop everything of the old one.
  const sameHome = known !== null && newest >= known;
  const base = sameHome ? state : { ...state, events: [], runs: {}, operations: {} };
  const missingAfter = sameHome && oldest > known + 1 ? known : null;
  const next = putRuns(addEvents(base, frame.events), frame.runs);
  return { ...next, suggested: frame.run, schedule: frame.schedule ?? [], missingAfter, gaps: state.gaps + 1 };
}

function putRuns(state, items) {
  const runs = { ...state.runs };
  for (const run of items) runs[run.id] = { ...runs[run.id], ...run };
  return { ...state, runs };
}

function addEvents(state, items) {
  const known = new Set(state.events.map((event) => event.seq));
  const fresh = items.filter((event) => !known.has(event.seq));
  if (fresh.length === 0) return state;
  const events = [...fresh, ...state.events].sort((a, b) => b.seq - a.seq);
  return withoutDeleted({ ...state, events: events.slice(0, state.eventLimit) }, fresh);
}

/** Drop runs that were deleted, by whomever; an id is never used twice. */
function withoutDeleted(state, events) {
  const gone = events.filter((event) => event.kind === "run_deleted").map((event) => event.data.run);
  if (gone.length === 0) return state;
  const runs = Object.fromEntries(Object.entries(state.runs).filter(([id]) => !gone.includes(id)));
  return { ...state, runs, chosen: gone.includes(state.chosen) ? null : state.chosen };
}

function delta(state, frame) {
  const run = state.runs[frame.run];
  if (!run) return state;
  const next = { ...run };
  for (const field of ["state", "degraded", "step", "samples", "training_seconds"]) {
    if (frame[field] !== undefined) next[field] = frame[field];
  }
  if (frame.degraded !== undefined && typeof frame.degraded === "string") next.reason = frame.degraded;
  [next.latest, next.latest_steps] = newestValues(run, frame);
  if (frame.readings?.length) {
    next.readings = { ...run.readings };
    for (const reading of frame.readings) next.readings[reading.name] = reading;
  }
  if (frame.sample !== undefined && frame.sample !== null) {
    next.sample = frame.sample;
    next.sample_step = frame.step;
    next.sample_time = frame.columns?.time?.at(-1) ?? null;
  }
  next.pace = pace(run.pace, frame);
  return { ...state, runs: { ...state.runs, [frame.run]: next } };
}

/** The newest value of each metric, and the step it was measured at. */
function newestValues({ latest, latest_steps }, frame) {
  const [values, steps] = [{ ...latest }, { ...latest_steps }];
  const note = (name, value, step) => {
    values[name] = value;
    steps[name] = step;
  };
  for (const [name, column] of Object.entries(frame.columns ?? {})) {
    if (name !== "step" && name !== "time" && column.length) note(name, column.at(-1), frame.columns.step.at(-1));
  }
  for (const [name, step, , value] of frame.points ?? []) note(name, value, step);
  for (const { name, value, step } of frame.readings ?? []) note(name, value, step ?? frame.step);
  return [values, steps];
}

/** Steps per second over the last seconds of the trainer's own clock. */
function pace(before, frame) {
  const { step = [], time = [] } = frame.columns ?? {};
  if (step.length === 0) return before ?? { marks: [], perSecond: null };
  const last = { step: step.at(-1), time: time.at(-1) };
  let marks = before?.marks ?? [];
  if (marks.length && last.step <= marks.at(-1).step) marks = []; // rolled back to an older checkpoint
  if (marks.length === 0) marks = [{ step: step[0], time: time[0] }];
  marks = [...marks, last].filter((mark) => last.time - mark.time <= RATE_WINDOW_SECONDS);
  const span = last.time - marks[0].time;
  return { marks, perSecond: span > 0 ? (last.step - marks[0].step) / span : (before?.perSecond ?? null) };
}

/** Why a run is degraded; null when it is not. The daemon sends a reason as text, or a flag with `reason` beside it. */
export function degradedReason(run) {
  if (!run?.degraded) return null;
  return typeof run.degraded === "string" ? run.degraded : (run.reason ?? "no reason given");
}

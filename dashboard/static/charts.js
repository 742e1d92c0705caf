// The curves: Plotly plots over one shared view, redrawn once a second, refined from the series API when zoomed in.

import { ApiError } from "./api.js";
import { byId, element, setAttribute, setText, svg } from "./dom.js";
import { metricLabel, metricValue } from "./format.js";
import { History } from "./history.js";
import { isUnsupported } from "./unsupported.js";
import { layout, markTrace, MARKS, METRICS, PLOTS, traces, viewFromRelayout, viewRange } from "./plots.js";

const DRAW_EVERY_MS = 1000;
const POINTS = 600;
const DETAIL_POINTS = 1200;
const SETTLE_MS = 250;
const NARROW_PX = 720; // as in the style sheet
const RANGES = [
  ["all", "All", null],
  ["10000", "Last 10,000", { last: 10_000 }],
  ["1000", "Last 1,000", { last: 1000 }],
];
const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false, showTips: false, scrollZoom: false };

export function mountCharts(page) {
  const grid = new ChartGrid(page);
  page.onRun.push((run) => grid.show(run));
  page.onFrame.push((frame) => grid.take(frame));
  return () => grid.schedule();
}

/** Load Plotly from our own origin, once; the rest of the page does not wait for it. */
function loadPlotly() {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = "vendor/plotly.min.js";
    script.addEventListener("load", () => resolve(globalThis.Plotly));
    script.addEventListener("error", () => reject(new Error("plotly.min.js did not load")));
    document.head.append(script);
  });
}

class ChartGrid {
  constructor(page) {
    this.page = page;
    this.plotly = null;
    this.view = null;
    this.logarithmic = false;
    this.hidden = new Set();
    this.detail = null; // {from, to, open, history}: finer buckets of the zoomed range
    this.marks = new Map(); // events drawn over the loss, by seq
    this.detailRequest = 0;
    this.drawTimer = null;
    this.drawnAt = -Infinity;
    this.pointerDown = false;
    this.colors = new Map();
    this.#buildRange();
    this.plots = PLOTS.map((plot) => this.#buildPlot(plot));
    byId("plots").append(...this.plots.map((plot) => plot.node));
    this.#watch();
    loadPlotly().then(
      (plotly) => {
        this.plotly = plotly;
        this.draw();
      },
      () => this.plots.forEach((plot) => setText(plot.note, "Plotly did not load: the curves cannot be drawn. Reload the page.")),
    );
  }

  /** Another run, or another session of it, is shown. */
  show(run) {
    this.detail = null;
    this.marks.clear();
    if (this.view && !this.view.last) this.view = null;
    this.#renderRange();
    if (run) for (const kind of Object.keys(MARKS)) this.#loadMarks(run.id, kind);
  }

  take(frame) {
    const run = this.page.shown();
    if (!run) return;
    if (frame.type === "delta" && frame.run === run.id && this.detail?.open) this.detail.history.append(frame);
    else if (frame.type === "event" && frame.run === run.id) this.#mark([frame]);
    else if (frame.type === "snapshot") this.#mark(frame.events.filter((event) => event.run === run.id));
    else if (frame.type === "series") {
      this.#refine();
      this.draw();
    }
  }

  schedule() {
    if (this.drawTimer !== null) return;
    const wait = Math.max(0, this.drawnAt + DRAW_EVERY_MS - performance.now());
    this.drawTimer = setTimeout(() => this.draw(), wait);
  }

  draw() {
    clearTimeout(this.drawTimer);
    this.drawTimer = null;
    if (!this.plotly || document.hidden || this.pointerDown) return;
    this.drawnAt = performance.now();
    const lastStep = Math.max(this.page.history.lastStep, 1);
    const range = viewRange(this.view, lastStep);
    const how = {
      range,
      lastStep,
      logarithmic: this.logarithmic,
      hidden: this.hidden,
      points: POINTS,
      colors: (name) => this.#color(name),
      curveOf: (metric) => this.#source(range).curve(metric),
      font: getComputedStyle(document.body).fontFamily,
      narrow: innerWidth <= NARROW_PX,
    };
    for (const plot of this.plots) {
      plot.node.hidden = this.#isAbsent(plot);
      if (plot.visible) this.#drawPlot(plot, how);
    }
    this.#renderLegends();
  }

  /** A plot of what the shown brain does not have; of some metrics alone the legend says nothing then. */
  #isAbsent(plot) {
    const readings = this.page.shown()?.readings;
    const lacking = new Set(plot.spec.series.filter((one) => one.optional && this.page.history.curve(one.metric).length === 0).map((one) => one.metric));
    for (const key of plot.keys) key.node.hidden = lacking.has(key.metric) || isUnsupported(readings?.[key.metric]);
    if (plot.keys.every((key) => key.node.hidden)) return true;
    return Boolean(plot.spec.optional) && this.#isEmpty(plot);
  }

  #isEmpty(plot) {
    return plot.spec.series.every((series) => this.page.history.curve(series.metric).length === 0);
  }

  #drawPlot(plot, how) {
    const data = traces(plot.spec, how);
    if (plot.spec.marks) data.push(markTrace([...this.marks.values()], how));
    setText(plot.note, this.#isEmpty(plot) ? (this.page.shown() ? "no values yet" : "no run yet") : "");
    const shape = layout(plot.spec, how);
    this.plotly.react(plot.canvas, data, shape, CONFIG);
    // A redraw removes the hover label: restore it.
    if (plot.pointer) {
      const place = { xpx: plot.pointer.x - shape.margin.l, ypx: plot.pointer.y - shape.margin.t };
      this.plotly.Fx.hover(plot.canvas, place, "xy");
    }
    if (!plot.listening) {
      plot.listening = true;
      plot.canvas.on("plotly_relayout", (change) => this.#relayout(change));
      plot.canvas.on("plotly_doubleclick", () => this.setView(null));
    }
  }

  setView(view) {
    this.view = view;
    this.#renderRange();
    this.draw();
    clearTimeout(this.refineTimer);
    this.refineTimer = setTimeout(() => this.#refine(), SETTLE_MS);
  }

  #relayout(change) {
    const view = viewFromRelayout(change, this.logarithmic);
    if (view !== undefined) this.setView(view);
  }

  /** Curves for a range: the fine ones when they cover it, else those of the whole run. */
  #source(range) {
    const { detail } = this;
    const covers = range && detail && range[0] >= detail.from && (detail.open || range[1] <= detail.to);
    return covers ? detail.history : this.page.history;
  }

  /** Load finer buckets of the zoomed range from the series API. */
  async #refine() {
    const run = this.page.shown();
    const lastStep = this.page.history.lastStep;
    const range = viewRange(this.view, lastStep);
    this.detailRequest += 1;
    const mine = this.detailRequest;
    if (!run || !range || this.plots.length === 0) {
      this.detail = null;
      return;
    }
    const from = Math.max(0, Math.floor(range[0]));
    const to = Math.ceil(range[1]);
    const open = to >= lastStep;
    const query = { metrics: METRICS.join(","), from, to: open ? null : to, points: DETAIL_POINTS };
    setAttribute(byId("plots"), "aria-busy", "true");
    try {
      const series = await this.page.api.get(`/runs/${encodeURIComponent(run.id)}/series`, query);
      if (mine !== this.detailRequest) return;
      const history = new History();
      history.load(series);
      // Steps that arrived while the request was pending.
      if (open) for (const metric of METRICS) joinTail(history.curve(metric), this.page.history.curve(metric));
      this.detail = { from, to, open, history };
      this.draw();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // after a refusal the coarse curves stay
    } finally {
      if (mine === this.detailRequest) setAttribute(byId("plots"), "aria-busy", null);
    }
  }

  async #loadMarks(run, kind) {
    const answer = await this.page.api.get(`/runs/${encodeURIComponent(run)}/events`, { kind, limit: 200 }).catch((error) => {
      if (!(error instanceof ApiError)) throw error;
      return { items: [] };
    });
    if (this.page.shown()?.id !== run) return;
    this.#mark(answer.items);
    this.schedule();
  }

  #mark(events) {
    for (const event of events) if (MARKS[event.kind]) this.marks.set(event.seq, event);
  }

  #color(name) {
    if (!this.colors.has(name)) {
      this.colors.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
    }
    return this.colors.get(name);
  }

  #buildRange() {
    this.rangeButtons = RANGES.map(([name, text, view]) =>
      element("button", { type: "button", text, data: { range: name }, "aria-pressed": "false", on: { click: () => this.setView(view) } }),
    );
    this.logButton = element("button", { type: "button", text: "Log steps", "aria-pressed": "false", on: { click: () => this.#toggleLog() } });
    this.zoomNote = element("span", { class: "aside", id: "zoom-note" });
    byId("range").append(this.zoomNote, ...this.rangeButtons, this.logButton);
    this.#renderRange();
  }

  #toggleLog() {
    this.logarithmic = !this.logarithmic;
    setAttribute(this.logButton, "aria-pressed", String(this.logarithmic));
    this.draw();
  }

  #renderRange() {
    RANGES.forEach(([, , view], index) => {
      const same = view === null ? this.view === null : view.last === this.view?.last;
      setAttribute(this.rangeButtons[index], "aria-pressed", String(same));
    });
    const zoomed = this.view && !this.view.last;
    const whole = (step) => Math.round(step).toLocaleString("en");
    setText(this.zoomNote, zoomed ? `steps ${whole(this.view.from)} to ${whole(this.view.to)}` : "drag across a plot to zoom");
  }

  #buildPlot(spec) {
    const canvas = element("div", { class: "canvas", data: { plot: spec.id }, role: "img" });
    const note = element("p", { class: "canvas-note", text: "loading the curves" });
    const keys = spec.series.map((series) => this.#buildKey(series));
    const node = element(
      "div",
      { class: `plot ${spec.size}` },
      element("div", { class: "plot-head" }, element("h3", { text: spec.title, class: spec.series.length === 1 ? "only-read" : null }), element("div", { class: "legend" }, ...keys.map((key) => key.node))),
      element("div", { class: "canvas-holder" }, canvas, note),
    );
    // What only some brains have appears once this one has it; the other way round the page would jump.
    node.hidden = Boolean(spec.optional);
    spec.series.forEach((series, index) => (keys[index].node.hidden = Boolean(series.optional)));
    const plot = { spec, node, canvas, note, keys, visible: true, listening: false, pointer: null };
    canvas.addEventListener("pointermove", (move) => {
      const box = canvas.getBoundingClientRect();
      plot.pointer = { x: move.clientX - box.left, y: move.clientY - box.top };
    });
    canvas.addEventListener("pointerleave", () => (plot.pointer = null));
    return plot;
  }

  #buildKey({ metric, color, dash }) {
    const now = element("span", { class: "now" });
    const stroke = { solid: "none", dash: "5 2", dot: "1.5 2", dashdot: "5 2 1 2" }[dash ?? "solid"];
    const line = svg("line", { x1: 0, x2: 16, y1: 4, y2: 4, "stroke-width": 2, "stroke-dasharray": stroke, class: `stroke${color}` });
    const sign = svg("svg", { viewBox: "0 0 16 8", "aria-hidden": "true" }, line);
    const toggle = () => {
      if (!this.hidden.delete(metric)) this.hidden.add(metric);
      setAttribute(node, "aria-pressed", String(!this.hidden.has(metric)));
      this.draw();
    };
    const node = element("button", { type: "button", "aria-pressed": "true", on: { click: toggle } }, sign, metricLabel(metric), now);
    return { node, now, metric };
  }

  #renderLegends() {
    for (const plot of this.plots) {
      const parts = plot.keys.filter((key) => !key.node.hidden).map((key) => {
        const curve = this.page.history.curve(key.metric);
        const text = metricValue(key.metric, curve.last.at(-1));
        setText(key.now, text);
        return `${metricLabel(key.metric)} ${text}`;
      });
      setAttribute(plot.canvas, "aria-label", `${plot.spec.title}, newest values: ${parts.join(", ")}`);
    }
  }

  #watch() {
    const seen = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const plot = this.plots.find((one) => one.canvas === entry.target);
        plot.visible = entry.isIntersecting;
      }
      this.schedule();
    }, { rootMargin: "300px" });
    for (const plot of this.plots) seen.observe(plot.canvas);
    // A redraw during a drag would remove the zoom box.
    byId("plots").addEventListener("pointerdown", () => (this.pointerDown = true));
    for (const kind of ["pointerup", "pointercancel", "blur"]) {
      addEventListener(kind, () => {
        this.pointerDown = false;
        this.schedule();
      });
    }
    document.addEventListener("visibilitychange", () => this.schedule());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.colors.clear();
      this.draw();
    });
  }
}

function joinTail(fine, whole) {
  const end = fine.step.at(-1) ?? -1;
  const start = whole.step.findIndex((step) => step > end);
  if (start < 0) return;
  for (let index = start; index < whole.length; index += 1) fine.append(whole.step[index], whole.time[index], whole.mean[index]);
}

// One metric over the steps: buckets from the series API, then live points; spikes are kept as min and max.

const CAPACITY = 3000;
const COLUMNS = ["step", "time", "min", "max", "mean", "last", "n"];

/**
 * Buckets of one metric, in the order of steps. A bucket of one step has n = 1 and min = max = mean = last. Steps without
 * a value (not a number, not available) are one bucket of nulls with n = 0: a gap is drawn as a gap.
 */
export class Curve {
  constructor(capacity = CAPACITY) {
    this.capacity = capacity;
    this.clear();
  }

  clear() {
    for (const name of COLUMNS) this[name] = [];
  }

  get length() {
    return this.step.length;
  }

  /** Load columns of the series API; live points after their end are kept. */
  load(columns) {
    const end = columns.step.at(-1) ?? -1;
    const tail = this.rows(this.step.findIndex((step) => step > end));
    this.clear();
    for (let index = 0; index < columns.step.length; index += 1) {
      if (columns.mean[index] === null) this.#gap(columns.step[index], columns.time[index]);
      else this.#push(COLUMNS.map((name) => columns[name][index]));
    }
    for (const row of tail) this.#push(row);
    this.#fit();
  }

  /** Add a live value. A step that exists already (learned again after a crash) replaces everything from it on. */
  append(step, time, value) {
    if (this.length && step <= this.step.at(-1)) this.#truncate(step);
    if (Number.isFinite(value)) this.#push([step, time, value, value, value, value, 1]);
    else this.#gap(step, time);
    this.#fit();
  }

  /** Rows from an index on; none for a negative one. */
  rows(start) {
    if (start < 0) return [];
    return this.step.slice(start).map((_, offset) => COLUMNS.map((name) => this[name][start + offset]));
  }

  /**
   * Buckets that touch [from, to] (null: open), one more on each side so lines reach the edge. What lies within one
   * cell of a grid of `points` cells (even in steps, or in their logarithm) is merged, so old and new parts have
   * the same resolution.
   */
  view(from = null, to = null, points = 600, logarithmic = false) {
    let start = from === null ? 0 : lowerBound(this.step, from);
    let end = to === null ? this.length : lowerBound(this.step, to + 1e-9);
    start = Math.max(0, start - 1);
    end = Math.min(this.length, end + 1);
    const picked = Object.fromEntries(COLUMNS.map((name) => [name, []]));
    const place = (index) => (logarithmic ? Math.log(Math.max(1, this.step[index])) : this.step[index]);
    const width = end - start > points ? (place(end - 1) - place(start)) / points : 0;
    const cell = (index) => Math.floor((place(index) - place(start)) / width);
    for (let index = start; index < end; ) {
      let next = index + 1;
      if (width > 0) while (next < end && cell(next) === cell(index)) next += 1;
      const bucket = this.#merge(index, next);
      COLUMNS.forEach((name, column) => picked[name].push(bucket[column]));
      index = next;
    }
    return picked;
  }

  /** Mean and standard error over the newest `steps` single steps; null when there are fewer than two. */
  recent(steps) {
    let first = this.length;
    while (first > 0 && this.length - first < steps && this.n[first - 1] <= 1) first -= 1;
    const values = this.mean.slice(first).filter((value) => value !== null);
    if (values.length < 2) return null;
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
    return { mean, error: Math.sqrt(squares / (values.length - 1) / values.length), count: values.length };
  }

  #push(row) {
    COLUMNS.forEach((name, column) => this[name].push(row[column]));
  }

  /** No value from this step on. There is no gap before the first value. */
  #gap(step, time) {
    if (this.length && this.n.at(-1) > 0) this.#push([step, time, null, null, null, null, 0]);
  }

  #truncate(step) {
    const keep = lowerBound(this.step, step);
    for (const name of COLUMNS) this[name].length = keep;
  }

  /** Halve the older part when full: the newest quarter keeps its single steps. */
  #fit() {
    if (this.length <= this.capacity) return;
    const old = Math.floor(this.length * 0.75);
    const rows = [];
    for (let index = 0; index < old; index += 2) rows.push(this.#merge(index, Math.min(old, index + 2)));
    rows.push(...this.rows(old));
    this.clear();
    for (const row of rows) this.#push(row);
  }

  #merge(start, end) {
    if (end - start === 1) return COLUMNS.map((name) => this[name][start]);
    let least = Infinity;
    let most = -Infinity;
    let sum = 0;
    let n = 0;
    for (let index = start; index < end; index += 1) {
      if (this.n[index] === 0) continue;
      least = Math.min(least, this.min[index]);
      most = Math.max(most, this.max[index]);
      sum += this.mean[index] * this.n[index];
      n += this.n[index];
    }
    const [step, time] = [this.step[end - 1], this.time[end - 1]];
    if (n === 0) return [step, time, null, null, null, null, 0];
    let last = end - 1;
    while (this.n[last] === 0) last -= 1;
    return [step, time, least, most, sum / n, this.last[last], n];
  }
}

/**
 * Buckets of a metric that every step has, with a bucket of nulls wherever steps are missing between two of them: what
 * was never reported is not drawn as if it had been.
 */
export function withHoles(buckets) {
  const holed = Object.fromEntries(COLUMNS.map((name) => [name, []]));
  buckets.step.forEach((step, index) => {
    const before = buckets.step[index - 1];
    if (index > 0 && step - before > 2 * Math.max(buckets.n[index], buckets.n[index - 1], 1) + 1) {
      for (const name of COLUMNS) holed[name].push(null);
      holed.step[holed.step.length - 1] = (before + step) / 2;
      holed.n[holed.n.length - 1] = 0;
    }
    for (const name of COLUMNS) holed[name].push(buckets[name][index]);
  });
  return holed;
}

/** First index whose value is ≥ target in an ascending array. */
export function lowerBound(values, target) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < target) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The curves of one run, by metric. */
export class History {
  constructor() {
    this.curves = new Map();
  }

  clear() {
    this.curves.clear();
  }

  curve(name) {
    if (!this.curves.has(name)) this.curves.set(name, new Curve());
    return this.curves.get(name);
  }

  /** Load a response of the series API. */
  load(series) {
    for (const [name, columns] of Object.entries(series.metrics)) this.curve(name).load(columns);
  }

  /** Append the values of a delta frame. */
  append(frame) {
    const { step = [], time = [], ...metrics } = frame.columns ?? {};
    for (const [name, values] of Object.entries(metrics)) {
      const curve = this.curve(name);
      values.forEach((value, index) => curve.append(step[index], time[index], value));
    }
    for (const [name, at, when, value] of frame.points ?? []) this.curve(name).append(at, when, value);
  }

  /** Newest step any curve reaches. */
  get lastStep() {
    let last = 0;
    for (const curve of this.curves.values()) last = Math.max(last, curve.step.at(-1) ?? 0);
    return last;
  }
}

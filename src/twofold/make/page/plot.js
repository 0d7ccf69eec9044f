// A plot of curves over one common axis: raw values faint, their mean as a line, measures as marks, a cursor that reads.

const SHAPES = ["M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z", "M-3.6,-3.6h7.2v7.2h-7.2z", "M0,-4.6L4.6,3.6H-4.6z",
  "M0,-5L5,0L0,5L-5,0z", "M0,4.6L4.6,-3.6H-4.6z", "M-4,-2L0,-5L4,-2V4H-4z"];

function element(like, name, attributes = {}, text = "") {
  const made = document.createElementNS(like.namespaceURI, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "colour") made.style.setProperty("--colour", value);
    else made.setAttribute(key, value);
  }
  if (text) made.textContent = text;
  return made;
}

// 1,234 · 12.3k · 4.56M: three figures, as everywhere on the page.
function figures(value, unit = "", scales = ["", "k", "M", "B", "T"]) {
  let step = 0;
  while (Math.abs(value) >= 999.5 && step < scales.length - 1) { value /= 1000; step += 1; }
  const digits = value === 0 ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  const text = step === 0 && Number.isInteger(value) ? String(value) : value.toFixed(Math.min(digits, 4));
  return text + (unit ? " " : "") + scales[step] + unit;
}
const terse = (...given) => figures(...given).replace(/(\.\d*?)0+(?=\D|$)/, "$1").replace(/\.(?=\D|$)/, "");
const METRIC = ["", "k", "M", "G", "T", "P", "E", "Z", "Y"];

function clock(seconds) {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  return `${Math.floor(whole / 3600)} h ${String(Math.floor(whole % 3600 / 60)).padStart(2, "0")} min`;
}

function ticks(low, high, wanted, bases = [1, 2, 5]) {
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = power * (bases.find((base) => base * power >= rough) ?? 10);
  const found = [];
  for (let i = Math.ceil(low / size - 1e-9); i * size <= high + size * 1e-9; i += 1) found.push(i * size);
  return found;
}

const MINUTES = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
function timeTicks(low, high, wanted) {
  const size = MINUTES.find((each) => (high - low) / each <= wanted) ?? 86400 * Math.ceil((high - low) / 86400 / wanted);
  return ticks(low / size, high / size, (high - low) / size).map((each) => each * size);
}

function decades(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.log10(high); power += 1) {
    for (const base of [1, 2, 5]) if (base * 10 ** power >= low * 0.999 && base * 10 ** power <= high * 1.001) found.push(base * 10 ** power);
  }
  return found.length > 8 ? found.filter((each) => Math.log10(each) % 1 === 0) : found;
}

// The mean over a window that looks both ways; at the start, where curves are steep, it narrows evenly.
function smooth(values, window) {
  const sums = [0], counts = [0];
  for (const value of values) {
    sums.push(sums.at(-1) + (value ?? 0));
    counts.push(counts.at(-1) + (value === null ? 0 : 1));
  }
  const half = Math.floor(window / 2);
  return values.map((_, i) => {
    const low = i - Math.min(half, i), high = Math.min(values.length, i + Math.min(half, i) + 1);
    return counts[high] > counts[low] ? (sums[high] - sums[low]) / (counts[high] - counts[low]) : null;
  });
}

class Plot {
  // `panel()` gives {x, xs, label, unit, raw, line, marks, format, zero, right}; it is asked anew whenever something changes.
  constructor(figure, panel, moved) {
    this.figure = figure;
    this.panel = panel;
    this.svg = figure.querySelector("svg.plot");
    this.reading = figure.querySelector(".reading");
    this.height = Number(this.svg.dataset.height);
    new ResizeObserver(() => this.draw()).observe(this.svg.parentElement);
    this.svg.addEventListener("pointermove", (event) => moved(this.nearest(event.offsetX)));
    this.svg.addEventListener("pointerdown", (event) => moved(this.nearest(event.offsetX)));
    this.svg.addEventListener("pointerleave", () => moved(null));
    this.svg.addEventListener("blur", () => moved(null));
    this.svg.addEventListener("focus", () => { if (this.svg.matches(":focus-visible")) moved(this.at ?? this.shown.xs.length - 1); });
    this.svg.addEventListener("keydown", (event) => {
      const last = this.shown.xs.length - 1, leap = Math.max(1, Math.round(last / 20)), at = this.at ?? last;
      const goal = { ArrowLeft: at - 1, ArrowRight: at + 1, ArrowDown: at - 1, ArrowUp: at + 1, PageDown: at - leap,
        PageUp: at + leap, Home: 0, End: last }[event.key];
      if (goal === undefined) return;
      event.preventDefault();
      moved(Math.max(0, Math.min(last, goal)));
    });
  }

  draw() {
    const shown = this.shown = this.panel(), { svg, height } = this, width = svg.parentElement.clientWidth;
    if (!width || !shown.xs.length) return;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    svg.replaceChildren();
    const [low, high] = this.range(shown);
    const yTicks = ticks(low, high, height / 40), yText = yTicks.map((each) => shown.format(each));
    const left = 12 + 7 * Math.max(...yText.map((text) => text.length)), right = shown.right ? 48 : 10, top = 22, bottom = 38;
    const [from, to] = [shown.x.log ? shown.x.first : 0, shown.xs.at(-1)];
    const along = shown.x.log ? (x) => Math.log(Math.max(x, from) / from) / Math.log(to / from) : (x) => x / to;
    this.x = (value) => left + (to > from ? along(value) : 0.5) * (width - left - right);
    this.y = (value) => top + (high - value) / (high - low) * (height - top - bottom);
    const put = (name, attributes, text) => svg.appendChild(element(svg, name, attributes, text));

    yTicks.forEach((value, i) => {
      put("line", { class: "grid", x1: left, x2: width - right, y1: Math.round(this.y(value)), y2: Math.round(this.y(value)) });
      put("text", { x: left - 8, y: this.y(value) + 4, "text-anchor": "end" }, yText[i]);
      if (shown.right) put("text", { x: width - right + 8, y: this.y(value) + 4 }, shown.right.format(value * shown.right.factor));
    });
    put("text", { x: 0, y: 10 }, shown.label);
    if (shown.right) put("text", { x: width, y: 10, "text-anchor": "end" }, shown.right.label);
    let free = -Infinity;
    for (const value of (shown.x.log ? decades(from, to) : shown.x.ticks(0, to, width / 72))) {
      const at = this.x(value), text = shown.x.format(value), half = 3.5 * text.length;
      put("line", { class: "grid", x1: at, x2: at, y1: height - bottom, y2: height - bottom + 4 });
      const middle = Math.min(Math.max(at, half), width - half);
      if (middle - half < free) continue;
      put("text", { x: middle, y: height - bottom + 17, "text-anchor": "middle" }, text);
      free = middle + half + 8;
    }
    put("text", { x: width - right, y: height - 4, "text-anchor": "end" }, shown.x.label);

    if (shown.raw) put("path", { class: "raw", d: this.path(shown.raw), colour: shown.colour });
    put("path", { class: "line", d: this.path(shown.line), colour: shown.colour });
    for (const marks of shown.marks ?? []) this.drawMarks(marks, put);
    this.cursor = put("g", {});
    this.move(this.at ?? null);
  }

  range(shown) {
    const values = [...(shown.line ?? []), ...(shown.marks ?? []).flatMap((each) => each.points.flatMap((p) => [p.y, p.low ?? p.y, p.high ?? p.y]))]
      .filter((value) => value !== null);
    let low = shown.zero ? 0 : Infinity, high = -Infinity;
    for (const value of values) { low = Math.min(low, value); high = Math.max(high, value); }
    if (!(high > low)) { high = low + Math.max(1e-9, Math.abs(low) * 0.1); low -= shown.zero ? 0 : Math.abs(low) * 0.1; }
    const room = (high - low) * 0.06;
    return [shown.zero ? 0 : low - room, high + room];
  }

  path(values) {
    let d = "", pen = "M";
    values.forEach((value, i) => {
      if (value === null) { pen = "M"; return; }
      d += `${pen}${this.x(this.shown.xs[i]).toFixed(1)},${this.y(value).toFixed(1)}`;
      pen = "L";
    });
    return d;
  }

  drawMarks({ points, colour, shape }, put) {
    const along = points.filter((point) => !point.whole);
    if (along.length > 1) {
      put("path", { class: "thread", colour, d: "M" + along.map((p) => `${this.x(p.x)},${this.y(p.y)}`).join("L") });
    }
    for (const point of points) {
      const x = this.x(point.x), y = this.y(point.y);
      if (point.low !== undefined) put("path", { colour, class: "line", d: `M${x},${this.y(point.low)}V${this.y(point.high)}` });
      const mark = put("path", { class: point.whole ? "mark whole" : "mark", d: SHAPES[shape], colour, transform: `translate(${x},${y})` });
      mark.appendChild(element(this.svg, "title", {}, point.title));
    }
  }

  nearest(pixel) {
    if (!this.shown?.xs.length) return null;
    let low = 0, high = this.shown.xs.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.x(this.shown.xs[middle]) < pixel) low = middle + 1; else high = middle;
    }
    return low > 0 && pixel - this.x(this.shown.xs[low - 1]) < this.x(this.shown.xs[low]) - pixel ? low - 1 : low;
  }

  move(at) {
    this.at = at;
    if (!this.cursor) return;
    this.cursor.replaceChildren();
    this.reading.textContent = at === null ? this.shown.hint ?? "" : this.shown.read(at);
    this.svg.setAttribute("aria-valuemax", this.shown.xs.length - 1);
    this.svg.setAttribute("aria-valuenow", at ?? this.shown.xs.length - 1);
    this.svg.setAttribute("aria-valuetext", this.shown.read(at ?? this.shown.xs.length - 1));
    if (at === null) return;
    const x = this.x(this.shown.xs[at]);
    this.cursor.appendChild(element(this.svg, "line", { class: "cursor", x1: x, x2: x, y1: 22, y2: this.height - 38 }));
    if (this.shown.line[at] !== null) {
      this.cursor.appendChild(element(this.svg, "circle", { class: "dot", cx: x, cy: this.y(this.shown.line[at]), r: 4, colour: this.shown.colour }));
    }
  }
}

// A curve over steps, with a cursor that reads it; and the landscape, a plane of costs with the way that was taken.

import { colour, paint, signed } from "./colours.js";
import { copyButton, figures, h } from "../dom.js";
import { svg } from "./network.js";

const HIGH = 190, LEFT = 46, RIGHT = 12, TOP = 20, BOTTOM = 34, KEPT = 600;

export function ticks(low, high, wanted) {
  const rough = (high - low) / Math.max(1, wanted), power = 10 ** Math.floor(Math.log10(rough));
  const size = power * ([1, 2, 5].find((base) => base * power >= rough) ?? 10), found = [];
  for (let i = Math.ceil(low / size - 1e-9); i * size <= high + size * 1e-9; i += 1) found.push(Number((i * size).toPrecision(12)));
  return found;
}

/** Points [step, value, low, high] that come one after the other; of many, every other is let go. */
export class Curve {
  constructor({ title, unit, format, most, note }) {
    Object.assign(this, { unit, format, most, note });
    this.points = [];
    this.at = null;
    this.svg = svg("svg", { class: "plot", tabindex: 0, role: "slider", "aria-label": title, "aria-valuemin": 0, height: HIGH });
    this.reading = h("span", { class: "figures" });
    this.element = h("figure", {}, h("h3", {}, title), this.svg, h("figcaption", { class: "note" }, this.reading, " ",
      copyButton("Copy as data", () => ["step\tvalue", ...this.points.map(([step, value]) => `${step}\t${value}`)].join("\n"))));
    this.svg.addEventListener("pointermove", ({ offsetX }) => this.move(this.nearest(offsetX)));
    this.svg.addEventListener("pointerleave", () => this.move(null));
    this.svg.addEventListener("blur", () => this.move(null));
    this.svg.addEventListener("keydown", (event) => {
      const last = this.points.length - 1, at = this.at ?? last;
      const goal = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, Home: 0, End: last }[event.key];
      if (goal === undefined || last < 0) return;
      event.preventDefault();
      this.move(Math.max(0, Math.min(last, goal)));
    });
    this.watch = new ResizeObserver(() => this.draw());
    this.watch.observe(this.element);
  }

  leave() { this.watch.disconnect(); }

  use(points) {
    this.points = points;
    this.at = null;
    this.draw();
  }

  add(points) {
    this.points.push(...points);
    while (this.points.length > KEPT) this.points = this.points.filter((_, i) => i % 2 === 0 || i === this.points.length - 1);
    this.draw();
  }

  x(step) { return LEFT + step / Math.max(1, this.points.at(-1)[0]) * (this.width - LEFT - RIGHT); }
  y(value) { return TOP + (1 - value / this.high) * (HIGH - TOP - BOTTOM); }

  draw() {
    const { points } = this, width = this.width = this.element.clientWidth;
    this.svg.replaceChildren();
    if (!width) return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HIGH}`);
    this.high = this.most ?? (points.length ? Math.max(1e-9, ...points.map((point) => point[3] ?? point[1])) * 1.06 : 1);
    const put = (name, attributes, text = "") => this.svg.appendChild(svg(name, attributes, text));
    for (const value of ticks(0, this.high, 4)) {
      put("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: this.y(value), y2: this.y(value) });
      put("text", { x: LEFT - 8, y: this.y(value) + 4, "text-anchor": "end" }, this.format(value, true));
    }
    put("text", { x: 0, y: 10 }, this.unit);
    put("text", { x: width - RIGHT, y: HIGH - 3, "text-anchor": "end" }, "steps");
    if (points.length) {
      for (const step of ticks(0, points.at(-1)[0], width / 90)) put("text", { x: this.x(step), y: HIGH - 19, "text-anchor": "middle" }, figures(step).replace(/\.0+(?=\D|$)/, ""));
      const band = points.filter((point) => point.length > 2);
      if (band.length > 1) put("path", { class: "band", d: `M${[...band.map((p) => this.pair(p[0], p[2])), ...band.reverse().map((p) => this.pair(p[0], p[3]))].join("L")}Z` });
      put("path", { class: "line", d: `M${points.map((p) => this.pair(p[0], p[1])).join("L")}` });
      if (this.note) {
        put("line", { class: "chance", x1: LEFT, x2: width - RIGHT, y1: this.y(this.note.value), y2: this.y(this.note.value) });
        put("text", { x: width - RIGHT, y: this.y(this.note.value) - 5, "text-anchor": "end" }, this.note.words);
      }
    }
    this.cursor = put("g", {});
    this.move(this.at);
  }

  pair(step, value) { return `${this.x(step).toFixed(1)},${this.y(Math.min(value, this.high)).toFixed(1)}`; }

  nearest(pixel) {
    return this.points.length ? this.points.reduce((best, [step], i) => (Math.abs(this.x(step) - pixel) < Math.abs(this.x(this.points[best][0]) - pixel) ? i : best), 0) : null;
  }

  move(at) {
    this.at = at;
    const i = at ?? this.points.length - 1, point = this.points[i];
    this.reading.textContent = point ? `${this.format(point[1])} at step ${point[0].toLocaleString("en")}${point.length > 2 ? `, 95 % interval ${this.format(point[2], true)} to ${this.format(point[3], true)}` : ""}.` : "Nothing yet.";
    this.svg.setAttribute("aria-valuemax", Math.max(0, this.points.length - 1));
    this.svg.setAttribute("aria-valuenow", Math.max(0, i));
    this.svg.setAttribute("aria-valuetext", this.reading.textContent);
    this.cursor?.replaceChildren(...(point && at !== null ? [svg("circle", { class: "dot", cx: this.x(point[0]), cy: this.y(point[1]), r: 4 })] : []));
  }
}

const SIDE = 360, EDGE = 58;

/** The slice: its costs as colours, the way as a line from where it began to where it is. */
export class Landscape {
  constructor() {
    this.plane = document.createElement("canvas");
    this.svg = svg("svg", { class: "plot slice", viewBox: `0 0 ${SIDE + EDGE + 8} ${SIDE + EDGE}`, role: "img" });
    this.reading = h("span", { class: "figures" });
    this.caption = h("p", { class: "note" });
    this.scale = h("span", { class: "scale cost figures" });
    this.copy = copyButton("Copy as data", () => JSON.stringify(this.slice));
    this.copy.hidden = true;
    this.element = h("figure", {}, this.svg, h("figcaption", { class: "note" }, this.scale, this.reading, " ", this.copy), this.caption);
    this.svg.addEventListener("pointermove", (event) => this.read(event));
    this.svg.addEventListener("pointerleave", () => { this.reading.textContent = ""; });
    this.clear();
  }

  clear() {
    this.slice = null;
    this.copy.hidden = this.scale.hidden = true;
    this.svg.setAttribute("hidden", "");
    this.caption.textContent = "It is drawn when there is a way to show: train, and look.";
  }

  show(slice) {
    this.slice = slice;
    const { xs, ys, costs, path, steps } = slice, n = xs.length;
    const all = costs.flat(), low = Math.min(...all), high = Math.max(...all);
    this.plane.width = this.plane.height = n;
    paint(this.plane, costs.toReversed().flat().map(Math.log), n, "cost", Math.log(high), Math.log(low));
    const large = h("canvas", { width: SIDE, height: SIDE }), context = large.getContext("2d");
    context.imageSmoothingQuality = "high";
    const half = SIDE / n / 2;
    context.drawImage(this.plane, 0, 0, SIDE, SIDE);
    this.x = (value) => EDGE + half + (value - xs[0]) / (xs.at(-1) - xs[0]) * (SIDE - 2 * half);
    this.y = (value) => SIDE - half - (value - ys[0]) / (ys.at(-1) - ys[0]) * (SIDE - 2 * half);
    const way = `M${path.map(([x, y]) => `${this.x(x).toFixed(1)},${this.y(y).toFixed(1)}`).join("L")}`, begin = path[0], end = path.at(-1);
    this.svg.replaceChildren(svg("image", { href: large.toDataURL(), x: EDGE, y: 0, width: SIDE, height: SIDE }),
      svg("path", { class: "way under", d: way }), svg("path", { class: "way", d: way }),
      ...path.map(([x, y]) => svg("circle", { class: "stop", cx: this.x(x), cy: this.y(y), r: 1.8 })),
      svg("circle", { class: "begin", cx: this.x(begin[0]), cy: this.y(begin[1]), r: 5 }), svg("circle", { class: "end", cx: this.x(end[0]), cy: this.y(end[1]), r: 5 }),
      ...ticks(xs[0], xs.at(-1), 5).map((value) => svg("text", { x: this.x(value), y: SIDE + 16, "text-anchor": "middle" }, signed(value, false))),
      ...ticks(ys[0], ys.at(-1), 5).map((value) => svg("text", { x: EDGE - 5, y: this.y(value) + 4, "text-anchor": "end" }, signed(value, false))),
      svg("text", { x: EDGE + SIDE, y: SIDE + 31, "text-anchor": "end" }, "first direction, in units of weight"),
      svg("text", { transform: `translate(11 0) rotate(-90)`, "text-anchor": "end" }, "second direction"));
    this.svg.setAttribute("aria-label", `Costs from ${signed(low, false)} to ${signed(high, false)} in a plane; the way goes from step ${steps[0]} to step ${steps.at(-1)}`);
    this.scale.replaceChildren(h("span", {}, `cost ${signed(low, false)}`), h("span", {}, signed(Math.sqrt(low * high), false)), h("span", {}, signed(high, false)));
    this.caption.textContent = `Colour, by its logarithm: the mean cost of ${slice.images} training images, with the ${slice.parameters.toLocaleString("en")} weights and biases at ${n} × ${n} places of one plane. The white line is the way from step ${steps[0].toLocaleString("en")} (open) to step ${steps.at(-1).toLocaleString("en")} (full); ${(100 * slice.share).toFixed(0)} % of its movement lies in the plane, which goes through its end. Off its end the line only casts its shadow here.`;
    this.copy.hidden = this.scale.hidden = false;
    this.svg.removeAttribute("hidden");
  }

  read({ clientX, clientY }) {
    if (!this.slice) return;
    const box = this.svg.getBoundingClientRect(), scale = (SIDE + EDGE + 8) / box.width, n = this.slice.xs.length, { costs } = this.slice;
    const i = Math.floor(((clientX - box.left) * scale - EDGE) / SIDE * n), j = n - 1 - Math.floor((clientY - box.top) * scale / SIDE * n);
    const cost = costs[j]?.[i];
    this.reading.textContent = cost === undefined ? "" : `Cost ${signed(cost, false)} here. `;
  }
}

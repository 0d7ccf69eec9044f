// The embeddings of the text's tokens and of what is nearest to them, in the two directions in which they differ most.

import { signed } from "../digits/colours.js";
import { svg } from "../digits/network.js";
import { ticks } from "../digits/plot.js";
import { copyButton, count, h, percent } from "../dom.js";
import { spelled } from "../tokens.js";
import { explanation } from "./words.js";

const LEFT = 52, RIGHT = 20, TOP = 24, BOTTOM = 40, HIGHEST = 460, LEAST = 220, LETTER = 13, REACH = 28;
const KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Plane {
  constructor(page) {
    this.page = page;
    this.lead = h("p", { class: "note" });
    this.svg = svg("svg", { tabindex: 0, role: "application", "aria-label": "Tokens in the plane; the arrow keys go from one to the next, Enter chooses one of the text" });
    this.told = h("p", { class: "note figures reading", "aria-live": "polite" });
    this.words = h("div");
    this.figure = h("div", { class: "drawn" }, this.svg);
    this.element = h("section", { class: "plane", "aria-labelledby": "plane-name" }, h("h2", { id: "plane-name" }, "A map of embeddings"), this.lead, this.figure, this.told,
      h("p", { class: "note" }, copyButton("Copy as CSV", () => this.copied())), this.words);
    this.svg.addEventListener("pointermove", (event) => this.read(this.under(event) ?? this.chosen));
    this.svg.addEventListener("pointerleave", () => this.read(this.chosen));
    this.svg.addEventListener("click", (event) => this.choose(this.under(event)));
    this.svg.addEventListener("keydown", (event) => this.walk(event));
    const watch = new ResizeObserver(() => this.draw());
    watch.observe(this.figure);
    page.leaving.signal.addEventListener("abort", () => watch.disconnect());
    this.letters = document.createElement("canvas").getContext("2d");
  }

  open(about) { this.words.replaceChildren(explanation("plane", about)); }

  async show(seen) {
    const { page } = this, body = { model: page.asked.model, step: page.step, text: page.asked.text }, asked = JSON.stringify(body);
    if (asked !== this.asked) {
      const found = await page.server.json("inside/plane", { body, signal: page.leaving.signal });
      this.turned(found);
      Object.assign(this, { asked, found });
    }
    this.seen = seen;
    this.chosen = this.at = this.found.tokens.findIndex(({ id }) => id === seen.tokens[seen.position].id);
    this.draw();
  }

  /** Each direction's sign is any: the one that moves less of what was drawn before. */
  turned({ tokens, points }) {
    const before = new Map(this.found?.tokens.map(({ id }, i) => [id, this.found.points[i]]));
    for (const axis of [0, 1]) {
      if (tokens.reduce((sum, { id }, i) => sum + points[i][axis] * (before.get(id)?.[axis] ?? 0), 0) < 0) for (const point of points) point[axis] *= -1;
    }
  }

  name(i) {
    const { text, bytes } = this.found.tokens[i];
    return spelled(text, bytes);
  }

  draw() {
    const { found } = this, width = this.figure.clientWidth;
    if (!found || !width) return;
    const { tokens, near, points, directions, share, chance } = found, own = near.length;
    this.lead.textContent = `${count(own, "token")} of the text (filled) and the ${near[0].length} nearest to each, where they differ most. Of ${directions} directions these two show ${percent(share)} of how the ${tokens.length} differ (their variance); of as many tokens drawn by chance, the best two show ${percent(chance)}.`;
    const [xs, ys] = [0, 1].map((axis) => points.map((point) => point[axis])), low = [Math.min(...xs), Math.min(...ys)], span = [Math.max(...xs) - low[0] || 1, Math.max(...ys) - low[1] || 1];
    const inner = width - LEFT - RIGHT - 24, scale = Math.min(inner / span[0], (Math.min(HIGHEST, width) - TOP - BOTTOM - 24) / span[1]);
    const high = Math.max(LEAST, span[1] * scale + TOP + BOTTOM + 24), middle = [LEFT + 12 + inner / 2, (TOP + high - BOTTOM) / 2];
    const x = (value) => middle[0] + (value - low[0] - span[0] / 2) * scale, y = (value) => middle[1] - (value - low[1] - span[1] / 2) * scale;
    this.places = points.map(([a, b]) => [x(a), y(b)]);
    this.box = [LEFT, TOP, width - RIGHT, high - BOTTOM];
    this.svg.setAttribute("viewBox", `0 0 ${width} ${high}`);
    this.svg.setAttribute("height", high);
    this.svg.replaceChildren(this.axes(x, y, (pixel) => (pixel - middle[0]) / scale + low[0] + span[0] / 2, (pixel) => (middle[1] - pixel) / scale + low[1] + span[1] / 2), this.links = svg("g", { class: "links" }), ...this.places.map(([cx, cy], i) => svg("circle", { class: i < own ? "own" : "near", cx, cy, r: i < own ? 4.5 : 3.5 })), this.labels(own), this.over = svg("g", { class: "over" }));
    this.read(this.at);
  }

  axes(x, y, left, top) {
    const [x0, y0, x1, y1] = this.box, group = svg("g", { class: "axes", "aria-hidden": "true" });
    for (const value of ticks(left(x0), left(x1), 5)) group.append(svg("line", { class: value === 0 ? "zero" : "", x1: x(value), x2: x(value), y1: value === 0 ? y0 : y1, y2: y1 + 4 }), svg("text", { x: x(value), y: y1 + 17, "text-anchor": "middle" }, signed(value, false)));
    for (const value of ticks(top(y1), top(y0), 5)) group.append(svg("line", { class: value === 0 ? "zero" : "", x1: x0 - 4, x2: value === 0 ? x1 : x0, y1: y(value), y2: y(value) }), svg("text", { x: x0 - 7, y: y(value) + 4, "text-anchor": "end" }, signed(value, false)));
    group.append(svg("text", { x: 0, y: 11 }, "second direction"), svg("text", { x: x1, y: y1 + 34, "text-anchor": "end" }, "first direction; 0 is the mean"));
    return group;
  }

  /** The names that have room, those of the text first; all others are there to be read. */
  labels(own) {
    const taken = this.places.map(([x, y]) => [x - 5, y - 5, x + 5, y + 5]), group = svg("g", { class: "names", "aria-hidden": "true" });
    this.named = [];
    this.letters.font = `${LETTER}px ${getComputedStyle(this.svg).getPropertyValue("--mono")}`;
    this.places.forEach(([x, y], i) => {
      const name = this.name(i), wide = this.letters.measureText(name).width;
      for (const [left, base] of [[x + 8, y + 4], [x - 8 - wide, y + 4], [x - wide / 2, y - 9], [x - wide / 2, y + 17]]) {
        const box = [left - 1, base - 11, left + wide + 1, base + 4];
        if (box[0] < this.box[0] || box[2] > this.box[2] || box[1] < this.box[1] || box[3] > this.box[3] || taken.some((one) => box[0] < one[2] && one[0] < box[2] && box[1] < one[3] && one[1] < box[3])) continue;
        taken.push(box);
        group.append(this.named[i] = svg("text", { class: i < own ? "own" : "", x: left, y: base }, name));
        break;
      }
    });
    return group;
  }

  /** A token, and lines to those that are near to it. */
  read(i) {
    const { found, places } = this;
    if (!found || !places?.[i]) return;
    this.named[this.at]?.classList.remove("at");
    this.named[i]?.classList.add("at");
    this.at = i;
    const { near, cosines, points } = found, own = near.length, [x, y] = places[i];
    const others = i < own ? near[i].map((j, k) => [j, cosines[i][k]]) : near.flatMap((row, j) => (row.includes(i) ? [[j, cosines[j][row.indexOf(i)]]] : []));
    this.links.replaceChildren(...others.map(([j]) => svg("line", { x1: x, y1: y, x2: places[j][0], y2: places[j][1] })));
    const name = this.name(i), wide = this.letters.measureText(name).width;
    this.over.replaceChildren(svg("circle", { cx: x, cy: y, r: 7 }), ...(this.named[i] ? [] : [svg("text", { x: Math.max(this.box[0], Math.min(this.box[2] - wide, x - wide / 2)), y: y < this.box[1] + 24 ? y + 21 : y - 11 }, name)]));
    this.told.textContent = `${name}${i < own ? ", of the text," : ""} at ${signed(points[i][0], false)} and ${signed(points[i][1], false)}; ${i < own ? "nearest, by cosine" : "near to"}: ${others.map(([j, cosine]) => `${this.name(j)} ${signed(cosine, false)}`).join(", ")}`;
  }

  /** The token nearest to a pointer. */
  under({ offsetX, offsetY }) {
    const far = this.places?.map(([x, y]) => Math.hypot(x - offsetX, y - offsetY)) ?? [], least = Math.min(...far);
    return least < REACH ? far.indexOf(least) : null;
  }

  choose(i) {
    if (i === null || i === undefined) return;
    const position = this.seen.tokens.findLastIndex(({ id }) => id === this.found.tokens[i].id);
    if (position >= 0) this.page.choose(position); else this.read(i);
  }

  walk(event) {
    if (event.key === "Enter") this.choose(this.at);
    const way = KEYS[event.key];
    if (!way || !this.places) return;
    event.preventDefault();
    const [x, y] = this.places[this.at];
    const ahead = this.places.map(([a, b], i) => [(a - x) * way[0] + (b - y) * way[1], Math.abs((a - x) * way[1] + (b - y) * way[0]), i]).filter(([along, aside, i]) => i !== this.at && along > 0 && along >= aside);
    if (ahead.length) this.read(ahead.reduce((best, one) => (one[0] + one[1] < best[0] + best[1] ? one : best))[2]);
  }

  copied() {
    const { tokens, near, points } = this.found;
    return ["token,of the text,first direction,second direction", ...tokens.map(({ text }, i) => [JSON.stringify(text), i < near.length, ...points[i]].join())].join("\n");
  }
}

// The network as it is: the input, every neuron, and the lines between. `forward` shows what each adds to the next,
// `backward` what wants to become more or less.

import { Chooser } from "./chosen.js";
import { colour, largest, paint, signed } from "./colours.js";
import { h } from "../dom.js";

const SVG = "http://www.w3.org/2000/svg";
const HIGH = 368, FIRST = 150, LAST = 430, INPUT = 112, BAR = 86, MARGIN = 14;
const MOST = 40; // neurons that are drawn of a layer

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export class NetworkView extends Chooser {
  constructor(sizes, looked) {
    super(looked);
    this.shown = sizes.map((width) => Math.min(width, MOST));
    this.last = sizes.length - 1;
    this.input = h("canvas", { class: "pixels input", role: "img", "aria-label": "What the network sees" });
    this.lines = svg("g", { "aria-hidden": "true" });
    this.svg = svg("svg", { class: "network", viewBox: `${INPUT} 0 ${560 - INPUT} ${HIGH}`, tabindex: 0, role: "listbox", "aria-label": "The network's neurons; arrow keys go from one to the next" });
    const wires = svg("g", { class: "wires", "aria-hidden": "true" });
    this.svg.append(wires, this.lines);
    this.edges = [];
    this.neurons = this.shown.slice(1).map((width, l) => Array.from({ length: width }, (_, i) => this.neuron(l + 1, i)));
    this.neurons[0].forEach((_, i) => wires.append(svg("line", { x1: INPUT, y1: HIGH / 2, x2: this.x(1), y2: this.y(1, i) })));
    for (let layer = 2; layer <= this.last; layer += 1) {
      this.edges[layer] = Array.from({ length: this.shown[layer] }, (_, to) => Array.from({ length: this.shown[layer - 1] }, (_, from) => {
        const line = svg("line", { x1: this.x(layer - 1), y1: this.y(layer - 1, from), x2: this.x(layer), y2: this.y(layer, to) });
        this.lines.append(line);
        return line;
      }));
    }
    this.element = h("div", { class: "net" }, this.input, this.svg);
    const left = sizes.slice(1, -1).flatMap((width, l) => (width > MOST ? [`${MOST} of the ${width.toLocaleString("en")} neurons of hidden layer ${l + 1}`] : []));
    if (left.length) this.element.append(h("p", { class: "note" }, `Drawn are the first ${left.join(", the first ")}.`));
    this.listen(this.svg, this.shown.slice(1));
  }

  name(layer, i) { return layer === this.last ? `the output for ${i}` : `neuron ${i + 1} of hidden layer ${layer}`; }
  option(layer, i) { return this.neurons[layer - 1][i].group; }

  x(layer) { return this.last === 1 ? LAST : FIRST + (layer - 1) / (this.last - 1) * (LAST - FIRST); }
  apart(layer) { return Math.min(layer === this.last ? 36 : 22.6, (HIGH - 2 * MARGIN) / Math.max(1, this.shown[layer] - 1)); }
  y(layer, i) { return HIGH / 2 + (i - (this.shown[layer] - 1) / 2) * this.apart(layer); }

  neuron(layer, i) {
    const x = this.x(layer), y = this.y(layer, i), output = layer === this.last, r = Math.min(9, 0.42 * this.apart(layer));
    const made = { ring: svg("circle", { class: "ring", cx: x, cy: y, r: r * 4 / 3 }), body: svg("circle", { class: "body", cx: x, cy: y, r }) };
    made.group = svg("g", { class: "neuron", role: "option", id: `neuron-${layer}-${i}` }, svg("circle", { class: "reach", cx: x, cy: y, r: r * 4 / 3 }), made.ring, made.body);
    if (output) {
      made.bar = svg("rect", { class: "bar", x: x + 34, y: y - 5, height: 10, width: 0 });
      made.value = svg("text", { x: x + 38 + BAR, y: y + 4.5, "text-anchor": "end" });
      made.group.append(svg("rect", { class: "reach", x: x + 12, y: y - 16, width: 118, height: 32 }), svg("text", { class: "digit", x: x + 22, y: y + 5.5, "text-anchor": "middle" }, String(i)), made.bar, made.value);
    }
    this.svg.append(this.pointed(made.group, layer, i));
    return made;
  }

  mark(layer, i, on) {
    super.mark(layer, i, on);
    for (const line of this.edges[layer]?.[i] ?? []) {
      line.classList.toggle("chosen", on);
      if (on) this.lines.append(line); // over the others
    }
  }

  /** A look at an example: its pixels, and the activations of each layer. */
  forward(look, network) {
    paint(this.input, look.pixels, Math.sqrt(look.pixels.length), "ink");
    const { activations } = look, outputs = activations.at(-1);
    activations.forEach((values, l) => {
      const most = network.activation === "relu" && l < this.last - 1 ? largest(values) : 1;
      values.slice(0, MOST).forEach((value, i) => {
        const { group, body, bar, value: number } = this.neurons[l][i];
        body.style.fill = colour("ink", value, most);
        group.setAttribute("aria-label", `${this.name(l + 1, i)}: activation ${value.toFixed(3)}`);
        if (bar) {
          bar.setAttribute("width", Math.max(0, Math.min(1, value)) * (BAR - 46));
          number.textContent = value.toFixed(2);
          group.classList.toggle("best", value === Math.max(...outputs));
        }
      });
    });
    for (let layer = 2; layer <= this.last; layer += 1) {
      const before = activations[layer - 2], w = network.weights[layer - 1];
      const adds = w.values.map((value, k) => value * before[k % w.columns]);
      this.colourLines(layer, w.columns, adds);
    }
  }

  colourLines(layer, columns, values, shown = true) {
    const most = largest(values);
    this.edges[layer].forEach((row, i) => row.forEach((line, j) => {
      const value = shown ? values[i * columns + j] / most : 0;
      line.style.stroke = `var(--${value > 0 ? "more" : "less"})`;
      line.style.strokeOpacity = Math.abs(value) ** 0.8;
      line.style.strokeWidth = 0.5 + 2.5 * Math.abs(value);
    }));
  }

  /** What wants to go up and down, as far back as it has come: `reached` counts the stages from the cost. */
  backward(look, reached) {
    const { gradient } = look;
    for (let layer = this.last; layer >= 1; layer -= 1) {
      const stage = 2 * (this.last - layer) + 1, wants = gradient.activations[layer - 1], most = largest(wants);
      this.neurons[layer - 1].forEach(({ ring, group }, i) => {
        const known = reached >= stage;
        ring.style.stroke = known ? colour("signed", -wants[i], most) : "none";
        ring.style.strokeWidth = known ? 1.5 + 3.5 * Math.abs(wants[i]) / most : 0;
        if (known) group.setAttribute("aria-label", `${group.getAttribute("aria-label").split(";")[0]}; wants to go ${wants[i] < 0 ? "up" : "down"}, ${signed(-wants[i])}`);
      });
      if (layer > 1) {
        const by = gradient.weights[layer - 1];
        this.colourLines(layer, by.columns, by.values.map((value) => -value), reached > stage);
      }
    }
  }
}

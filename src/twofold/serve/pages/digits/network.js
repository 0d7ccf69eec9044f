// The network as it is: the input, every neuron, and the lines between. A neuron is chosen by pointing at it or with the
// arrow keys. `forward` shows what each adds to the next, `backward` what wants to become more or less.

import { colour, largest, paint, signed } from "./colours.js";
import { h } from "../dom.js";

const SVG = "http://www.w3.org/2000/svg";
const HIGH = 368, XS = [150, 290, 430], INPUT = 112, RADIUS = 9, BAR = 86;
const KEYS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };

export function svg(name, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export const nameOf = (layer, i, last) => (layer === last ? `the output for ${i}` : `neuron ${i + 1} of hidden layer ${layer}`);

export class NetworkView {
  /** `looked(layer, i)` is called when another neuron is chosen; layers count from 1, the first with weights. */
  constructor(sizes, looked) {
    this.sizes = sizes;
    this.looked = looked;
    this.last = sizes.length - 1;
    this.chosen = [1, 0];
    this.free = true; // until a reader has chosen a neuron
    this.input = h("canvas", { class: "pixels input", role: "img", "aria-label": "What the network sees" });
    this.lines = svg("g", { "aria-hidden": "true" });
    this.svg = svg("svg", { class: "network", viewBox: `${INPUT} 0 ${560 - INPUT} ${HIGH}`, tabindex: 0, role: "listbox", "aria-label": "The network's neurons; arrow keys go from one to the next" });
    const wires = svg("g", { class: "wires", "aria-hidden": "true" });
    this.svg.append(wires, this.lines);
    this.edges = [];
    this.neurons = sizes.slice(1).map((width, l) => Array.from({ length: width }, (_, i) => this.neuron(l + 1, i)));
    this.neurons[0].forEach((_, i) => wires.append(svg("line", { x1: INPUT, y1: HIGH / 2, x2: XS[0], y2: this.y(1, i) })));
    for (let layer = 2; layer <= this.last; layer += 1) {
      this.edges[layer] = Array.from({ length: sizes[layer] }, (_, to) => Array.from({ length: sizes[layer - 1] }, (_, from) => {
        const line = svg("line", { x1: XS[layer - 2], y1: this.y(layer - 1, from), x2: XS[layer - 1], y2: this.y(layer, to) });
        this.lines.append(line);
        return line;
      }));
    }
    this.svg.addEventListener("keydown", (event) => {
      const move = KEYS[event.key];
      if (!move) return;
      event.preventDefault();
      const [layer, i] = this.chosen, goal = Math.max(1, Math.min(this.last, layer + move[0]));
      const moved = goal === layer ? i + move[1] : Math.round(i * (sizes[goal] - 1) / Math.max(1, sizes[layer] - 1));
      this.choose(goal, Math.max(0, Math.min(sizes[goal] - 1, moved)));
    });
    this.element = h("div", { class: "net" }, this.input, this.svg);
    this.choose(1, 0, false);
  }

  y(layer, i) {
    return HIGH / 2 + (i - (this.sizes[layer] - 1) / 2) * (layer === this.last ? 36 : 22.6);
  }

  neuron(layer, i) {
    const x = XS[layer - 1], y = this.y(layer, i), output = layer === this.last;
    const made = { ring: svg("circle", { class: "ring", cx: x, cy: y, r: RADIUS + 3 }), body: svg("circle", { class: "body", cx: x, cy: y, r: RADIUS }) };
    made.group = svg("g", { class: "neuron", role: "option", id: `neuron-${layer}-${i}` }, svg("circle", { class: "reach", cx: x, cy: y, r: 12 }), made.ring, made.body);
    if (output) {
      made.bar = svg("rect", { class: "bar", x: x + 34, y: y - 5, height: 10, width: 0 });
      made.value = svg("text", { x: x + 38 + BAR, y: y + 4.5, "text-anchor": "end" });
      made.group.append(svg("rect", { class: "reach", x: x + 12, y: y - 16, width: 118, height: 32 }), svg("text", { class: "digit", x: x + 22, y: y + 5.5, "text-anchor": "middle" }, String(i)), made.bar, made.value);
    }
    for (const kind of ["pointerenter", "pointerdown"]) made.group.addEventListener(kind, () => this.choose(layer, i));
    this.svg.append(made.group);
    return made;
  }

  choose(layer, i, tell = true) {
    const [before, old] = this.chosen;
    this.neurons[before - 1][old].group.setAttribute("aria-selected", "false");
    this.neurons[before - 1][old].group.classList.remove("chosen");
    for (const line of this.edges[before]?.[old] ?? []) line.classList.remove("chosen");
    this.chosen = [layer, i];
    const { group } = this.neurons[layer - 1][i];
    group.setAttribute("aria-selected", "true");
    group.classList.add("chosen");
    for (const line of this.edges[layer]?.[i] ?? []) { line.classList.add("chosen"); this.lines.append(line); }
    this.svg.setAttribute("aria-activedescendant", group.id);
    if (!tell) return;
    this.free = false;
    this.looked(layer, i);
  }

  /** Where nobody has chosen, the neuron of hidden layer 1 that has most to say. */
  suggest(values) {
    if (this.free) this.choose(1, values.indexOf(Math.max(...values)), false);
  }

  /** A look at an example: its pixels, and the activations of each layer. */
  forward(look, network) {
    paint(this.input, look.pixels, Math.sqrt(look.pixels.length), "ink");
    const { activations } = look, outputs = activations.at(-1);
    activations.forEach((values, l) => {
      const most = network.activation === "relu" && l < this.last - 1 ? largest(values) : 1;
      values.forEach((value, i) => {
        const { group, body, bar, value: number } = this.neurons[l][i];
        body.style.fill = colour("ink", value, most);
        group.setAttribute("aria-label", `${nameOf(l + 1, i, this.last)}: activation ${value.toFixed(3)}`);
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

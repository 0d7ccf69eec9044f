// A convolutional network: the image, the maps that each convolution makes of it, the outputs. Under each map of the first
// lies its kernel, or, on the way back, under every map what each place of it wants.

import { Chooser } from "./chosen.js";
import { colour, largest, paint, signed } from "./colours.js";
import { NetworkView } from "./network.js";
import { h } from "../dom.js";

const canvas = (label) => h("canvas", { class: "pixels", role: "img", "aria-label": label });

/** The picture of a network; `back`: with what everything wants. */
export const viewOf = (network, looked, back = false) => (network.maps.length ? new ConvolutionView(network, looked, back) : new NetworkView(network.sizes, looked));
/** What two networks have in common that one picture does for. */
export const formOf = ({ sizes, maps }) => JSON.stringify([sizes, maps]);

export class ConvolutionView extends Chooser {
  constructor({ maps, sizes }, looked, back) {
    super(looked);
    Object.assign(this, { maps, back });
    this.input = canvas("What the network sees");
    this.cells = maps.map(([count], l) => Array.from({ length: count }, (_, i) => this.cell(l + 1, i)));
    this.outputs = Array.from({ length: sizes.at(-1) }, (_, digit) => this.output(maps.length + 1, digit));
    const told = ([count, high, wide, pool], l) => `Convolution ${l + 1}: ${count} maps of ${high} × ${wide}, each made of ${l ? "all the maps before" : "the image"} by ${l ? "kernels of its own" : "one kernel"}${pool > 1 ? `; of each ${pool} × ${pool} sums the largest is kept` : ""}.${back ? " Under each map what its places want." : l ? "" : " Under each map its kernel."}`;
    this.element = h("div", { class: "convolution", tabindex: 0, role: "listbox", "aria-label": "The network's maps and outputs; arrow keys go from one to the next, up and down to another layer" },
      h("div", { class: "ends", role: "presentation" }, this.input, h("div", { class: "outputs", role: "group", "aria-label": "Outputs" }, ...this.outputs.map(({ option }) => option))),
      ...this.cells.map((row, l) => h("div", { role: "group", "aria-label": `Convolution ${l + 1}` }, h("div", { class: "pictures", role: "presentation" }, ...row.map(({ option }) => option)), h("p", { class: "note", role: "presentation" }, told(maps[l], l)))));
    this.listen(this.element, [...maps.map(([count]) => count), sizes.at(-1)], true);
  }

  cell(layer, i) {
    const map = canvas("Map"), under = this.back ? canvas("What its places want") : layer === 1 ? canvas("Its kernel") : null;
    return { map, under, option: this.pointed(h("div", { class: "cell", role: "option", id: `map-${layer}-${i}` }, map, under), layer, i) };
  }

  output(layer, digit) {
    const bar = h("i"), want = h("i", { class: "want" }), value = h("span", { class: "figures" });
    return { bar, want, value, option: this.pointed(h("div", { class: "output", role: "option", id: `map-${layer}-${digit}` }, h("b", {}, String(digit)), h("span", { class: "track" }, bar), want, value), layer, digit) };
  }

  option(layer, i) { return (this.cells[layer - 1] ?? this.outputs)[i].option; }
  name(layer, i) { return layer > this.cells.length ? `the output for ${i}` : `map ${i + 1} of convolution ${layer}`; }

  /** A look at an example: its pixels, what the maps hold, the outputs. */
  forward(look, network) {
    paint(this.input, look.pixels, Math.sqrt(look.pixels.length), "ink");
    this.cells.forEach((row, l) => {
      const { values } = look.maps[l], most = largest(values), { back } = this;
      row.forEach(({ map, under, option }, i) => {
        const seen = look.maps[l].row(i), kernel = network.weights[l].row(i);
        paint(map, seen, this.maps[l][2], "ink", most);
        if (under && !back) paint(under, kernel, Math.sqrt(kernel.length), "signed", largest(kernel));
        option.setAttribute("aria-label", `${this.name(l + 1, i)}: strongest ${signed(Math.max(...seen), false)}`);
      });
    });
    const outputs = look.activations.at(-1), most = Math.max(...outputs);
    this.outputs.forEach(({ bar, value, option }, digit) => {
      bar.style.width = `${100 * outputs[digit]}%`;
      value.textContent = outputs[digit].toFixed(2);
      option.classList.toggle("best", outputs[digit] === most);
      option.setAttribute("aria-label", `the output for ${digit}: ${outputs[digit].toFixed(3)}`);
    });
  }

  /** What wants to go up and down, as far back as it has come: `reached` counts the stages from the cost. */
  backward({ gradient }, reached) {
    const wants = gradient.activations.at(-1), most = largest(wants);
    this.outputs.forEach(({ want, option }, digit) => {
      want.style.background = reached ? colour("signed", -wants[digit], most) : "none";
      if (reached && wants[digit]) option.setAttribute("aria-label", `${option.getAttribute("aria-label")}; wants to go ${wants[digit] < 0 ? "up" : "down"}, ${signed(-wants[digit])}`);
    });
    this.cells.forEach((row, l) => {
      const known = reached >= 2 * (this.last - l - 1) + 1, { values, row: of } = gradient.maps[l], size = largest(values);
      row.forEach(({ under }, i) => paint(under, known ? of(i).map((value) => -value) : new Float32Array(of(i).length), this.maps[l][2], "signed", size));
    });
  }
}

// One neuron: the weights into it as a picture, and the sum that it makes of them, with the numbers put in.

import { largest, paint, signed } from "./colours.js";
import { nameOf } from "./network.js";
import { h } from "../dom.js";

const minus = (values) => values.map((value) => -value);

export class NeuronView {
  constructor() {
    this.title = h("h3");
    this.weights = picture();
    this.wants = picture();
    this.wants.figure.hidden = true;
    this.sum = h("p", { class: "note figures" });
    this.element = h("section", { class: "neuron-view", "aria-label": "The chosen neuron" }, this.title, h("div", { class: "pair-of" }, this.weights.figure, this.wants.figure), this.sum);
  }

  show(network, look, layer, i, backward = false) {
    const last = network.weights.length, w = network.weights[layer - 1], row = w.row(i), from = layer === 1 ? "pixels" : "neurons before it";
    const name = nameOf(layer, i, last);
    this.title.textContent = name[0].toUpperCase() + name.slice(1);
    this.weights.show(row, layer === 1, `Its weights for the ${w.columns} ${from}`);
    this.wants.figure.hidden = !backward;
    if (backward) this.wants.show(minus(look.gradient.weights[layer - 1].row(i)), layer === 1, "What they want, −∂C/∂w: up or down");
    this.sum.replaceChildren();
    if (!look) return;
    const z = look.sums[layer - 1][i], bias = network.biases[layer - 1][i], f = layer < last ? (network.activation === "relu" ? "max(0, z)" : "σ(z)") : network.loss === "squared" ? "σ(z)" : "softmax(z)";
    this.sum.append(`z = Σ w a + b = ${signed(z - bias, false)} ${bias < 0 ? "−" : "+"} ${signed(Math.abs(bias), false)} = ${signed(z, false)};  a = ${f} = ${signed(look.activations[layer - 1][i], false)}`);
    if (backward) this.sum.append(`;  ∂C/∂a = ${signed(look.gradient.activations[layer - 1][i])}, ∂C/∂b = ${signed(look.gradient.biases[layer - 1][i])}`);
  }
}

function picture() {
  const canvas = h("canvas", { class: "pixels", role: "img" }), caption = h("figcaption", { class: "note" });
  return { figure: h("figure", {}, canvas, caption), show(values, square, words) {
    const side = Math.sqrt(values.length), most = largest(values);
    canvas.classList.toggle("strip", !square);
    paint(canvas, values, square ? side : values.length, "signed", most);
    caption.replaceChildren(words, h("span", { class: "scale signed figures" }, h("span", {}, signed(-most)), h("span", {}, signed(most))));
    canvas.setAttribute("aria-label", `${words}, from ${signed(Math.min(...values))} to ${signed(Math.max(...values))}`);
  } };
}

// One neuron, or one map: the weights into it as a picture, and the sum that it makes of them, with the numbers put in.

import { largest, paint, signed } from "./colours.js";
import { h } from "../dom.js";

const minus = (values) => values.map((value) => -value);

export class NeuronView {
  constructor() {
    this.title = h("h3");
    this.weights = picture();
    this.wants = picture();
    this.wants.figure.hidden = true;
    this.sum = h("p", { class: "note figures" });
    this.element = h("section", { class: "neuron-view", "aria-label": "What is chosen" }, this.title, h("div", { class: "pair-of" }, this.weights.figure, this.wants.figure), this.sum);
  }

  /** What is chosen in the picture `net`; `back`: with what its weights want. */
  show(net, network, look, back = false) {
    const [layer, i] = net.chosen, name = net.name(layer, i), w = network.weights[layer - 1], row = w.row(i);
    const squares = layer === 1 ? 1 : network.maps[layer - 2]?.[0] ?? 0; // 0: weights for neurons, which have no places
    this.title.textContent = name[0].toUpperCase() + name.slice(1);
    this.weights.show(row, squares, words(network, layer, w.columns, squares));
    this.wants.figure.hidden = !back;
    if (back) this.wants.show(minus(look.gradient.weights[layer - 1].row(i)), squares, "What they want, −∂C/∂w: up or down");
    if (look) this.sum.textContent = sum(network, look, layer, i) + (back ? wanted(network, look.gradient, layer, i) : "");
  }
}

function words({ maps }, layer, columns, squares) {
  if (!maps.length) return `Its weights for the ${columns} ${layer === 1 ? "pixels" : "neurons before it"}`;
  const side = Math.sqrt(columns / squares);
  if (layer > maps.length) return `Its weights for each of the ${squares} maps before it`;
  return squares === 1 ? `Its kernel: weights for ${side} × ${side} pixels` : `Its ${squares} kernels of ${side} × ${side}, one for each map before it`;
}

function sum(network, look, layer, i) {
  const { maps } = network, bias = network.biases[layer - 1][i], at = layer - 1 - maps.length;
  const signs = `${bias < 0 ? "−" : "+"} ${signed(Math.abs(bias), false)}`;
  if (at < 0) {
    const pool = maps[layer - 1][3], most = Math.max(...look.maps[layer - 1].row(i));
    return `At each place z = Σ w a ${signs}${pool > 1 ? `; of each ${pool} × ${pool} the largest z is kept` : ""}, and a = max(0, z). Its largest a here is ${signed(most, false)}`;
  }
  const z = look.sums[at][i], f = layer < network.weights.length ? (network.activation === "relu" ? "max(0, z)" : "σ(z)") : network.loss === "squared" ? "σ(z)" : "softmax(z)";
  return `z = Σ w a + b = ${signed(z - bias, false)} ${signs} = ${signed(z, false)};  a = ${f} = ${signed(look.activations[at][i], false)}`;
}

function wanted({ maps }, gradient, layer, i) {
  const at = layer - 1 - maps.length;
  return `;  ${at < 0 ? "" : `∂C/∂a = ${signed(gradient.activations[at][i])}, `}∂C/∂b = ${signed(gradient.biases[layer - 1][i])}`;
}

/** Squares beside and below each other, with a pixel of nothing between them, as rows of one picture. */
function tiled(values, squares) {
  const side = Math.sqrt(values.length / squares), across = Math.ceil(Math.sqrt(squares)), columns = across * (side + 1) - 1;
  const whole = new Float32Array(columns * (Math.ceil(squares / across) * (side + 1) - 1));
  values.forEach((value, k) => {
    const square = Math.floor(k / side ** 2), y = Math.floor(k / side) % side, x = k % side;
    whole[(Math.floor(square / across) * (side + 1) + y) * columns + (square % across) * (side + 1) + x] = value;
  });
  return [whole, columns];
}

function picture() {
  const canvas = h("canvas", { class: "pixels", role: "img" }), caption = h("figcaption", { class: "note" });
  return { figure: h("figure", {}, canvas, caption), show(values, squares, said) {
    const most = largest(values), told = values.some(Boolean) ? most : 0;
    canvas.classList.toggle("strip", !squares);
    paint(canvas, ...(squares ? tiled(values, squares) : [values, values.length]), "signed", most);
    canvas.style.aspectRatio = squares ? `${canvas.width} / ${canvas.height}` : "";
    caption.replaceChildren(said, h("span", { class: "scale signed figures" }, h("span", {}, signed(-told)), h("span", {}, signed(told))));
    canvas.setAttribute("aria-label", `${said}, from ${signed(Math.min(...values))} to ${signed(Math.max(...values))}`);
  } };
}

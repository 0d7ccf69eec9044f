// A convolutional network: the image as each kernel sees it, then what the second kernels make of that, then the outputs.

import { largest, paint } from "./colours.js";
import { matrix } from "./matrices.js";
import { h } from "../dom.js";

const canvas = (label) => h("canvas", { class: "pixels", role: "img", "aria-label": label });

export class ConvolutionView {
  constructor({ kernels, maps }) {
    this.input = canvas("What the network sees");
    this.maps = maps.map(([count], layer) => Array.from({ length: count }, (_, i) => canvas(`Map ${i + 1} of convolution ${layer + 1}`)));
    const sent = matrix(kernels), side = Math.sqrt(sent.columns);
    this.kernels = this.maps[0].map((_, i) => [canvas(`Kernel ${i + 1}, ${side} × ${side} weights`), sent.row(i), side]);
    this.outputs = Array.from({ length: 10 }, (_, digit) => ({ bar: h("i"), value: h("span", { class: "figures" }), digit }));
    const row = (words, items) => h("figure", {}, h("div", { class: "pictures" }, ...items), h("figcaption", { class: "note" }, words));
    const outputs = h("ol", { class: "outputs" }, ...this.outputs.map(({ bar, value, digit }) => h("li", {}, h("b", {}, String(digit)), h("span", { class: "track" }, bar), value)));
    const [first, second] = maps;
    this.element = h("div", { class: "convolution" }, h("div", { class: "ends" }, h("figure", {}, this.input), outputs),
      row(`The first convolution: ${first[0]} maps of ${first[1]} × ${first[2]}, each the image as one kernel sees it; under it the kernel, orange above zero and blue below.`,
        this.maps[0].map((map, i) => h("div", {}, map, this.kernels[i][0]))),
      row(`The second: ${second[0]} maps of ${second[1]} × ${second[2]}, each made of all those before.`, this.maps[1]));
  }

  forward(look) {
    paint(this.input, look.pixels, Math.sqrt(look.pixels.length), "ink");
    look.maps.forEach((maps, layer) => {
      const most = largest(maps.flat());
      maps.forEach((values, i) => paint(this.maps[layer][i], values, Math.sqrt(values.length), "ink", most));
    });
    for (const [place, weights, side] of this.kernels) paint(place, weights, side, "signed", largest(weights));
    const outputs = look.activations.at(-1), most = Math.max(...outputs);
    this.outputs.forEach(({ bar, value, digit }) => {
      bar.style.width = `${100 * outputs[digit]}%`;
      value.textContent = outputs[digit].toFixed(2);
      bar.closest("li").classList.toggle("best", outputs[digit] === most);
    });
  }
}

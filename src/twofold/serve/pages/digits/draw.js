// The first view: what is drawn on the pad, what the network makes of it while it is drawn, and how sure it is.

import { ConvolutionView } from "./convolution.js";
import { NetworkView } from "./network.js";
import { NeuronView } from "./neuron.js";
import { Pad } from "./pad.js";
import { unpack } from "./matrices.js";
import { explanation } from "./words.js";
import { choice, h, percent, press } from "../dom.js";

const QUIET = 900; // ms without a change before the answer is said aloud

export class DrawView {
  constructor(page) {
    this.page = page;
    this.network = null;
    this.look = null;
    this.question = { strokes: [] };
    this.pad = new Pad(() => { this.question = { strokes: this.pad.strokes }; this.ask(); });
    this.answer = h("p", { class: "answer figures", "aria-hidden": "true" });
    this.sure = h("p", { class: "note figures" });
    this.kinds = h("div");
    this.about = h("p", { class: "note figures" });
    this.neuron = new NeuronView();
    this.place = h("div", { class: "net-place" });
    const presses = h("p", { class: "presses" }, press("Undo", () => this.pad.undo()), press("Clear", () => this.pad.clear()),
      press("A held-out image", () => this.put({ example: Math.floor(Math.random() * page.about.digits.held_out) })),
      press("Noise", () => this.put({ noise: Math.floor(Math.random() * 2 ** 31) })));
    this.element = h("div", { class: "views draw" },
      h("section", { class: "hand", "aria-label": "The pad" }, this.pad.canvas, presses, h("div", { class: "told" }, this.answer, this.sure), this.pad.keys),
      h("section", { class: "mind", "aria-label": "The network" }, this.kinds, this.about, this.place, h("p", { class: "note" },
        this.legend = h("span", {}, "From left to right: what the network sees, its neurons, its ten outputs. The more active a neuron, the more ink it has. A line is what one neuron adds to the next, weight × activation: orange pushes it up, blue down."))), this.neuron.element,
      h("section", { class: "explained" }, h("h2", {}, "What am I looking at?"), explanation("reading", page.about)));
  }

  async open() {
    await this.use(this.page.network);
    this.pad.draw();
  }

  leave() { clearTimeout(this.aloud); }
  colours() { this.pad.draw(); this.draw(); }

  async use(name) {
    const { about } = this.page;
    this.page.network = name;
    this.network = null;
    sessionStorage.setItem("twofold-digits-network", name);
    this.kinds.replaceChildren(choice("network", "Which network answers", about.networks.map((one) => [one.name, one.title]), name, (other) => this.page.attempt(() => this.use(other))));
    const known = about.networks.find((one) => one.name === name);
    this.about.textContent = `${known.told} Being trained on ${about.digits.train.toLocaleString("en")} images, which takes ${known.takes}…`;
    const told = await this.page.server.json("digits/network", { body: { client: this.page.client, network: name } });
    if (this.page.network !== name) return; // another was asked for meanwhile
    this.network = told.maps ? told : unpack(told);
    this.neuron.element.hidden = this.legend.hidden = Boolean(told.maps);
    const { accuracy: [rate, low, high], held_out: n } = told;
    this.about.textContent = `${known.told} It reads ${percent(rate)} of ${n.toLocaleString("en")} held-out images rightly (95 % interval ${percent(low)} to ${percent(high)}; chance 10 %). Your hand is not one of theirs: expect less.`;
    if (told.maps) {
      this.net = new ConvolutionView(told);
      this.place.replaceChildren(this.net.element);
    } else if (this.net?.sizes?.join() !== told.sizes.join()) {
      this.net = new NetworkView(told.sizes, (layer, i) => this.look && this.neuron.show(this.network, this.look, layer, i));
      this.place.replaceChildren(this.net.element);
    }
    await this.ask();
  }

  async put(question) {
    this.question = question;
    await this.ask();
    if (this.question === question) this.pad.show(this.look.pixels);
  }

  /** At most one question is on its way; what changed meanwhile is asked when it is back. */
  async ask() {
    if (this.asking) { this.again = true; return; }
    this.asking = true;
    try {
      do {
        this.again = false;
        const { question } = this, { network } = this.page;
        const look = await this.page.server.json("digits/answer", { body: { client: this.page.client, network, ...question } });
        if (network === this.page.network && (question === this.question || question.strokes)) { this.look = look; this.draw(); }
      } while (this.again);
      this.page.tell("");
    } catch (error) {
      this.page.trouble(error);
    } finally {
      this.asking = false;
    }
  }

  draw() {
    const { look, net, network } = this;
    if (!look || !net || !network || Boolean(look.maps) !== Boolean(network.maps)) return;
    net.forward(look, network);
    if (!network.maps) {
      net.suggest(look.activations[0]);
      this.neuron.show(network, look, ...net.chosen);
    }
    const outputs = look.activations.at(-1), [first, second] = [...outputs.keys()].sort((a, b) => outputs[b] - outputs[a]);
    const paper = !look.pixels.some((value) => value > 0);
    this.answer.textContent = paper ? "" : String(first);
    this.sure.textContent = paper ? "Draw a digit, as large as you like and anywhere on the pad."
      : `${look.label === null ? "" : `It is a ${look.label}. `}${"noise" in this.question ? "This is noise, and the network was never taught to say so. " : ""}Reads ${first} with ${outputs[first].toFixed(2)}; next is ${second} with ${outputs[second].toFixed(2)}. ${network.loss === "squared" ? "Outputs are activations, each between 0 and 1; they are no chances and need not add up to 1." : "Outputs are a softmax: they add up to 1."}`;
    clearTimeout(this.aloud);
    if (!paper) this.aloud = setTimeout(() => this.page.shell.say(`The network reads ${first}, ${outputs[first].toFixed(2)}`), QUIET);
  }
}

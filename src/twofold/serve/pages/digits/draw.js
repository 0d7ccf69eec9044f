// The first view: what is drawn on the pad, what the network makes of it while it is drawn, and how sure it is.

import { formOf, viewOf } from "./convolution.js";
import { NeuronView } from "./neuron.js";
import { Pad } from "./pad.js";
import { unpack, unpackLook } from "./matrices.js";
import { explanation } from "./words.js";
import { choice, h, percent, press } from "../dom.js";

const QUIET = 900; // ms without a change before the answer is said aloud
const LEGENDS = [
  "From left to right: what the network sees, its neurons, its ten outputs. The more active a neuron, the more ink it has. A line is what one neuron adds to the next, weight × activation: orange pushes it up, blue down.",
  "From the image at the top to the second convolution at the bottom. The stronger what a map holds in a place, the more ink is there. A kernel is orange above zero and blue below.",
];

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
    this.legend = h("p", { class: "note" });
    this.explained = h("div");
    const presses = h("p", { class: "presses" }, press("Undo", () => this.pad.undo()), press("Clear", () => this.pad.clear()),
      press("A held-out image", () => this.put({ example: Math.floor(Math.random() * page.about.digits.held_out) })),
      press("Noise", () => this.put({ noise: Math.floor(Math.random() * 2 ** 31) })));
    this.element = h("div", { class: "views draw" },
      h("section", { class: "hand", "aria-label": "The pad" }, this.pad.canvas, presses, h("div", { class: "told" }, this.answer, this.sure), this.pad.keys),
      h("section", { class: "mind", "aria-label": "The network" }, this.kinds, this.about, this.place, this.legend), this.neuron.element,
      h("section", { class: "explained" }, h("h2", {}, "What am I looking at?"), this.explained));
  }

  async open() {
    await this.use(this.page.network);
    this.pad.draw();
  }

  leave() { clearTimeout(this.aloud); }
  colours() { this.pad.draw(); this.draw(); }

  async use(name) {
    const before = [this.page.network, this.network, this.about.textContent];
    this.page.network = name;
    this.network = null;
    this.offer(name);
    this.about.textContent = this.page.about.networks.find((one) => one.name === name).wait;
    let told;
    try {
      told = await this.page.server.json("digits/network", { body: { client: this.page.client, network: name } });
    } catch (error) { // what there was stays
      if (!before[1]) sessionStorage.removeItem("twofold-digits-network");
      if (this.page.network === name) {
        [this.page.network, this.network, this.about.textContent] = before;
        this.offer(this.page.network);
      }
      throw error;
    }
    if (this.page.network !== name) return; // another was asked for meanwhile
    sessionStorage.setItem("twofold-digits-network", name);
    this.page.tell("");
    this.network = unpack(told);
    const { accuracy: [rate, low, high], held_out: n } = told, form = formOf(told);
    this.about.textContent = `${told.told} It reads ${percent(rate)} of ${n.toLocaleString("en")} held-out images rightly (95 % interval ${percent(low)} to ${percent(high)}; chance 10 %). Your hand is not one of theirs: expect less.`;
    if (this.form !== form) {
      this.form = form;
      this.net = viewOf(told, () => this.look && this.network && this.neuron.show(this.net, this.network, this.look));
      this.place.replaceChildren(this.net.element);
      this.legend.textContent = LEGENDS[Number(told.maps.length > 0)];
      this.explained.replaceChildren(explanation("reading", this.page.about, this.network));
    }
    this.look = null;
    await this.ask();
  }

  /** What can be asked: networks that the server teaches, one's own, and what was saved, the newest first. */
  offer(name) {
    const ask = (other) => this.page.attempt(() => this.use(other)), { networks } = this.page.about, saved = networks.filter((one) => one.saved);
    const few = choice("network", "Which network answers", networks.filter((one) => !one.saved).map((one) => [one.name, one.title]), name, ask);
    const option = (one) => h("option", { value: one.name }, one.title), select = h("select", { "aria-label": "A saved network", onchange: () => select.value && ask(select.value) }, h("option", { value: "" }, "saved…"), ...saved.map(option));
    select.value = saved.some((one) => one.name === name) ? name : "";
    if (saved.length) few.append(select);
    this.kinds.replaceChildren(few);
  }

  put(question) {
    this.question = question;
    return this.ask();
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
        if (network !== this.page.network || (question !== this.question && !question.strokes)) continue;
        this.look = unpackLook(look);
        if (!question.strokes) this.pad.show(look.pixels);
        this.draw();
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
    if (!look || !network) return;
    net.forward(look, network);
    net.suggest(look.maps.length ? look.maps[0].sums() : look.activations[0]);
    this.neuron.show(net, network, look);
    const outputs = look.activations.at(-1), [first, second] = [...outputs.keys()].sort((a, b) => outputs[b] - outputs[a]);
    const paper = !look.pixels.some((value) => value > 0);
    this.answer.textContent = paper ? "" : String(first);
    this.sure.textContent = paper ? "Draw a digit, as large as you like and anywhere on the pad."
      : `${look.label === null ? "" : `It is a ${look.label}. `}${"noise" in this.question ? "This is noise, and the network was never taught to say so. " : ""}Reads ${first} with ${outputs[first].toFixed(2)}; next is ${second} with ${outputs[second].toFixed(2)}. ${network.loss === "squared" ? "Outputs are activations, each between 0 and 1; they are no chances and need not add up to 1." : "Outputs are a softmax: they add up to 1."}`;
    clearTimeout(this.aloud);
    if (!paper) this.aloud = setTimeout(() => this.page.shell.say(`The network reads ${first}, ${outputs[first].toFixed(2)}`), QUIET);
  }
}

// The second view: the client's own network while it learns. A run is one streamed answer; to stop it is to leave the stream,
// and to change a slider is to begin another from the weights that there are.

import { Curve, Landscape } from "./plot.js";
import { NetworkView } from "./network.js";
import { NeuronView } from "./neuron.js";
import { largest, paint, signed } from "./colours.js";
import { matrix, unpack } from "./matrices.js";
import { explanation } from "./words.js";
import { choice, h, percent, press } from "../dom.js";

const BATCHES = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 4000];
const PACES = [["4", "4 steps a second"], ["100", "100"], ["1000", "1,000"], ["0", "as fast as it goes"]];
const SLICE_EVERY = 5000, AT_REST = 400; // ms
const STAGES = [
  "Forward: the input, the activations, the outputs.",
  "The outputs: each wants to go towards what it should be, the more the further off it is.",
  "The weights into the outputs: one wants to change as much as the neuron it comes from is active.",
  "Hidden layer 2: a neuron wants what all the outputs want of it, by the weights that lead to them.",
  "The weights into hidden layer 2.",
  "Hidden layer 1, by the weights that lead on from it.",
  "The weights for the pixels: all that the input has no ink for are at rest.",
];

export class LearnView {
  constructor(page) {
    this.page = page;
    const { defaults, digits } = page.about;
    this.plan = { activation: "sigmoid", loss: "squared", momentum: 0, ...JSON.parse(sessionStorage.getItem("twofold-digits-plan") ?? "null") };
    this.rate = defaults.learning_rate;
    this.batch = defaults.batch;
    this.pace = "100";
    this.example = 0;
    this.stage = STAGES.length - 1;
    this.seed = 0;
    this.start = press("Start", () => (this.running ? this.page.attempt(() => this.rest()) : this.begin()), { class: "main" });
    this.one = press("One step", () => this.begin({ steps: 1 }));
    this.reset = press("Reset", () => this.page.attempt(() => this.restart()));
    this.facts = h("dl", { class: "facts figures" });
    this.warning = h("p", { class: "alarm", role: "alert" });
    this.cost = new Curve({ title: "Cost of the batches", unit: "mean cost of an image", format: (value, tick) => (tick ? String(Number(value.toPrecision(3))) : signed(value, false)) });
    this.right = new Curve({ title: "Held-out images read rightly", unit: "share", format: (value, tick) => (tick ? `${(100 * value).toFixed(0)} %` : percent(value)), most: 1, note: { value: 0.1, words: "chance" } });
    this.landscape = new Landscape();
    this.cut = press("Look again", () => this.page.attempt(() => this.look_around()));
    this.neuron = new NeuronView();
    this.netPlace = h("div", { class: "net-place" });
    this.pictures = h("div", { class: "pictures", role: "group", "aria-label": "Weights of hidden layer 1" });
    this.which = h("p", { class: "note figures" });
    this.stages = h("input", { type: "range", min: 0, max: STAGES.length - 1, value: this.stage, id: "stage", oninput: () => { this.stage = Number(this.stages.value); this.draw(); } });
    this.stageSays = h("p", { class: "note", "aria-live": "polite" });
    this.rateField = this.slider("rate", "Learning rate", -2, 1.5, 0.01, Math.log10(this.rate), (value) => { this.rate = Number((10 ** value).toPrecision(2)); return signed(this.rate, false); });
    this.batchField = this.slider("batch", "Batch", 0, BATCHES.length - 1, 1, BATCHES.indexOf(this.batch), (value) => { this.batch = Math.min(BATCHES[value], digits.train); return `${this.batch.toLocaleString("en")} images`; });
    const fresh = (change) => { Object.assign(this.plan, change); sessionStorage.setItem("twofold-digits-plan", JSON.stringify(this.plan)); this.page.attempt(() => this.restart()); };
    this.element = h("div", { class: "views learn" },
      h("section", { class: "controls", "aria-label": "Descent" },
        h("p", { class: "presses" }, this.start, this.one, this.reset), this.warning, this.facts,
        h("h3", {}, "Pace"), choice("pace", "Steps a second", PACES, this.pace, (value) => { this.pace = value; this.changed(); }),
        this.rateField, this.batchField,
        h("h3", {}, "Momentum"), choice("momentum", "Momentum", [["0", "none"], ["0.9", "0.9"]], String(this.plan.momentum), (value) => { this.plan.momentum = Number(value); this.changed(); }),
        h("h3", {}, "Network (begins anew)"),
        choice("loss", "Cost", [["squared", "squared error"], ["cross-entropy", "cross-entropy"]], this.plan.loss, (loss) => fresh({ loss })),
        choice("activation", "Activation", [["sigmoid", "sigmoid"], ["relu", "ReLU"]], this.plan.activation, (activation) => fresh({ activation }))),
      h("div", { class: "column right" }, h("section", { class: "curves", "aria-label": "How it goes" }, this.cost.element, this.right.element),
        h("section", { class: "slice-of", "aria-label": "The landscape" }, h("h2", {}, "A slice of the landscape"), this.landscape.element, h("p", { class: "presses" }, this.cut))),
      h("div", { class: "column" }, h("section", { class: "mind", "aria-label": "One example" }, h("h2", {}, "One example, backwards"), this.which,
        h("label", { class: "note", for: "stage" }, "How far back"), this.stages, this.stageSays, this.netPlace, this.neuron.element),
        h("section", { class: "looks", "aria-label": "Hidden layer 1" }, h("h2", {}, "What hidden layer 1 looks for"),
        choice("pictures", "Shown are", [["all", "its weights"], ["added", "what learning has changed"]], "all", (which) => { this.added = which === "added"; if (this.network) this.drawPictures(); }), this.pictures,
        h("p", { class: "note" }, "Each square holds the weights into one neuron, where their pixels are: ink on orange speaks for the neuron, ink on blue against it. Each is scaled to its own largest.")),
        h("section", { class: "explained" }, h("h2", {}, "What am I looking at?"), explanation("learning", page.about))));
  }

  slider(id, words, min, max, step, value, took) {
    const told = h("output", { class: "figures", for: id }), input = h("input", { type: "range", id, min, max, step, value });
    const take = () => { told.textContent = took(Number(input.value)); input.setAttribute("aria-valuetext", told.textContent); };
    input.addEventListener("input", take);
    input.addEventListener("change", () => this.changed());
    take();
    return h("div", { class: "slider" }, h("label", { for: id }, words), told, input);
  }

  async open() {
    await this.arrive(await this.ask("digits/own", { plan: this.wire(), fresh: false }));
    if (this.state.step > 1) await this.look_around();
  }

  leave() {
    this.stop();
    clearTimeout(this.resting);
    this.cost.leave();
    this.right.leave();
  }

  colours() { this.draw(); this.cost.draw(); this.right.draw(); }

  ask(path, body = {}) { return this.page.server.json(path, { body: { client: this.page.client, example: this.example, ...body } }); }
  wire() { return { activation: this.plan.activation, loss: this.plan.loss, seed: this.seed }; }

  /** What the server tells of the network: all of its descent so far. */
  async arrive(state) {
    Object.assign(this.plan, { activation: state.network.activation, loss: state.network.loss });
    for (const name of ["activation", "loss"]) for (const input of this.element.querySelectorAll(`input[name="${name}"]`)) input.checked = input.value === this.plan[name];
    this.began = matrix(state.began);
    this.cost.use(state.costs);
    this.right.use(state.accuracies);
    this.take(state);
  }

  take(state) {
    this.state = { ...this.state, ...state };
    this.network = unpack(state.network);
    this.look = state.look && { ...state.look, gradient: unpack(state.look.gradient) };
    this.example = state.look?.example ?? this.example;
    if (this.net?.sizes.join() !== this.network.sizes.join()) {
      this.net = new NetworkView(this.network.sizes, () => this.drawNeuron());
      this.netPlace.replaceChildren(this.net.element);
      this.drawn = Array.from({ length: this.network.sizes[1] }, (_, i) => h("canvas", { class: "pixels", role: "img", "aria-label": `Weights of neuron ${i + 1}`, onpointerenter: () => this.net.choose(1, i) }));
      this.pictures.replaceChildren(...this.drawn);
    }
    this.draw();
  }

  draw() {
    const { state, look, net, network } = this;
    if (!look) return;
    net.forward(look, network);
    net.suggest(look.gradient.biases[0].map(Math.abs));
    net.backward(look, this.stage);
    this.drawNeuron();
    this.drawPictures();
    this.stageSays.textContent = `${this.stage + 1} of ${STAGES.length}. ${STAGES[this.stage]}`;
    this.stages.setAttribute("aria-valuetext", this.stageSays.textContent);
    this.which.replaceChildren(`Training image ${look.example + 1}, a ${look.label}: its cost is ${signed(look.gradient.cost, false)}. A ring, and a line, is orange where it wants to go up and blue where down, scaled to the largest of its layer. `,
      press("Another image", () => this.page.attempt(() => this.another())));
    const [, rate, low, high] = this.right.points.at(-1) ?? [];
    const known = [["step", state.step.toLocaleString("en")], ["epoch", state.epoch.toFixed(1)], ["cost", state.cost === null ? "–" : signed(state.cost, false)],
      ["held out", rate === undefined ? "–" : percent(rate), rate === undefined ? "" : `${percent(low)} to ${percent(high)}`]];
    this.facts.replaceChildren(...known.map(([name, value, more]) => h("div", {}, h("dt", {}, more ? `${name}, ${more}` : name), h("dd", {}, value))));
  }

  /** The weights as they are, or what learning has added to those it began with. */
  drawPictures() {
    const now = this.network.weights[0], from = this.began;
    this.drawn.forEach((canvas, i) => {
      const row = this.added ? now.row(i).map((value, k) => value - from.row(i)[k]) : now.row(i);
      paint(canvas, row, Math.sqrt(now.columns), "signed", largest(row));
    });
  }

  drawNeuron() {
    if (this.look) this.neuron.show(this.network, this.look, ...this.net.chosen, this.stage >= 2 * (this.net.last - this.net.chosen[0]) + 2);
  }

  async another() {
    this.example = Math.floor(Math.random() * this.page.about.digits.train);
    if (this.running) { this.changed(); return; }
    this.take(await this.ask("digits/own", { plan: this.wire(), fresh: false }));
  }

  async restart() {
    this.stop();
    this.warning.textContent = "";
    this.seed += 1;
    this.landscape.clear();
    await this.arrive(await this.ask("digits/own", { plan: this.wire(), fresh: true }));
  }

  /** A knob was moved: a run that goes on does so with it. */
  changed() {
    if (!this.running) return;
    clearTimeout(this.resting);
    this.resting = setTimeout(() => { if (this.running) { this.stop(); this.begin(); } }, AT_REST);
  }

  stop() {
    this.running?.abort();
    this.running = null;
    this.start.textContent = "Start";
  }

  /** Stopped, and as the server has it: it may have gone a little further than was seen. */
  async rest() {
    this.stop();
    await this.arrive(await this.ask("digits/own", { plan: this.wire(), fresh: false }));
    this.page.shell.say(`Stopped at step ${this.state.step}`);
  }

  async begin({ steps = null } = {}) {
    this.stop();
    const mine = this.running = new AbortController();
    this.start.textContent = "Stop";
    this.warning.textContent = "";
    this.seen = performance.now();
    try {
      const body = { client: this.page.client, example: this.example, learning_rate: this.rate, batch: this.batch, momentum: this.plan.momentum, pace: Number(this.pace), steps };
      for await (const told of this.page.server.events("digits/train", body, mine.signal)) {
        if (this.running !== mine) return;
        if (told.stopped) { if (told.anew) await this.restart(); this.warning.textContent = told.stopped; break; }
        this.cost.add(told.costs);
        this.right.add(told.accuracies);
        this.take(told);
        if (performance.now() - this.seen > SLICE_EVERY && this.pace !== "4") { this.seen = performance.now(); this.page.attempt(() => this.look_around()); }
      }
      this.page.tell("");
    } catch (error) {
      if (error.name !== "AbortError") this.page.trouble(error);
    }
    if (this.running !== mine) return;
    this.stop();
    this.page.shell.say(`Stopped at step ${this.state.step}`);
  }

  async look_around() {
    if (this.looking || this.state.step < 1) return;
    this.looking = true;
    this.cut.textContent = "Looking…";
    try {
      this.landscape.show(await this.ask("digits/landscape"));
    } finally {
      this.looking = false;
      this.cut.textContent = "Look again";
    }
  }
}

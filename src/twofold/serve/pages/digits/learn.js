// The second view: the client's own network while it learns. A run is one streamed answer; to stop it is to leave the stream,
// and to change a slider is to begin another from the weights that there are.

import { Curve, Landscape } from "./plot.js";
import { formOf, viewOf } from "./convolution.js";
import { NeuronView } from "./neuron.js";
import { largest, paint, signed } from "./colours.js";
import { matrix, unpack, unpackLook } from "./matrices.js";
import { explanation } from "./words.js";
import { choice, h, percent, press } from "../dom.js";

const BATCHES = [1, 2, 5, 10, 20, 32, 50, 100, 200, 500, 1000, 4000];
const PACES = [["4", "4 steps a second"], ["100", "100"], ["1000", "1,000"], ["0", "as fast as it goes"]];
const SLICE_EVERY = 5000, AT_REST = 400; // ms
const CONNECTED = {
  stages: [
    "Forward: the input, the activations, the outputs.",
    "The outputs: each wants to go towards what it should be, the more the further off it is.",
    "The weights into the outputs: one wants to change as much as the neuron it comes from is active.",
    "Hidden layer 2: a neuron wants what all the outputs want of it, by the weights that lead to them.",
    "The weights into hidden layer 2.",
    "Hidden layer 1, by the weights that lead on from it.",
    "The weights for the pixels: all that the input has no ink for are at rest.",
  ],
  wants: "A ring, and a line, is orange where it wants to go up and blue where down, scaled to the largest of its layer.",
  looks: "What hidden layer 1 looks for",
  squares: "Each square holds the weights into one neuron, where their pixels are: ink on orange speaks for the neuron, ink on blue against it. Each is scaled to its own largest.",
};
const CONVOLUTIONAL = {
  stages: [
    "Forward: the image, the maps, the outputs.",
    "The outputs: the right one wants to go up.",
    "The weights into the outputs: one wants to change as much as what it weighs is there. Point at an output to see its.",
    "The maps of convolution 2: each place wants what the outputs want of it, by the weights that lead to them.",
    "The kernels of convolution 2: what all places want of a weight is added up. Where the largest of several was kept, only it is told. Point at a map to see its kernels.",
    "The maps of convolution 1, by the kernels that lead on from them.",
    "The kernels of convolution 1.",
  ],
  wants: "What wants to go up is orange, what wants to go down blue, scaled to the largest of its layer.",
  looks: "The kernels of convolution 1",
  squares: "Each square is one kernel: ink on orange speaks for its map, ink on blue against it. Each is scaled to its own largest.",
};

export class LearnView {
  constructor(page) {
    this.page = page;
    const { digits } = page.about;
    this.plan = { activation: "sigmoid", loss: "squared", convolution: false, ...JSON.parse(sessionStorage.getItem("twofold-digits-plan") ?? "null") };
    this.words = CONNECTED;
    this.pace = "100";
    this.example = 0;
    this.stage = CONNECTED.stages.length - 1;
    this.seed = 0;
    this.turns = 0; // of knobs, by the reader
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
    this.pictures = h("div", { class: "pictures", role: "group", "aria-label": "Weights of the first layer" });
    this.which = h("p", { class: "note figures" });
    this.stages = h("input", { type: "range", min: 0, max: this.stage, value: this.stage, id: "stage", oninput: () => { this.stage = Number(this.stages.value); this.draw(); } });
    this.stageSays = h("p", { class: "note", "aria-live": "polite" });
    this.looks = h("h2");
    this.squares = h("p", { class: "note" });
    this.explained = h("div");
    this.rateField = this.slider("rate", "Learning rate", -2, 1.5, 0.01, (value) => { this.plan.rate = Number((10 ** value).toPrecision(2)); return signed(this.plan.rate, false); });
    this.batchField = this.slider("batch", "Batch", 0, BATCHES.length - 1, 1, (value) => { this.plan.batch = Math.min(BATCHES[value], digits.train); return `${this.plan.batch.toLocaleString("en")} images`; });
    const fresh = (change) => { Object.assign(this.plan, change); this.page.attempt(() => this.restart(true)); };
    this.choices = h("div", {},
      choice("loss", "Cost", [["squared", "squared error"], ["cross-entropy", "cross-entropy"]], this.plan.loss, (loss) => fresh({ loss })),
      choice("activation", "Activation", [["sigmoid", "sigmoid"], ["relu", "ReLU"]], this.plan.activation, (activation) => fresh({ activation })));
    this.fixed = h("p", { class: "note" }, "Cross-entropy and ReLU.");
    this.element = h("div", { class: "views learn" },
      h("section", { class: "controls", "aria-label": "Descent" },
        h("p", { class: "presses" }, this.start, this.one, this.reset), this.warning, this.facts,
        h("h3", {}, "Pace"), choice("pace", "Steps a second", PACES, this.pace, (value) => { this.pace = value; this.changed(); }),
        this.rateField.element, this.batchField.element,
        h("h3", {}, "Momentum"), choice("momentum", "Momentum", [["0", "none"], ["0.9", "0.9"]], "0", (value) => { this.plan.momentum = Number(value); this.changed(); }),
        h("h3", {}, "Network (begins anew)"),
        choice("convolution", "Kind", [["false", `${digits.side ** 2}–16–16–10`], ["true", "convolutional"]], String(this.plan.convolution), (value) => fresh({ convolution: value === "true" })),
        this.choices, this.fixed),
      h("div", { class: "column right" }, h("section", { class: "curves", "aria-label": "How it goes" }, this.cost.element, this.right.element),
        h("section", { class: "slice-of", "aria-label": "The landscape" }, h("h2", {}, "A slice of the landscape"), this.landscape.element, h("p", { class: "presses" }, this.cut))),
      h("div", { class: "column" }, h("section", { class: "mind", "aria-label": "One example" }, h("h2", {}, "One example, backwards"), this.which,
        h("label", { class: "note", for: "stage" }, "How far back"), this.stages, this.stageSays, this.netPlace, this.neuron.element),
        h("section", { class: "looks", "aria-label": "The first layer" }, this.looks,
        choice("pictures", "Shown are", [["all", "its weights"], ["added", "what learning has changed"]], "all", (which) => { this.added = which === "added"; if (this.network) this.drawPictures(); }), this.pictures, this.squares),
        h("section", { class: "explained" }, h("h2", {}, "What am I looking at?"), this.explained)));
  }

  slider(id, words, min, max, step, took) {
    const told = h("output", { class: "figures", for: id }), input = h("input", { type: "range", id, min, max, step });
    const take = () => { told.textContent = took(Number(input.value)); input.setAttribute("aria-valuetext", told.textContent); };
    input.addEventListener("input", take);
    input.addEventListener("change", () => this.changed());
    return { element: h("div", { class: "slider" }, h("label", { for: id }, words), told, input), set(value) { input.value = value; take(); } };
  }

  /** Knobs as they were left in this tab, or, where they were not touched or the network is another, as is usual. */
  turn({ learning_rate: rate, batch, momentum }, anew) {
    const kept = anew ? {} : this.plan, knobs = { rate: kept.rate ?? rate, batch: kept.batch ?? batch, momentum: kept.momentum ?? momentum };
    Object.assign(this.plan, knobs);
    this.rateField.set(Math.log10(knobs.rate));
    this.batchField.set(Math.max(0, BATCHES.findIndex((size) => size >= knobs.batch)));
    for (const input of this.element.querySelectorAll('input[name="momentum"]')) input.checked = Number(input.value) === knobs.momentum;
    this.keep();
  }

  keep() { sessionStorage.setItem("twofold-digits-plan", JSON.stringify(this.plan)); }

  async open() {
    await this.arrive(await this.ask("digits/own", { plan: this.wire(), fresh: false }));
    this.turn(this.state.usual, false);
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
  wire() {
    const { activation, loss, convolution } = this.plan;
    return { activation, loss, convolution, seed: this.seed };
  }

  /** What the server tells of the network: all of its descent so far. */
  async arrive(state) {
    const { activation, loss, maps } = state.network, convolution = maps.length > 0;
    Object.assign(this.plan, { convolution }, convolution ? {} : { activation, loss });
    for (const name of ["activation", "loss", "convolution"]) for (const input of this.element.querySelectorAll(`input[name="${name}"]`)) input.checked = input.value === String(this.plan[name]);
    this.choices.hidden = convolution;
    this.fixed.hidden = !convolution;
    this.began = matrix(state.began);
    this.cost.use(state.costs);
    this.right.unit = `share of ${state.held_out.toLocaleString("en")} images`;
    this.right.use(state.accuracies);
    this.take(state);
  }

  take(state) {
    this.state = { ...this.state, ...state };
    this.network = unpack(state.network);
    this.look = unpackLook(state.look);
    this.example = state.look.example;
    if (this.form !== formOf(state.network)) this.reform();
    this.draw();
  }

  /** Another kind of network has another picture, and other words. */
  reform() {
    const { network } = this;
    this.form = formOf(network);
    this.words = network.maps.length ? CONVOLUTIONAL : CONNECTED;
    this.net = viewOf(network, () => this.drawNeuron(), true);
    this.netPlace.replaceChildren(this.net.element);
    this.drawn = Array.from({ length: network.weights[0].rows }, (_, i) => h("canvas", { class: "pixels", role: "img", "aria-label": `Weights of ${this.net.name(1, i)}`, onpointerenter: () => this.net.choose(1, i) }));
    this.pictures.replaceChildren(...this.drawn);
    this.looks.textContent = this.words.looks;
    this.squares.textContent = this.words.squares;
    this.explained.replaceChildren(explanation("learning", this.page.about, network));
  }

  draw() {
    const { state, look, net, network } = this;
    if (!look) return;
    net.forward(look, network);
    net.suggest(look.gradient.biases[0].map(Math.abs));
    net.backward(look, this.stage);
    this.drawNeuron();
    this.drawPictures();
    this.stageSays.textContent = `${this.stage + 1} of ${this.words.stages.length}. ${this.words.stages[this.stage]}`;
    this.stages.setAttribute("aria-valuetext", this.stageSays.textContent);
    this.which.replaceChildren(`Training image ${look.example + 1}, a ${look.label}: its cost is ${signed(look.gradient.cost, false)}. ${this.words.wants} `,
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
    if (this.look) this.neuron.show(this.net, this.network, this.look, this.stage >= 2 * (this.net.last - this.net.chosen[0]) + 2);
  }

  async another() {
    this.example = Math.floor(Math.random() * this.page.about.digits.train);
    if (this.running) { this.changed(); return; }
    this.take(await this.ask("digits/own", { plan: this.wire(), fresh: false }));
  }

  /** Begun anew; `other`: as another kind of network. */
  async restart(other = false) {
    this.stop();
    this.warning.textContent = "";
    this.seed += 1;
    this.landscape.clear();
    const { turns } = this;
    await this.arrive(await this.ask("digits/own", { plan: this.wire(), fresh: true }));
    this.turn(this.state.usual, other && turns === this.turns); // what a reader turned meanwhile stays
  }

  /** A knob was moved: a run that goes on does so with it. */
  changed() {
    this.turns += 1;
    this.keep();
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
      const body = { client: this.page.client, example: this.example, learning_rate: this.plan.rate, batch: this.plan.batch, momentum: this.plan.momentum, pace: Number(this.pace), steps };
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

// The blocks: every head's pattern, and, of what is opened, who looks at whom, the numbers of one pair, and an MLP's neurons.

import { largest, paint, signed } from "../digits/colours.js";
import { copyButton, h, percent, press } from "../dom.js";
import { spelled } from "../tokens.js";
import { explanation } from "./words.js";

const isMlp = (name) => name.startsWith("mlp");

export class Blocks {
  constructor(page) {
    this.page = page;
    this.opened = null; // "3.0", or "mlp3"
    this.key = null;
    this.list = h("div", { class: "layers" });
    this.words = h("div");
    this.element = h("section", { class: "blocks", "aria-labelledby": "blocks-name" }, h("h2", { id: "blocks-name" }, "The blocks"),
      h("p", { class: "note" }, "A row for each layer, a picture for each of its heads: down, the token that looks; across, the one that is looked at, from none of its attention (paper) to all (ink). Open one."), this.list, this.words);
    this.detail = h("div", { class: "detail" });
  }

  open(about) {
    this.about = about;
    this.words.replaceChildren(explanation("block", about));
  }

  show(seen, attention) {
    Object.assign(this, { seen, attention });
    if (this.list.children.length !== seen.layers || this.shape !== `${seen.heads} ${seen.mlp}`) this.build();
    this.draw();
  }

  build() {
    const { seen } = this;
    this.shape = `${seen.heads} ${seen.mlp}`;
    this.opened = null;
    this.buttons = new Map();
    const button = (name, words, inside) => {
      const made = h("button", { type: "button", class: "part", "aria-expanded": "false", onclick: () => this.toggle(name), onkeydown: (event) => { if (event.key === "x") this.cut(name); } }, inside, h("span", {}, words));
      this.buttons.set(name, made);
      return made;
    };
    this.list.replaceChildren(...Array.from({ length: seen.layers }, (_, l) => h("div", { class: "layer", role: "group", "aria-label": `Layer ${l}` }, h("span", { class: "layer-name note figures" }, `layer ${l}`),
      h("div", { class: "parts" }, ...Array.from({ length: seen.heads }, (_, i) => button(`${l}.${i}`, `${l}.${i}`, h("canvas", { class: "pattern", "aria-hidden": "true" }))), seen.mlp && button(`mlp${l}`, `MLP ${l}`, h("i", { class: "mlp", "aria-hidden": "true" }))))));
  }

  cut(name) { if (isMlp(name)) this.page.cut("mlp", Number(name.slice(3))); else this.page.cut("head", name); }

  isCut(name) { return isMlp(name) ? this.page.cutMlps.has(Number(name.slice(3))) : this.page.cutHeads.has(name); }

  pattern(name) {
    const [layer, head] = name.split(".").map(Number), n = this.seen.tokens.length, at = (layer * this.seen.heads + head) * n * n;
    return this.attention.subarray(at, at + n * n);
  }

  draw() {
    if (!this.seen) return;
    const n = this.seen.tokens.length;
    for (const [name, button] of this.buttons) {
      if (!isMlp(name)) paint(button.firstChild, this.pattern(name), n, "ink", 255);
      button.classList.toggle("cut", this.isCut(name));
      button.setAttribute("aria-label", `${isMlp(name) ? `MLP of layer ${name.slice(3)}` : `Head ${name}`}${this.isCut(name) ? ", cut out" : ""}`);
    }
    if (this.opened) this.drawDetail();
  }

  toggle(name) {
    if (this.opened) this.buttons.get(this.opened).setAttribute("aria-expanded", "false");
    this.opened = this.opened === name ? null : name;
    this.key = null;
    this.detail.remove();
    if (!this.opened) return;
    const button = this.buttons.get(name);
    button.setAttribute("aria-expanded", "true");
    button.closest(".layer").append(this.detail);
    this.drawDetail();
  }

  drawDetail() {
    if (isMlp(this.opened)) this.drawNeurons(); else this.drawHead();
  }

  cutButton() { return press(this.isCut(this.opened) ? "Put it back" : "Cut it out", () => this.cut(this.opened), { class: "cut-it" }); }

  // A head

  drawHead() {
    const { seen, opened } = this, n = seen.tokens.length, values = this.pattern(opened), query = seen.position, row = values.subarray(query * n, query * n + n);
    if (this.key === null || this.key > query) this.key = row.indexOf(Math.max(...row));
    const focused = this.detail.contains(document.activeElement) ? document.activeElement.className : null;
    const canvas = h("canvas", { class: "pattern large", tabindex: 0, role: "application", "aria-label": `Pattern of head ${opened}; the arrow keys choose who looks and who is looked at`,
      onclick: (event) => { const box = canvas.getBoundingClientRect(); this.pick(Math.floor(n * (event.clientY - box.top) / box.height), Math.floor(n * (event.clientX - box.left) / box.width)); },
      onkeydown: (event) => { const [dq, dk] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? []; if (dq !== undefined) { event.preventDefault(); this.pick(query + dq, this.key + dk); } } });
    paint(canvas, values, n, "ink", 255);
    const mark = h("i", { class: "mark" });
    Object.assign(mark.style, { left: `${100 * this.key / n}%`, top: `${100 * query / n}%`, width: `${100 / n}%`, height: `${100 / n}%` });
    const looked = h("div", { class: "tokens" }, ...seen.tokens.slice(0, query + 1).map(({ text, bytes }, k) => {
      const button = h("button", { type: "button", class: "token", "aria-pressed": String(k === this.key), "aria-label": `${k}: ${text}, ${percent(row[k] / 255)}`, onclick: () => this.pick(query, k) }, spelled(text, bytes));
      button.style.background = `color-mix(in srgb, var(--accent) ${Math.round(45 * row[k] / 255)}%, transparent)`;
      return button;
    }));
    const copied = () => ["looks,looked at,weight of 255", ...Array.from({ length: n * n }, (_, i) => `${Math.floor(i / n)},${i % n},${values[i]}`)].join("\n");
    this.pair = h("div", { class: "meeting" }, ...(this.shown?.key === this.pairKey() ? this.pair.childNodes : [h("p", { class: "note" }, "The numbers of the pair are fetched…")]));
    this.detail.replaceChildren(h("h3", {}, `Head ${opened}`), h("figure", {}, h("div", { class: "framed" }, canvas, mark), h("figcaption", { class: "note" }, "Down: who looks. Across: who is looked at. Choose a pair. ", copyButton("Copy as CSV", copied))),
      h("div", { class: "beside" }, h("p", { class: "presses" }, this.cutButton()), h("p", { class: "note" }, `Token ${query}, ${spelled(seen.tokens[query].text, seen.tokens[query].bytes)}, looks at:`), looked, this.pair));
    if (focused !== null) this.detail.querySelector(`[class="${focused}"]${focused === "token" ? '[aria-pressed="true"]' : ""}`)?.focus();
    this.page.attempt(() => this.meet());
  }

  pick(query, key) {
    const n = this.seen.tokens.length;
    query = Math.max(0, Math.min(n - 1, query));
    this.key = Math.max(0, Math.min(query, key));
    if (query !== this.seen.position) { this.seen.position = query; this.page.choose(query); }
    this.drawHead();
  }

  pairKey() { return JSON.stringify([this.page.asked, this.opened, this.seen.position, this.key]); }

  async meet() {
    const key = this.pairKey(), [layer, head] = this.opened.split(".").map(Number);
    if (this.shown?.key !== key) {
      const body = { ...this.page.asked, layer, head, query: this.seen.position, key: this.key };
      const met = await this.page.server.json("inside/meeting", { body, signal: this.page.leaving.signal });
      if (!this.opened || key !== this.pairKey()) return;
      this.shown = { key, met };
    }
    this.pair.replaceChildren(...this.numbers(this.shown.met));
  }

  numbers(met) {
    const e = met.query.length, most = largest([...met.query, ...met.key]), name = (i) => spelled(this.seen.tokens[i].text, this.seen.tokens[i].bytes);
    const strip = (words, values, scale) => {
      const canvas = h("canvas", { class: "strip", role: "img", "aria-label": `${words}: ${values.map((one) => signed(one)).join(", ")}` });
      paint(canvas, values, e, "signed", scale);
      return [h("span", { class: "note" }, words), canvas, h("span", { class: "note figures" }, `±${signed(scale, false)}`)];
    };
    const list = (them) => them.map(({ text, bytes, value }) => `${spelled(text, bytes)} ${signed(value)}`).join(", ");
    return [h("div", { class: "strips" }, ...strip(`q of ${name(this.seen.position)}`, met.query, most), ...strip(`k of ${name(this.key)}`, met.key, most), ...strip("q × k", met.products, largest(met.products)), ...strip(`v of ${name(this.key)}`, met.value, largest(met.value))),
      h("p", { class: "sum figures" }, `q · k = ${signed(met.score * Math.sqrt(e), false)};  ÷ √${e} = ${signed(met.score, false)};  softmax over ${this.seen.position + 1} tokens = ${percent(met.weight)}`),
      h("p", { class: "note figures" }, `Moved there: v × ${percent(met.weight)}. Straight to the scores, in logits, it raises ${list(met.raises)}; it lowers ${list(met.lowers)}.`), explanation("pair", this.about)];
  }

  // An MLP

  async drawNeurons() {
    const layer = Number(this.opened.slice(3)), opened = this.opened;
    if (!this.detail.children.length || this.detail.firstChild.textContent !== `MLP of layer ${layer}`) this.detail.replaceChildren(h("h3", {}, `MLP of layer ${layer}`), h("p", { class: "note" }, "The neurons are fetched…"));
    await this.page.attempt(async () => {
      const { neurons, of } = await this.page.server.json("inside/neurons", { body: { ...this.page.asked, layer }, signal: this.page.leaving.signal });
      if (this.opened !== opened) return;
      const most = largest(neurons.map(([, value]) => value)), excited = h("div", { class: "excited", "aria-live": "polite" });
      this.detail.replaceChildren(h("h3", {}, `MLP of layer ${layer}`), h("div", { class: "beside" }, h("p", { class: "presses" }, this.cutButton()),
        h("p", { class: "note" }, `The most active of ${of.toLocaleString("en")} neurons at token ${this.seen.position}. Choose one to see which texts excite it most.`),
        h("ul", { class: "neurons" }, ...neurons.map(([i, value]) => {
          const bar = h("i", { class: value < 0 ? "less" : "more" });
          bar.style.width = `${100 * Math.abs(value) / most}%`;
          return h("li", {}, press(`neuron ${i}`, () => this.excite(layer, i, excited)), h("span", { class: "track" }, bar), h("span", { class: "figures note" }, signed(value)));
        })), excited, explanation("neurons", this.about)));
    });
  }

  async excite(layer, neuron, place) {
    place.replaceChildren(h("p", { class: "note" }, `Texts go through the model, to find what excites neuron ${neuron}…`));
    await this.page.attempt(async () => {
      const found = await this.page.server.json("inside/exciting", { body: { ...this.page.asked, layer, neuron }, signal: this.page.leaving.signal });
      place.replaceChildren(h("p", { class: "note" }, `Where neuron ${neuron} is highest in ${found.tokens.toLocaleString("en")} tokens of ${found.source}; its mean there is ${signed(found.mean)}.`),
        h("ol", {}, ...found.places.map(({ before, token, after, value }) => h("li", {}, h("span", { class: "figures note" }, signed(value)), " ", before, h("mark", {}, token), after))));
    });
  }
}

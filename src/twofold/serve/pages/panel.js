// The next token: what the model held likely at a place, and what the settings make of it, at once.

import { h, percent, press } from "./dom.js";
import { STEPS, drawn, entropy } from "./sampling.js";
import { explain } from "./explain.js";
import { ends, spelled, spoken } from "./tokens.js";

const KNOBS = [
  ["temperature", "Temperature", 0, 2, 0.05, (v) => v === 0 ? "0, always the likeliest" : v.toFixed(2)],
  ["top_k", "Top-k", 0, 100, 1, (v) => v || "all"],
  ["top_p", "Top-p", 0.01, 1, 0.01, (v) => v === 1 ? "1, all" : v.toFixed(2)],
  ["min_p", "Min-p", 0, 0.5, 0.01, (v) => v === 0 ? "0, all" : v.toFixed(2)],
];
const FIRST = 8;

export class Panel {
  constructor(chat) {
    this.chat = chat;
    this.target = null;
    this.more = false;
    this.where = h("p", { class: "where" });
    this.slider = h("input", { type: "range", min: 0, step: 1, "aria-label": "Token of the answer", oninput: () => chat.look(this.target.turn, Number(this.slider.value), false) });
    this.place = h("output", { class: "figures" });
    this.walk = h("div", { class: "walk" }, this.slider, this.place);
    this.rows = h("tbody");
    this.sharp = h("th", { scope: "col" }, "drawn");
    this.table = h("table", {}, h("caption", { class: "unseen" }, "The likeliest next tokens, the model's own chance of each, and its chance to be drawn with these settings"),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "next token"), h("th", { scope: "col" }, "model"), this.sharp)), this.rows);
    this.note = h("p", { class: "note" });
    this.moreButton = press("Show more", () => { this.more = !this.more; this.draw(); });
    this.askButton = press("Ask for its next token", () => chat.askNext());
    this.knobs = KNOBS.map((knob) => this.knob(...knob));
    this.colours = h("input", { type: "checkbox", onchange: () => chat.useColours(this.colours.checked) });
    this.element = h("div", { class: "panel" },
      h("div", { class: "head" }, h("h2", { id: "panel-name" }, "The next token"), press("Close", () => chat.drawers.close(), { class: "close" })),
      this.where, this.walk, this.table, this.note, h("p", { class: "presses" }, this.moreButton, this.askButton),
      h("div", { class: "knobs" }, ...this.knobs.map(({ element }) => element)), explained(),
      h("div", { class: "colours" }, h("label", {}, this.colours, " Colour answers by how likely each token was"),
        h("p", { class: "legend note", "aria-label": "From likely to unlikely" }, ...STEPS.map((words, i) => set(h("span", {}, words), "--chance", `var(--chance-${i + 1})`)))));
  }

  knob(name, words, min, max, step, format) {
    const output = h("output", { class: "figures" });
    const input = h("input", { type: "range", id: `knob-${name}`, min, max, step, oninput: () => {
      this.settings[name] = Number(input.value);
      this.say();
      this.chat.keepSettings(this.settings);
      this.draw();
    } });
    return { name, input, output, format, element: h("div", { class: "knob" }, h("label", { for: input.id }, words), output, input) };
  }

  say() {
    for (const { name, input, output, format } of this.knobs) {
      output.textContent = format(this.settings[name]);
      input.setAttribute("aria-valuetext", output.textContent);
    }
  }

  use(settings, vocabulary) {
    this.settings = settings;
    this.vocabulary = vocabulary;
    for (const { name, input } of this.knobs) input.value = settings[name];
    this.say();
    this.draw();
  }

  /** `target`: { token, turn, index, of, before, why } of an answer, { token, before, why } of a question, or null. */
  show(target) {
    this.target = target;
    this.draw();
  }

  draw() {
    const { target, settings } = this, has = Boolean(target?.token.others.length);
    this.table.hidden = !has;
    this.walk.hidden = !(target?.of > 1);
    this.where.replaceChildren(...this.told(target));
    this.moreButton.hidden = !has || target.token.others.length <= FIRST;
    this.note.hidden = !has;
    if (!has || !settings) return;
    if (target.of > 1) {
      this.slider.max = target.of - 1;
      this.slider.value = target.index;
      this.slider.setAttribute("aria-valuetext", `${target.index + 1} of ${target.of}: ${spoken(target.token.text, target.token.bytes)}, ${percent(target.token.p)}`);
      this.place.textContent = `${target.index + 1} of ${target.of}`;
    }
    const { others } = target.token, chances = others.map((one) => one[1]), vocabulary = this.vocabulary ?? Math.max(50000, others.length);
    const result = drawn(chances, settings, vocabulary), focused = this.rows.querySelector("button:focus")?.dataset.at;
    const shown = this.more ? others.length : Math.min(FIRST, others.length);
    const widest = Math.max(chances[0], ...result.tokens.map((one) => one.high));
    this.rows.replaceChildren(...others.slice(0, shown).flatMap((one, i) => this.row(one, result.tokens[i], i, widest)),
      ...this.rest(chances, result, shown, widest));
    if (focused !== undefined) this.rows.querySelector(`button[data-at="${focused}"]`)?.focus();
    const left = result.tokens.filter((one) => !one.cut).length, unknown = result.others.high > 0;
    const sure = `${unknown ? `At least ${left}` : left} of ${vocabulary.toLocaleString("en")} tokens can be drawn; the model's choice held ${entropy(chances).toFixed(1)} bits of doubt.`;
    this.note.textContent = `${sure}${target.turn ? " Choose one to go on from it." : ""}`;
    this.moreButton.textContent = this.more ? "Show fewer" : `Show ${others.length - FIRST} more`;
    this.moreButton.setAttribute("aria-expanded", String(this.more));
  }

  told(target) {
    if (!target) return ["Click a word of an answer to see what else the model might have written there."];
    const context = target.before.length > 60 ? `…${target.before.slice(-60)}` : target.before;
    return [h("q", {}, context, h("b", {}, target.turn ? spelled(target.token.text, target.token.bytes) : "…")),
      ...(target.why ? [h("span", { class: "note" }, ` · ${target.why}`)] : [])];
  }

  row([text, p, bytes], { cut, low, high }, i, widest) {
    const { target } = this, chosen = target.turn && text === target.token.text, name = spelled(text, bytes);
    const words = ends(text) ? "end of the answer" : null;
    const button = press(name, () => this.chat.pick(target, i), { "data-at": i, "aria-label": `Go on from ${spoken(text, bytes)}`, class: "token", disabled: chosen });
    return [h("tr", { class: chosen ? "chosen" : null }, h("th", { scope: "row" }, button, words && h("span", { class: "why" }, words), chosen && h("span", { class: "why" }, "written")),
      h("td", {}, percent(p)), drawnAs(cut, low, high)), bar(p / widest, (low + high) / 2 / widest)];
  }

  rest(chances, result, shown, widest) {
    const hidden = chances.slice(shown), model = hidden.reduce((all, p) => all + p, 0) + result.others.model;
    const low = result.tokens.slice(shown).reduce((all, one) => all + one.low, 0) + result.others.low;
    const high = result.tokens.slice(shown).reduce((all, one) => all + one.high, 0) + result.others.high;
    if (model < 0.00005) return [];
    return [h("tr", { class: "rest" }, h("th", { scope: "row" }, "all others"), h("td", {}, percent(model)), drawnAs(high === 0 && "cut", low, high)), bar(model / widest, (low + high) / 2 / widest)];
  }
}

const drawnAs = (cut, low, high) => h("td", { class: cut ? "quiet" : null }, cut || (high - low > 0.0005 ? `${(100 * low).toFixed(1)}–${percent(high)}` : percent(high)));

function set(element, name, value) {
  element.style.setProperty(name, value);
  return element;
}

/** The model's chance, faint, and over it the chance to be drawn. */
function bar(model, sharp) {
  const part = (kind, to) => set(h("i", { class: kind }), "--to", Math.min(1, to));
  return h("tr", { class: "bar", "aria-hidden": "true" }, h("td", { colspan: 3 }, h("span", { class: "track" }, part("faint", model), part("", sharp))));
}

const POWER = (i) => `<msubsup><mi>p</mi><mi>${i}</mi><mrow><mn>1</mn><mo>/</mo><mi>T</mi></mrow></msubsup>`;
const FORMULA = `<math display="block"><msub><mi>q</mi><mi>i</mi></msub><mo>=</mo><mfrac>${POWER("i")}<mrow><munder><mo>∑</mo><mrow><mi>j</mi><mo>∈</mo><mi>K</mi></mrow></munder>${POWER("j")}</mrow></mfrac></math>`;

function explained() {
  const formula = new DOMParser().parseFromString(FORMULA, "text/html").body.firstChild;
  return explain("the settings", {
    plain: [h("p", {}, "Before a token is drawn, unlikely ones are cut. Top‑k leaves the k likeliest; top‑p the fewest that hold so much of the chance; min‑p those at least so many times as likely as the likeliest."),
      h("p", {}, "Temperature then changes what is left: below 1 the likely ones gain, above 1 the unlikely ones, and 0 always takes the likeliest. The faint bar is the model's own belief, the strong one what is drawn by.")],
    mathematics: [h("p", {}, "With the model's chances falling, the kept set K has the tokens i ≤ k with"),
      h("p", {}, h("i", {}, "p₁ + … + pᵢ₋₁ < top-p · (p₁ + … + pₖ)"), " and ", h("i", {}, "pᵢ ≥ min-p · p₁"), ". From it is drawn by"), formula,
      h("p", {}, "T → 0 leaves the likeliest; T = 1 the model's own proportions; T → ∞ makes all of K alike.")],
    code: [h("pre", { tabindex: "0", "aria-label": "From run.py" }, h("code", {}, SOURCE.join("\n"))), h("p", {}, h("code", {}, "distribution"), " in run.py, the file that runs the model anywhere.")],
  });
}

export const SOURCE = [
  "p = np.exp(z[ids] - z[ids[0]])",
  "keep = (np.cumsum(p) - p < top_p * p.sum()) & (p >= min_p)",
  "keep[0] = True",
  "p = np.exp((z[ids[keep]] - z[ids[0]]) / (temperature or 1))",
  "return ids[keep], p / p.sum()",
];

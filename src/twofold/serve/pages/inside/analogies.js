// a is to b as c is to what? The answers by cosine, and how often such a question is answered rightly at all.

import { colour, signed } from "../digits/colours.js";
import { copyButton, count, h, percent } from "../dom.js";
import { recall, remember } from "../explain.js";
import { spelled } from "../tokens.js";
import { explanation } from "./words.js";

const BEGIN = { a: "man", b: "woman", c: "king", d: "queen", more: "boy: girl\nfather: mother\nson: daughter\nhe: she", spaced: true };
const MOST = 11;
const COUNTED = { holds: "with the step of the other pair", unrelated: "with that of two tokens drawn by chance", nearest: "with none: the nearest to the third word" };

/** Tokens with a cosine each. */
export const ranked = (tokens, expected = null) => tokens.map(({ id, text, bytes, value }) => {
  const bar = h("i");
  bar.style.width = `${100 * Math.max(0, value)}%`;
  bar.style.background = colour("signed", 1);
  return h("li", { class: id === expected ? "expected" : null }, h("span", {}, spelled(text, bytes)), h("span", { class: "track" }, bar), h("span", { class: "figures note" }, signed(value, false)));
});

export class Analogies {
  constructor(page) {
    this.page = page;
    const given = { ...BEGIN, ...JSON.parse(recall("inside-analogy") ?? "{}") };
    const field = (name, label, more = {}) => (this[name] = h("input", { value: given[name], "aria-label": label, spellcheck: false, autocapitalize: "off", autocomplete: "off", size: 9, ...more }));
    this.more = h("textarea", { rows: 4, id: "inside-pairs", value: given.more, spellcheck: false });
    this.spaced = h("input", { type: "checkbox", checked: given.spaced });
    this.told = h("div", { role: "alert" });
    this.read = h("p", { class: "note" });
    this.answers = h("ol", { class: "near" });
    this.rank = h("p", { class: "figures", role: "status" });
    this.counts = h("tbody");
    this.basis = h("p", { class: "note" });
    this.words = h("div");
    const form = h("form", { onsubmit: (event) => { event.preventDefault(); this.changed(); }, onchange: () => this.changed() },
      h("p", { class: "question" }, field("a", "First word, a"), " is to ", field("b", "Second word, b"), " as ", field("c", "Third word, c"), " is to ", field("d", "Expected answer, d; may be empty", { placeholder: "?" })),
      h("label", { class: "note", for: "inside-pairs" }, "More pairs of the same relation, one a line"), this.more,
      h("p", { class: "note" }, h("label", {}, this.spaced, " a space before each word, as within a text")), h("button", { class: "main" }, "Ask"));
    this.element = h("section", { class: "analogies", "aria-labelledby": "analogies-name" }, h("h2", { id: "analogies-name" }, "Analogies"),
      h("p", { class: "note" }, "From the first word to the second there is a step. Does the same step lead from the third to the fourth?"), form, this.told, this.rank, this.answers, this.read,
      h("table", {}, h("caption", { class: "note" }, "How often such a question is answered rightly"), this.counts), this.basis, h("p", { class: "note" }, copyButton("Copy as CSV", () => this.copied())), this.words);
  }

  open(about) { this.words.replaceChildren(explanation("analogies", about)); }

  changed() {
    remember("inside-analogy", JSON.stringify({ a: this.a.value, b: this.b.value, c: this.c.value, d: this.d.value, more: this.more.value, spaced: this.spaced.checked }));
    this.page.attempt(() => this.show());
  }

  /** The question, and what is wrong with it: "" for nothing. */
  written() {
    const [a, b, c, d] = [this.a, this.b, this.c, this.d].map(({ value }) => value.trim()), word = (text) => (this.spaced.checked ? " " : "") + text;
    const more = this.more.value.split("\n").map((line) => line.trim()).filter(Boolean).map((line) => line.split(":").map((one) => one.trim())), odd = more.find((pair) => pair.length !== 2 || !pair.every(Boolean));
    const wrong = !(a && b && c) ? "The first three words are needed." : odd ? `“${odd.join(": ")}” is not a pair; write one as boy: girl` : more.length > MOST ? `${MOST} more pairs are counted at most; leave some out.` : "";
    return [{ pairs: [[a, b], ...more].map((pair) => pair.map(word)), c: word(c), d: d ? word(d) : null }, wrong];
  }

  async show() {
    const { page } = this, [question, wrong] = this.written(), body = { model: page.asked.model, step: page.step, ...question }, asked = JSON.stringify(body);
    this.told.replaceChildren(...(wrong ? [h("p", { class: "alarm note" }, wrong)] : []));
    if (wrong || asked === this.asked) return;
    this.asked = asked;
    try {
      const found = await page.server.json("inside/analogous", { body, signal: page.leaving.signal });
      if (asked !== this.asked) return; // another was asked meanwhile
      Object.assign(this, { found, body });
      this.draw();
    } catch (error) {
      this.asked = null;
      throw error;
    }
  }

  draw() {
    const { found, body } = this;
    if (!found) return;
    const { read, answers, of, ranks, counts } = found, name = ({ text, bytes }) => spelled(text, bytes), [a, b] = read, [c, d] = read.slice(2 * body.pairs.length);
    const asked = `${name(a)} is to ${name(b)} as ${name(c)} is to`;
    this.rank.textContent = !d ? `${asked} …` : !ranks ? `${asked} … ${name(d)} is one of the three, which are left out of the answers.`
      : `${asked} ${name(d)}: number ${ranks[0].toLocaleString("en")} of ${of.toLocaleString("en")}. Without the step, by nearness to ${name(c)} alone, it would be number ${ranks[1].toLocaleString("en")}.`;
    this.answers.replaceChildren(...ranked(answers, d?.id));
    const words = [...body.pairs.flat(), body.c, body.d ?? ""], cut = read.flatMap((one, i) => (one.tokens > 1 ? [`${spelled(words[i])} as ${name(one)}`] : []));
    this.read.textContent = cut.length ? `Only a word's first token is compared, and these have more: ${[...new Set(cut)].join(", ")}. Of them nothing can be learned here.` : "";
    this.counts.replaceChildren(...Object.entries(counts ?? {}).map(([kind, { right, of: n, interval }]) => {
      const bar = h("i", { class: "bar" }), range = h("i", { class: "range" });
      bar.style.width = `${100 * right / (n || 1)}%`;
      range.style.left = `${100 * interval[0]}%`;
      range.style.width = `${100 * (interval[1] - interval[0])}%`;
      return h("tr", {}, h("th", { scope: "row" }, COUNTED[kind]), h("td", { class: "track", "aria-hidden": "true" }, h("span", {}, bar, range)), h("td", {}, `${right} of ${n}`), h("td", { class: "note" }, `${percent(interval[0])} to ${percent(interval[1])}`));
    }));
    const pairs = body.pairs.length + (body.d === null ? 0 : 1);
    this.basis.textContent = counts ? `${count(counts.holds.of, "question")}: every two of ${count(pairs, "pair")}, both ways, but those in which a word comes twice. The lines are intervals of 95 %, as if each question stood for itself; those that share a pair do not.` : "With two pairs or more it is counted how often such a question is answered rightly.";
  }

  copied() {
    const { answers, counts } = this.found;
    return ["answer,cosine", ...answers.map(({ text, value }) => `${JSON.stringify(text)},${value}`), "step,right,of,low,high", ...Object.entries(counts ?? {}).map(([kind, { right, of, interval }]) => [kind, right, of, ...interval].join())].join("\n");
  }
}

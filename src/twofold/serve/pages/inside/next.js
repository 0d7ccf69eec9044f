// What comes next: the likeliest tokens at any temperature, with what is cut out and without.

import { copyButton, h, percent, press } from "../dom.js";
import { recall, remember } from "../explain.js";
import { spelled } from "../tokens.js";
import { explanation } from "./words.js";

export class NextView {
  constructor(page) {
    this.page = page;
    this.where = h("p", { class: "note" });
    this.rows = h("tbody");
    this.slider = h("input", { type: "range", id: "inside-temperature", min: 0, max: 40, step: 1, oninput: () => { remember("inside-temperature", this.slider.value); this.draw(); } });
    this.slider.value = recall("inside-temperature") ?? 20;
    this.told = h("output", { class: "figures" });
    this.cuts = h("p", { class: "cuts note" });
    this.other = h("textarea", { rows: 1, id: "inside-other", oninput: () => { page.other = this.other.value || null; if (page.cutHeads.size + page.cutMlps.size) page.attempt(() => page.refresh()); } });
    const others = h("details", {}, h("summary", {}, "Take them from another text"), h("label", { class: "note", for: "inside-other" }, "What is cut out is then not nothing, but what it is in this text, which has as many tokens"), this.other);
    this.words = h("div");
    const copied = () => ["token,temperature,chance,chance of the whole model", ...this.page.seen.next.tokens.map(({ text }, i) => [JSON.stringify(text), this.page.seen.next.temperatures[this.at], this.page.seen.next.now[this.at][i], this.page.seen.next.whole?.[this.at][i] ?? ""].join())].join("\n");
    this.element = h("section", { class: "next", "aria-labelledby": "next-name" }, h("h2", { id: "next-name" }, "What comes next"), this.where,
      h("table", {}, h("caption", { class: "unseen" }, "The likeliest next tokens and their chances"), this.rows),
      h("div", { class: "slider" }, h("label", { for: "inside-temperature" }, "Temperature"), this.told, this.slider), this.cuts, others,
      h("p", { class: "note" }, copyButton("Copy as CSV", copied)), this.words);
  }

  open(about) { this.words.replaceChildren(explanation("next", about)); }

  get at() { return Number(this.slider.value); }

  show(seen) {
    this.seen = seen;
    this.draw();
  }

  draw() {
    const { page, seen, at } = this;
    if (!seen) return;
    const { tokens, temperatures, now, whole } = seen.next, here = seen.tokens[seen.position];
    this.told.textContent = temperatures[at] === 0 ? "0, always the likeliest" : temperatures[at].toFixed(2);
    this.slider.setAttribute("aria-valuetext", this.told.textContent);
    this.where.textContent = `After token ${seen.position}, ${spelled(here.text, here.bytes)}. ${whole ? "The bar is the model with parts changed; the line, and the second number, the whole one." : "The model's own chances."}`;
    this.rows.replaceChildren(...tokens.map(({ text, bytes }, i) => {
      const bar = h("i", { class: "bar" }), line = whole && h("i", { class: "line" });
      bar.style.width = `${100 * now[at][i]}%`;
      if (line) line.style.left = `${100 * whole[at][i]}%`;
      return h("tr", {}, h("th", { scope: "row" }, spelled(text, bytes)), h("td", { class: "track", "aria-hidden": "true" }, h("span", {}, bar, line)), h("td", {}, percent(now[at][i])), whole && h("td", { class: "before" }, percent(whole[at][i])));
    }));
    const heads = [...page.cutHeads], mlps = [...page.cutMlps];
    this.cuts.replaceChildren(...(heads.length + mlps.length ? [page.other ? "From the other text: " : "Cut out: ", ...heads.map((name) => press(`head ${name}`, () => page.cut("head", name), { title: "Put it back" })), ...mlps.map((layer) => press(`MLP ${layer}`, () => page.cut("mlp", layer), { title: "Put it back" })), press("all back", () => page.restore())] : ["Nothing is cut out. Press x on a head or an MLP, or open it, to see what the model says without it."]));
  }
}

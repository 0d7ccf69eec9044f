// Who raised the likeliest next token: each head's and MLP's share in its score, and what becomes of it without each.

import { colour, signed } from "../digits/colours.js";
import { copyButton, h, percent, press } from "../dom.js";
import { spelled } from "../tokens.js";
import { explanation } from "./words.js";

export class Shares {
  constructor(page) {
    this.page = page;
    this.lead = h("p", { class: "note" });
    this.table = h("table", {});
    this.told = h("p", { class: "note figures reading", "aria-live": "polite" });
    this.scale = h("p", { class: "scale signed note figures" });
    this.words = h("div");
    this.way = press("", () => page.attempt(() => this.turn()));
    this.element = h("section", { class: "shares", "aria-labelledby": "shares-name" }, h("h2", { id: "shares-name" }, "Who raised it"), this.lead, h("p", { class: "presses" }, this.way),
      h("div", { class: "scroll" }, this.table), this.scale, this.told, h("p", { class: "note" }, copyButton("Copy as CSV", () => this.copied())), this.words);
  }

  open(about) { this.words.replaceChildren(explanation("shares", about)); }

  wait() { this.told.textContent = "The shares are being added up…"; }

  show(seen, shares) {
    Object.assign(this, { seen, shares, effects: null });
    this.draw();
  }

  /** From what each part wrote to what happens without it, or as it is in the other text; and back. */
  async turn() {
    const { page, shares } = this;
    if (this.effects) this.effects = null;
    else {
      this.told.textContent = "Every part is taken out by itself, which takes a moment…";
      const found = await page.server.json("inside/effects", { body: page.asked, signal: page.leaving.signal });
      if (this.shares !== shares) return; // another text meanwhile
      this.effects = found;
    }
    this.draw();
  }

  draw() {
    const { effects, page, seen } = this, shares = effects ?? this.shares;
    if (!shares) return;
    const name = spelled(shares.token.text, shares.token.bytes), other = page.other ? "as it is in the other text" : "cut out";
    this.way.textContent = effects ? "Show what each wrote" : page.other ? "Try each part as in the other text" : "Try each part without it";
    const parts = [...shares.heads.flat(), ...(seen.mlp ? shares.mlps : [])];
    const most = parts.reduce((all, one) => Math.max(all, Math.abs(one)), 1e-9);
    this.lead.textContent = effects ? `In the whole model ${name} has ${percent(effects.chance)}. When one part alone is ${other}, the logarithm of that changes by so much: −0.69 halves it.` : `The score of ${name} is ${signed(shares.logit, false)}: ${signed(shares.embedding)} from the token's own embedding${shares.rest ? `, ${signed(shares.rest)} from biases` : ""}, and what each head and MLP wrote. Press a cell to cut that part out.`;
    const cell = (value, words, kind, which, cut) => {
      const read = () => { this.told.textContent = `${words}: ${signed(value)}`; };
      const button = h("button", { type: "button", class: "cell", "aria-label": `${words}, ${signed(value)}`, "aria-pressed": String(cut), onclick: () => page.cut(kind, which), onpointerenter: read, onfocus: read });
      button.style.background = colour("signed", value, most);
      return h("td", {}, button);
    };
    const focused = [...this.table.querySelectorAll("button")].indexOf(document.activeElement);
    this.table.replaceChildren(h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "layer"), ...Array.from({ length: seen.heads }, (_, i) => h("th", { scope: "col" }, `head ${i}`)), seen.mlp && h("th", { scope: "col" }, "MLP"))),
      h("tbody", {}, ...shares.heads.map((row, l) => h("tr", {}, h("th", { scope: "row" }, l), ...row.map((value, i) => cell(value, `Head ${l}.${i}`, "head", `${l}.${i}`, page.cutHeads.has(`${l}.${i}`))), seen.mlp && cell(shares.mlps[l], `MLP ${l}`, "mlp", l, page.cutMlps.has(l))))));
    if (focused >= 0) this.table.querySelectorAll("button")[focused]?.focus();
    this.scale.replaceChildren(h("span", {}, `${signed(-most)} ${effects ? "makes it less likely" : `lowers ${name}`}`), h("span", {}, `${effects ? "more likely" : "raises it"} ${signed(most)}`));
    const strongest = [...shares.heads.flatMap((row, l) => row.map((value, i) => [value, `head ${l}.${i}`])), ...(seen.mlp ? shares.mlps.map((value, l) => [value, `MLP ${l}`]) : [])].sort((a, b) => Math.abs(b[0]) - Math.abs(a[0])).slice(0, 3);
    this.told.textContent = `Strongest: ${strongest.map(([value, words]) => `${words} ${signed(value)}`).join(", ")}`;
  }

  copied() {
    const shares = this.effects ?? this.shares;
    return [this.effects ? "part,change of the log-probability" : "part,share", ...(this.effects ? [] : [`embedding,${shares.embedding}`]), ...shares.heads.flatMap((row, l) => row.map((value, i) => `head ${l}.${i},${value}`)), ...shares.mlps.map((value, l) => `MLP ${l},${value}`), ...(this.effects ? [] : [`biases,${shares.rest}`])].join("\n");
  }
}

// The residual stream through the lens: what the model would say if it ended after each layer.

import { copyButton, h, percent } from "../dom.js";
import { step } from "../sampling.js";
import { spelled } from "../tokens.js";
import { explanation } from "./words.js";

export class Stream {
  constructor(page) {
    this.page = page;
    this.told = h("p", { class: "note figures reading", "aria-live": "polite" });
    this.table = h("table", { tabindex: 0, "aria-label": "Likeliest next token by layer and position; the arrow keys read it", onkeydown: (event) => this.walk(event) });
    this.words = h("div");
    this.element = h("section", { class: "stream", "aria-labelledby": "stream-name" }, h("h2", { id: "stream-name" }, "The stream, layer by layer"),
      h("p", { class: "note" }, "A column for each token, from its embedding down to the last layer. Each cell has the likeliest next token if the model ended there: the stronger the colour, the less likely. The last row is what it says."),
      h("div", { class: "scroll" }, this.table), this.told, h("p", { class: "note" }, copyButton("Copy as CSV", () => this.copied())), this.words);
  }

  open(about) { this.words.replaceChildren(explanation("lens", about)); }

  wait() { this.told.textContent = "The stream is being read…"; }

  show(seen, lens) {
    Object.assign(this, { seen, lens, at: [lens.best.length - 1, seen.position] });
    this.draw();
  }

  name(row) { return row === 0 ? "embedding" : `after ${row - 1}`; }

  draw() {
    const { lens, seen } = this;
    if (!lens) return;
    const head = h("tr", {}, h("th", { scope: "col" }, "token"), ...seen.tokens.map(({ text, bytes }, i) => h("th", { scope: "col", class: i === seen.position ? "chosen" : null }, spelled(text, bytes))));
    this.cells = lens.best.map((row, r) => row.map((best, c) => {
      const { text, bytes } = lens.tokens[best[0]], cell = h("td", { onpointerenter: () => this.read(r, c), onclick: () => this.page.choose(c) }, spelled(text, bytes));
      cell.style.background = `var(--chance-${step(lens.chances[r][c][0])})`;
      return cell;
    }));
    this.table.replaceChildren(h("thead", {}, head), h("tbody", {}, ...this.cells.map((cells, r) => h("tr", {}, h("th", { scope: "row" }, this.name(r)), ...cells))));
    this.read(...this.at);
  }

  read(r, c) {
    const { lens, seen } = this, words = lens.best[r][c].map((one, k) => `${spelled(lens.tokens[one].text, lens.tokens[one].bytes)} ${percent(lens.chances[r][c][k])}`);
    this.cells[this.at[0]]?.[this.at[1]]?.classList.remove("at");
    this.at = [r, c];
    this.cells[r][c].classList.add("at");
    this.told.textContent = `${r === 0 ? "At the embedding" : `After layer ${r - 1}`} of token ${c}, ${spelled(seen.tokens[c].text, seen.tokens[c].bytes)}: ${words.join(", ")}`;
  }

  walk(event) {
    const [dr, dc] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key] ?? [];
    if (dr === undefined || !this.lens) return;
    event.preventDefault();
    const r = Math.max(0, Math.min(this.cells.length - 1, this.at[0] + dr)), c = Math.max(0, Math.min(this.seen.tokens.length - 1, this.at[1] + dc));
    this.read(r, c);
    this.cells[r][c].scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  copied() {
    const { lens } = this;
    return ["place,position,token,chance", ...lens.best.flatMap((row, r) => row.map((best, c) => [this.name(r), c, JSON.stringify(lens.tokens[best[0]].text), lens.chances[r][c][0]].join()))].join("\n");
  }
}

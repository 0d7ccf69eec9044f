// Where the numbers of a model are, and what is near to a token in the space of embeddings.

import { colour, signed } from "../digits/colours.js";
import { figures, h, percent } from "../dom.js";
import { spelled } from "../tokens.js";
import { explanation } from "./words.js";

export class Space {
  constructor(page) {
    this.page = page;
    this.boxes = h("ul", { class: "areas" });
    this.total = h("p", { class: "note" });
    this.near = h("ol", { class: "near" });
    this.nearName = h("p", { class: "note" });
    this.words = [h("div"), h("div")];
    this.element = h("div", { class: "space" },
      h("section", { "aria-labelledby": "near-name" }, h("h2", { id: "near-name" }, "Near in the embedding"), this.nearName, this.near, this.words[0]),
      h("section", { "aria-labelledby": "areas-name" }, h("h2", { id: "areas-name" }, "Where the parameters are"), this.total, this.boxes, this.words[1]));
  }

  open(about) {
    this.words[0].replaceChildren(explanation("near", about));
    this.words[1].replaceChildren(explanation("areas", about));
  }

  areas({ eight, rest, held, tied }) {
    const all = [...Object.entries(eight), ...Object.entries(rest)], most = Math.max(...all.map(([, n]) => n));
    this.total.textContent = `${held.toLocaleString("en")} numbers. The eight kinds of matrices as areas, and what else there is.${tied ? " Embedding and unembedding are one matrix, drawn twice." : ""}`;
    this.boxes.replaceChildren(...all.map(([name, n]) => {
      const box = h("i", { class: name in eight ? "area" : "area rest" });
      box.style.setProperty("--side", String(Math.sqrt(n / most)));
      return h("li", {}, h("span", { class: "hold" }, box), h("b", {}, name), h("span", { class: "note figures" }, `${figures(n)} · ${percent(n / held)}`));
    }));
  }

  async show(seen) {
    const token = seen.tokens[seen.position], { page } = this, asked = JSON.stringify([page.asked.model, page.asked.step, token.id]);
    if (asked === this.asked) return;
    const found = await page.server.json("inside/near", { body: { model: page.asked.model, step: page.step, token: token.id }, signal: page.leaving.signal });
    this.asked = asked;
    this.found = found;
    this.draw();
  }

  draw() {
    const { found } = this;
    if (!found) return;
    this.nearName.textContent = `The nearest of all tokens to ${spelled(found.token.text, found.token.bytes)}, by the cosine of their embeddings: 1 is the same direction, 0 none in common.`;
    this.near.replaceChildren(...found.neighbours.map(({ text, bytes, value }) => {
      const bar = h("i");
      bar.style.width = `${100 * Math.max(0, value)}%`;
      bar.style.background = colour("signed", 1);
      return h("li", {}, h("span", {}, spelled(text, bytes)), h("span", { class: "track" }, bar), h("span", { class: "figures note" }, signed(value, false)));
    }));
  }
}

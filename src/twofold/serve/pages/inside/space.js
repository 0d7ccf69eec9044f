// The space of embeddings: what is near to a token, a map, analogies; and where the numbers of a model are.

import { figures, h, percent } from "../dom.js";
import { spelled } from "../tokens.js";
import { Analogies, ranked } from "./analogies.js";
import { Plane } from "./plane.js";
import { explanation } from "./words.js";

export class Space {
  constructor(page) {
    this.page = page;
    this.boxes = h("ul", { class: "areas" });
    this.total = h("p", { class: "note" });
    this.near = h("ol", { class: "near" });
    this.nearName = h("p", { class: "note" });
    this.words = [h("div"), h("div")];
    this.parts = [this.plane, this.analogies] = [new Plane(page), new Analogies(page)];
    this.element = h("div", { class: "space" },
      h("section", { "aria-labelledby": "near-name" }, h("h2", { id: "near-name" }, "Near in the embedding"), this.nearName, this.near, this.words[0]),
      this.plane.element, this.analogies.element,
      h("section", { "aria-labelledby": "areas-name" }, h("h2", { id: "areas-name" }, "Where the parameters are"), this.total, this.boxes, this.words[1]));
  }

  open(about) {
    this.words[0].replaceChildren(explanation("near", about));
    this.words[1].replaceChildren(explanation("areas", about));
    this.parts.forEach((part) => part.open(about));
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
    for (const show of [() => this.findNear(seen), () => this.plane.show(seen), () => this.analogies.show()]) if (!this.page.again) await show();
  }

  async findNear(seen) {
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
    this.near.replaceChildren(...ranked(found.neighbours));
    this.parts.forEach((part) => part.draw());
  }
}

// Where the answer is written that should have been given: from nothing, or from one of those that were.

import { h, press } from "../dom.js";

export class Editor {
  constructor(page) {
    this.page = page;
    this.field = h("textarea", { id: "ideal", rows: 5, onkeydown: (event) => this.key(event), oninput: () => this.changed() });
    this.from = h("p", { class: "presses" });
    this.keep = h("button", { class: "main", type: "submit" }, "Keep it");
    this.element = h("form", { class: "editor", hidden: true, onsubmit: (event) => { event.preventDefault(); this.save(); } }, h("label", { class: "kicker", for: "ideal" }, "The answer that should be given"),
      this.field, h("p", { class: "presses" }, this.keep, press("Cancel", () => this.close(true)), h("span", { class: "note keys" }, "Ctrl+Enter keeps it, Esc leaves it")), this.from);
  }

  open() {
    const { answers } = this.page.sheet;
    this.source = null;
    this.field.value = "";
    this.from.replaceChildren(...answers.map((answer, i) => press(answers.length > 1 ? `Begin from the ${i ? "second" : "first"}` : "Begin from the answer", () => this.begin(i))));
    this.element.hidden = false;
    this.changed();
    this.field.focus();
    this.element.scrollIntoView({ block: "nearest" });
  }

  begin(i) {
    this.source = i;
    this.field.value = this.page.sheet.answers[i].at(-1).content;
    this.changed();
    this.field.focus();
  }

  close(focus) {
    this.element.hidden = true;
    if (focus) this.page.actions.querySelector("button")?.focus();
  }

  changed() {
    const text = this.field.value.trim();
    this.keep.disabled = !text || text === this.page.sheet.answers[this.source]?.at(-1).content.trim();
  }

  key(event) {
    if (event.isComposing) return;
    if (event.key === "Escape") { event.preventDefault(); this.close(true); }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); this.save(); }
  }

  save() {
    if (this.keep.disabled) return;
    const text = this.field.value.trim();
    this.page.give(this.source === null ? "written" : "corrected", this.source, text);
  }
}

// Where one writes: Enter sends, Shift and Enter makes a line.

import { h } from "./dom.js";

export class Composer {
  constructor(chat) {
    this.page = chat;
    this.field = h("textarea", { rows: 1, id: "say", oninput: () => this.changed(), onkeydown: (event) => this.key(event) });
    this.button = h("button", { class: "main", type: "submit" });
    this.told = h("span", { class: "note figures" });
    this.element = h("form", { class: "composer", onsubmit: (event) => { event.preventDefault(); this.submit(); } },
      h("div", { class: "line" }, this.field, this.button), h("p", { class: "under" }, h("span", { class: "note keys" }, "Enter sends, Shift+Enter makes a line"), this.told));
  }

  get text() { return this.field.value; }
  focus() { if (matchMedia("(pointer: fine)").matches) this.field.focus(); }
  note(words) { this.told.textContent = words; }

  clear() {
    this.field.value = "";
    this.changed();
  }

  use({ mode, busy, begun, ready }) {
    const chat = mode === "chat";
    Object.assign(this, { busy, begun, chat, ready });
    this.field.placeholder = chat ? "Ask something" : begun ? "Add to the text, or let it go on" : "Begin a text";
    this.field.setAttribute("aria-label", this.field.placeholder);
    this.changed();
  }

  changed() {
    const { field, button } = this;
    button.textContent = this.busy ? "Stop" : this.chat ? "Send" : "Go on";
    button.disabled = !this.busy && (!this.ready || (!field.value.trim() && (this.chat || !this.begun)));
    if (CSS.supports("field-sizing", "content")) return;
    field.style.height = "auto";
    field.style.height = `${field.scrollHeight + 2}px`;
  }

  key(event) {
    const plain = !event.shiftKey && !event.isComposing && !event.altKey;
    if (event.key === "Enter" && plain && (matchMedia("(pointer: fine)").matches || event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      if (!this.busy) this.submit();
    }
  }

  async submit() {
    if (this.busy) { this.page.stop(); return; }
    const text = this.field.value;
    this.clear();
    if (!await this.page.send(text)) { this.field.value = text; this.changed(); }
  }
}

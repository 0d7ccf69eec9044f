// The list of conversations in this browser: choose, rename, delete (and take that back), to files and from them.

import { download, entered, h, press } from "./dom.js";
import * as store from "./store.js";

const files = () => import("./answers/files.js");

export class Talks {
  constructor(chat) {
    this.chat = chat;
    this.current = null;
    this.renaming = null;
    this.deleted = null;
    this.items = h("ul", { class: "talks" });
    this.file = h("input", { type: "file", accept: ".json,application/json", hidden: true, onchange: () => this.bring() });
    this.place = h("p", { class: "note" });
    this.element = h("div", {}, h("div", { class: "head" }, h("h2", {}, "Conversations"), press("New", () => chat.newTalk(), { class: "new", "aria-label": "New conversation" })),
      this.items, h("p", { class: "presses" }, press("Import", () => this.file.click()), press("Export all", () => this.exportAll()), press("Export labels", () => chat.flags((flags) => flags.exportAll(chat))), this.file), this.place);
  }

  async draw(current = this.current) {
    this.current = current;
    const talks = await store.list();
    this.place.textContent = await store.lasts() ? "Kept in this browser, and nowhere else." : "This browser keeps nothing: export what should outlive the tab.";
    const rows = talks.map((talk) => this.item(talk));
    if (this.deleted) rows.unshift(h("li", { class: "note" }, `“${this.deleted.title || "Untitled"}” is deleted. `, press("Take it back", () => this.restore())));
    this.items.replaceChildren(...(rows.length ? rows : [h("li", { class: "note" }, "None yet.")]));
  }

  item(talk) {
    const title = talk.title || "Untitled", current = talk.id === this.current;
    if (this.renaming === talk.id) return this.rename(talk);
    return h("li", { class: current ? "current" : null },
      press(title, () => this.chat.openTalk(talk.id), { class: "talk", "aria-current": current ? "true" : null, title }),
      current && h("span", { class: "presses" }, press("Rename", () => { this.renaming = talk.id; this.draw(); }),
        press("Export", async () => download(`${fileName(title)}.json`, (await files()).exported([await store.load(talk.id)]))),
        press("Delete", () => this.remove(talk.id))));
  }

  rename(talk) {
    const done = (title) => {
      if (this.renaming !== talk.id) return;
      this.renaming = null;
      if (title?.trim()) this.chat.rename(talk.id, title.trim()); else this.draw();
    };
    const input = entered(h("input", { value: talk.title, "aria-label": "New name", maxlength: 100, onblur: () => done(input.value) }), done);
    requestAnimationFrame(() => { input.focus(); input.select(); });
    return h("li", { class: "current" }, input);
  }

  async remove(id) {
    const talk = await store.load(id);
    await store.remove(id);
    this.deleted = talk;
    clearTimeout(this.forgetting);
    this.forgetting = setTimeout(() => { this.deleted = null; this.draw(); }, 15000);
    this.chat.removed(id);
  }

  async restore() {
    const talk = this.deleted;
    this.deleted = null;
    await store.save(talk);
    this.chat.openTalk(talk.id);
  }

  async exportAll() {
    download("twofold-conversations.json", (await files()).exported(await store.loadAll()));
  }

  async bring() {
    const [file] = this.file.files;
    this.file.value = "";
    if (!file) return;
    try {
      const talks = (await files()).imported(await file.text());
      for (const talk of talks) await store.save(talk);
      if (talks.length) this.chat.openTalk(talks[0].id); else this.chat.tell(`${file.name} holds no conversation.`);
    } catch (error) {
      this.chat.tell(`${file.name} could not be imported: ${error.message}.`);
    }
  }
}

const fileName = (title) => title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "").slice(0, 40) || "conversation";

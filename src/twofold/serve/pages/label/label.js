// The page on which people label: two answers side by side, a key for each thing that can be said of them, and the next.
// What is said is kept by the server before the next pair is shown.

import { count, h, press } from "../dom.js";
import { recall, remember } from "../explain.js";
import { blocks } from "../markdown.js";
import { trace } from "../answers/calls.js";
import { Editor } from "./editor.js";
import { finished } from "./finished.js";

const TWO = [["1", "First is better", "first"], ["2", "Second is better", "second"], ["b", "Both are bad", "both bad"]];
const ONE = [["1", "It is good", "good"], ["b", "It is bad", "bad"]];

export async function open(element, shell) {
  const page = new Page(element, shell);
  await page.begin();
  return () => page.leave();
}

class Page {
  constructor(element, shell) {
    Object.assign(this, { shell, server: shell.server, element });
    this.leaving = new AbortController();
    this.notice = h("div", { class: "notice", role: "alert" });
    this.title = h("h1", {}, "Label");
    this.progress = h("p", { class: "note figures", "aria-live": "polite" });
    this.bar = h("progress", { "aria-label": "Labelled so far" });
    this.name = h("input", { id: "by", autocomplete: "off", maxlength: 64, onchange: () => this.rename(), onkeydown: (event) => { if (event.key === "Enter") this.name.blur(); } });
    this.told = h("details", { class: "told", ontoggle: () => remember("label-told", this.told.open ? "open" : "closed") });
    this.asked = h("section", { class: "asked-thread", "aria-label": "What was asked" });
    this.answers = h("section", { class: "answers", "aria-label": "Answers" });
    this.actions = h("div", { class: "actions", role: "toolbar", "aria-label": "What do you say?" });
    this.editor = new Editor(this);
    this.body = h("div", { class: "sheet" }, this.asked, this.answers, this.editor.element, this.actions);
    element.append(h("header", {}, this.title, h("p", { class: "who" }, h("label", { for: "by" }, "Labelling as "), this.name), this.progress, this.bar), this.told, this.notice, this.body);
    document.addEventListener("keydown", (event) => this.key(event), { signal: this.leaving.signal });
  }

  leave() {
    this.left = true;
    this.leaving.abort();
  }

  begin() {
    return this.attempt(async () => {
      this.desk = await this.server.json("label/about");
      this.name.value = recall("label-as") || this.desk.by;
      this.told.replaceChildren(h("summary", {}, "How to choose"), h("div", { class: "markdown" }, ...blocks(this.desk.instructions).map((block) => block.build())));
      this.told.open = recall("label-told") !== "closed";
      document.getElementById("model").hidden = true;
      await this.next();
    });
  }

  get by() { return this.name.value.trim(); }

  rename() {
    if (!this.by) this.name.value = this.desk.by;
    remember("label-as", this.by);
    this.ahead = null;
    this.attempt(() => this.next());
  }

  // One sheet after the other

  /** The next one that is not labelled; the one behind it is asked for already, since a model may take a while. */
  async next() {
    this.busy = true;
    const waiting = setTimeout(() => this.draw(null, "Answers are being written…"), 200);
    try {
      let found = await this.ahead;
      if (!found?.sheet) found = await this.ask();
      if (this.left) return;
      this.done = found.done;
      this.show(found.sheet, found.of);
      this.ahead = found.sheet && this.ask(found.sheet.task).catch(() => null);
    } finally {
      clearTimeout(waiting);
      this.busy = false;
    }
  }

  ask(after) { return this.server.json("label/next", { body: { by: this.by, ...(after && { after }) }, signal: this.leaving.signal }); }

  show(sheet, of) {
    this.sheet = sheet;
    this.of = of;
    this.begun = performance.now();
    this.draw(sheet, "");
    this.count();
    if (!sheet) finished(this).then((parts) => this.body.replaceChildren(...parts, this.actions)).catch((error) => this.trouble(error));
  }

  count() {
    this.progress.textContent = `${this.done.toLocaleString("en")} of ${count(this.of, "prompt")} labelled`;
    Object.assign(this.bar, { max: Math.max(1, this.of), value: this.done });
  }

  draw(sheet, waiting) {
    const answers = sheet?.answers ?? [];
    this.editor.close();
    this.body.replaceChildren(this.asked, this.answers, this.editor.element, this.actions);
    this.title.textContent = !sheet ? "Label" : answers.length === 2 ? "Which answer is better?" : answers.length ? "Is this answer good?" : "What should be answered?";
    this.asked.replaceChildren(...(sheet?.prompt ?? []).map((message) => turn(message)), ...(waiting ? [h("p", { class: "note" }, waiting)] : []));
    this.answers.replaceChildren(...answers.map((answer, i) => this.answer(answer, i, answers.length, sheet.cut[i])), ...(sheet?.trouble ? [h("p", { class: "note alarm" }, `The model gave no answer: ${sheet.trouble}.`)] : []));
    this.answers.classList.toggle("two", answers.length === 2);
    this.drawActions(sheet);
    if (sheet && !answers.length) this.editor.open();
  }

  answer(messages, i, of, cut) {
    const last = messages.at(-1), calls = messages.slice(0, -1);
    return h("article", { class: "answer", "aria-label": of > 1 ? `Answer ${i + 1}` : "Answer" }, of > 1 && h("p", { class: "kicker" }, i ? "Second" : "First"),
      calls.length > 0 && trace(calls), h("div", { class: "markdown written" }, ...blocks(last.content).map((block) => block.build())),
      cut && h("p", { class: "note" }, "Cut off here, at its limit of tokens."));
  }

  drawActions(sheet) {
    const kinds = [[], ONE, TWO][sheet?.answers.length ?? 0];
    const all = [...kinds.map(([key, words, verdict]) => [key, words, () => this.give(verdict, kinds === ONE ? 0 : null), "main"]),
      ...(sheet ? [["w", "Write a better one", () => this.editor.open()], ["s", "Skip", () => this.give("skipped", null)]] : []),
      ...(this.done > 0 ? [["u", "Take back", () => this.takeBack()]] : [])];
    this.keys = new Map(all.map(([key, , act]) => [key, act]));
    this.actions.replaceChildren(...all.map(([key, words, act, kind]) => press("", act, { class: kind, "aria-keyshortcuts": key, "aria-label": words })));
    [...this.actions.children].forEach((button, i) => button.append(h("kbd", { "aria-hidden": "true" }, all[i][0]), all[i][1]));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.target.closest("input, textarea, select")) return;
    const act = this.keys?.get(event.key.toLowerCase());
    if (!act || event.repeat) return;
    event.preventDefault();
    act();
  }

  // What is said

  /** `answer`: which of those shown is meant, where it is one. */
  give(verdict, answer, text = "") {
    if (this.busy || !this.sheet) return null;
    this.busy = true;
    const { task } = this.sheet, seconds = (performance.now() - this.begun) / 1000;
    return this.attempt(async () => {
      await this.server.json("label/give", { body: { by: this.by, task, verdict, text, seconds, ...(answer !== null && { answer }) } });
      this.shell.say("Kept.");
      const place = this.ahead;
      this.ahead = place && place.then((found) => found && { ...found, done: this.done + 1 }); // it was asked for before this was said
      await this.next();
      this.element.scrollIntoView({ block: "start" });
    });
  }

  takeBack() {
    if (this.busy) return null;
    this.busy = true;
    return this.attempt(async () => {
      const { task } = await this.server.json("label/back", { body: { by: this.by } });
      this.tell(task ? "" : "There is nothing to take back.");
      this.ahead = null;
      await this.next();
      if (task) this.shell.say("Taken back.");
    });
  }

  // What went wrong

  async attempt(work) {
    try {
      const result = await work();
      this.tell("");
      return result;
    } catch (error) { this.trouble(error); return null; } finally { this.busy = false; }
  }

  tell(words, ...more) { this.notice.replaceChildren(...(words ? [h("p", {}, words), ...more] : [])); }

  trouble(error) {
    if (this.left || error.name === "AbortError") return;
    this.ahead = null;
    if (error.kind === "key") {
      const field = h("input", { type: "password", "aria-label": "API key", autocomplete: "off" });
      this.tell(error.message, h("form", { onsubmit: (event) => { event.preventDefault(); this.server.useKey(field.value.trim()); this.begin(); } }, field, " ", h("button", {}, "Use this key")));
      return;
    }
    if (!error.kind) console.error(error);
    this.tell(error.message, press("Try again", () => this.attempt(() => this.next())));
  }
}

const WHO = { system: "What every answer begins from", user: "You were asked", assistant: "The assistant", tool: "The tool" };

function turn({ role, content, tool_calls: calls }) {
  if (role === "tool" || calls) return trace([{ role, content, tool_calls: calls }]);
  return h("div", { class: `past ${role}` }, h("p", { class: "kicker" }, role === "user" ? "The question" : WHO[role]), h("div", { class: role === "assistant" ? "written" : "question plain" }, content));
}

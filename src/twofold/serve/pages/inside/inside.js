// Look inside: one text through one model, from its tokens to what comes next. All numbers are the server's.

import { whenColoursChange } from "../digits/colours.js";
import { count, h, press } from "../dom.js";
import { recall, remember } from "../explain.js";
import { ends, spelled, spoken } from "../tokens.js";
import { Blocks } from "./blocks.js";
import { NextView } from "./next.js";
import { Shares } from "./shares.js";
import { Space } from "./space.js";
import { Stream } from "./stream.js";

const BEGIN = "The capital of France is";

export async function open(element, shell) {
  const page = new Page(element, shell);
  await page.begin();
  return () => page.leave();
}

class Page {
  constructor(element, shell) {
    Object.assign(this, { element, shell, server: shell.server, cutHeads: new Set(), cutMlps: new Set(), position: null, step: null, other: null });
    this.leaving = new AbortController();
    this.notice = h("div", { class: "notice", role: "alert" });
    this.status = h("p", { class: "note figures", role: "status" });
    this.text = h("textarea", { rows: 2, id: "inside-text", value: recall("inside") ?? BEGIN, spellcheck: false, oninput: () => this.edited() });
    this.tokens = h("div", { class: "tokens", role: "group", "aria-label": "Tokens; the chosen one is what the model goes on from" });
    this.scrubber = h("div", { class: "scrubber" });
    this.views = [this.next, this.blocks, this.stream, this.shares, this.space] = [new NextView(this), new Blocks(this), new Stream(this), new Shares(this), new Space(this)];
    const start = h("section", { class: "start" }, h("h1", {}, "Look inside"),
      h("label", { class: "kicker", for: "inside-text" }, "A text, as the model reads it; change it"), this.text, this.notice, this.tokens, this.status, this.scrubber);
    element.append(h("div", { class: "inside" }, start, this.next.element, this.blocks.element, this.stream.element, this.shares.element, this.space.element));
    whenColoursChange(() => this.seen && this.views.forEach((view) => view.draw()), this.leaving.signal);
    shell.addEventListener("model", () => this.anew(), { signal: this.leaving.signal });
  }

  async begin() {
    await this.attempt(async () => {
      this.quiet = true; // choosing the model is no change of it
      try { await this.shell.findModels(); } finally { this.quiet = false; }
      await this.open();
    });
  }

  leave() {
    this.left = true;
    this.leaving.abort();
  }

  anew() {
    if (this.quiet || this.left) return;
    Object.assign(this, { step: null, position: null });
    this.cutHeads.clear();
    this.cutMlps.clear();
    this.attempt(() => this.open());
  }

  async open() {
    const name = encodeURIComponent(this.shell.model.id);
    this.tell(`${this.shell.model.id} is being opened, which takes some seconds…`, "wait");
    this.about = await this.server.json(`inside/about?model=${name}`);
    this.space.areas(await this.server.json(`inside/areas?model=${name}`));
    this.views.forEach((view) => view.open?.(this.about));
    this.showScrubber();
    await this.refresh();
  }

  get asked() {
    return { model: this.shell.model.id, text: this.text.value, step: this.step, position: this.position,
      heads: [...this.cutHeads].map((name) => name.split(".").map(Number)), mlps: [...this.cutMlps], other: this.other };
  }

  edited() {
    remember("inside", this.text.value);
    this.position = null; // its end
    this.attempt(() => this.refresh());
  }

  choose(position) {
    this.position = position;
    this.attempt(() => this.refresh());
  }

  /** Cut out a head "3.0", or the MLP of a layer; or put it back. */
  cut(kind, which) {
    const set = kind === "head" ? this.cutHeads : this.cutMlps;
    if (!set.delete(which)) set.add(which);
    this.shell.say(`${kind === "head" ? `Head ${which}` : `MLP ${which}`} ${set.has(which) ? "is changed" : "is back"}`);
    this.attempt(() => this.refresh());
  }

  restore() {
    this.cutHeads.clear();
    this.cutMlps.clear();
    this.attempt(() => this.refresh());
  }

  /** Ask for all that is shown. One question at a time: what changes meanwhile is asked when the answer is there. */
  async refresh() {
    if (this.asking) { this.again = true; return; }
    this.asking = true;
    try {
      do {
        this.again = false;
        await this.pass();
      } while (this.again && !this.left);
    } finally { this.asking = false; }
  }

  async pass() {
    const asked = this.asked, ask = (path, more) => this.server.ask(`inside/${path}`, { body: { ...asked, ...more }, signal: this.leaving.signal });
    const seen = await (await ask("seen")).json();
    const attention = new Uint8Array(await (await ask("patterns")).arrayBuffer());
    Object.assign(this, { seen, attention });
    this.tell("");
    this.showTokens();
    this.status.textContent = `${count(seen.tokens.length, "token")} of at most ${this.about.most} here; answered in ${seen.milliseconds.toFixed(0)} ms${this.cutHeads.size + this.cutMlps.size ? ", once whole and once changed" : ""}`;
    this.next.show(seen);
    this.blocks.show(seen, attention);
    for (const [view, path] of [[this.shares, "attribution"], [this.stream, "lens"]]) {
      if (this.again) return;
      view.wait();
      view.show(seen, await (await ask(path)).json());
    }
    if (!this.again) await this.space.show(seen);
  }

  showTokens() {
    const { tokens, position } = this.seen, focused = this.tokens.contains(document.activeElement);
    this.tokens.replaceChildren(...tokens.map(({ text, bytes }, i) => h("button", { type: "button", class: "token", "aria-pressed": String(i === position), "aria-label": `${i}: ${ends(text) ? text : spoken(text, bytes)}`,
      onclick: () => this.choose(i), onkeydown: (event) => this.walk(event, i) }, spelled(text, bytes))));
    if (focused) this.tokens.children[position]?.focus();
  }

  walk(event, i) {
    const to = i + ({ ArrowRight: 1, ArrowLeft: -1 }[event.key] ?? 0);
    if (to === i || !this.tokens.children[to]) return;
    event.preventDefault();
    this.tokens.children[to].focus();
    this.choose(to);
  }

  /** The moments of training that were kept. */
  showScrubber() {
    const { steps } = this.about, told = h("output", { class: "figures" });
    if (!steps.length) { this.scrubber.replaceChildren(); return; }
    const say = () => {
      this.step = steps[Number(slider.value)] ?? null;
      told.textContent = this.step === null ? "finished" : `after step ${this.step.toLocaleString("en")}`;
      slider.setAttribute("aria-valuetext", told.textContent);
    };
    const slider = h("input", { type: "range", id: "inside-step", min: 0, max: steps.length, step: 1, oninput: () => { say(); this.attempt(() => this.refresh()); } });
    slider.value = steps.length;
    say();
    this.scrubber.replaceChildren(h("label", { for: "inside-step" }, `The model in training, ${count(steps.length, "checkpoint")}`), told, slider);
  }

  async attempt(work) {
    try { await work(); } catch (error) { this.trouble(error); }
  }

  tell(words, kind = "", ...more) {
    this.notice.replaceChildren(...(words ? [h("p", { class: kind === "wait" ? "note" : "alarm" }, words), ...more] : []));
  }

  trouble(error) {
    if (this.left || error.name === "AbortError") return;
    if (error.kind === "key") {
      const field = h("input", { type: "password", "aria-label": "API key", autocomplete: "off" });
      this.tell(error.message, "", h("form", { onsubmit: (event) => { event.preventDefault(); this.server.useKey(field.value.trim()); this.begin(); } }, field, " ", h("button", {}, "Use this key")));
      return;
    }
    if (!error.kind) console.error(error);
    this.tell(error.message, "", ...(error.kind === "wrong" ? [] : [press("Try again", () => this.begin())]));
  }
}

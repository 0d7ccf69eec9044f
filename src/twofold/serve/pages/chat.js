// The chat page: a thread of turns, the conversations on one side of it, the next token on the other.

import { Answering } from "./answering.js";
import { Trouble } from "./api.js";
import { Composer } from "./composer.js";
import { DEFAULTS, add, fresh, path, place, showTurn } from "./conversation.js";
import { count, entered, h, press } from "./dom.js";
import { Panel } from "./panel.js";
import { entropy } from "./sampling.js";
import { recall, remember } from "./explain.js";
import * as store from "./store.js";
import { Talks } from "./talks.js";
import { ends, instead } from "./tokens.js";
import { Turn, colour } from "./turn.js";
import { Setup, introduction } from "./setup.js";
import { drawers } from "./drawers.js";

export async function open(element, shell, about) {
  const chat = new Chat(element, shell, about);
  await chat.begin();
  return () => chat.leave();
}

// What its parts (Talks, Panel, Composer, Answering, Setup, Turn) have to say, they say to this.
class Chat {
  constructor(element, shell, { labels }) {
    Object.assign(this, { shell, labels });
    this.views = new Map();
    this.problems = new WeakMap();
    this.target = null;
    this.colours = recall("colours") === "on";
    this.talks = new Talks(this);
    this.panel = new Panel(this);
    this.composer = new Composer(this);
    this.answering = new Answering(this);
    this.setup = new Setup(this);
    this.opening = h("div", { class: "opening" });
    this.thread = h("div", { class: "thread", role: "log", "aria-label": "Conversation" });
    this.notice = h("div", { class: "notice", role: "alert" });
    this.list = h("aside", { class: "list", id: "list", "aria-label": "Conversations" }, this.talks.element);
    this.side = h("aside", { class: "side", id: "side", "aria-labelledby": "panel-name" }, this.panel.element);
    element.append(this.list, h("section", { class: "middle", "aria-label": "Chat" }, this.opening, this.setup.element, this.thread,
      h("div", { class: "below" }, this.notice, this.composer.element)), this.side);
    this.side.addEventListener("toggle", () => this.views.get(this.target?.turn.id)?.mark(this.target.index, true));
    this.drawers = drawers(this.list, this.side);
    this.panel.colours.checked = this.colours;
    this.leaving = new AbortController();
    const { signal } = this.leaving;
    shell.addEventListener("model", () => this.modelChanged(), { signal });
    document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !event.defaultPrevented) this.drawers.close() || this.stop(); }, { signal });
    store.watch(async (id) => { if (id === this.talk.id && !this.busy) this.use(await store.load(id) ?? this.talk); else this.talks.draw(); });
  }

  async begin() {
    const last = recall("talk"), kept = last && await store.load(last).catch(() => null);
    this.use(kept ?? fresh("chat", this.settings()));
    await this.connect();
    this.composer.focus();
  }

  leave() {
    this.leaving.abort();
    this.stop();
    clearTimeout(this.waiting);
    this.drawers.leave();
  }

  async connect() {
    try {
      await this.shell.findModels();
      this.tell("");
    } catch (error) {
      this.trouble(error);
    }
    this.modelChanged();
  }

  // Conversations

  use(talk) {
    this.talk = talk;
    this.views.clear();
    this.target = null;
    remember("talk", talk.id);
    this.setup.use(talk);
    this.panel.use(talk.settings, this.shell.model?.vocabulary);
    this.drawThread();
    this.lookAtDoubt();
    this.talks.draw(talk.id).catch((error) => this.tell(`${error.message}.`));
  }

  settings() {
    const { temperature = DEFAULTS.temperature } = this.shell.model ?? {};
    return { ...DEFAULTS, temperature, ...JSON.parse(recall("settings") ?? "{}") };
  }

  newTalk() {
    this.use(fresh(this.shell.model?.chat === false ? "text" : "chat", this.settings()));
    this.drawers.close();
    this.composer.focus();
  }

  async openTalk(id) {
    const talk = this.answering.talk?.id === id ? this.answering.talk : await store.load(id);
    if (talk) this.use(talk); else this.tell("This conversation is gone.");
    this.drawers.close();
  }

  async rename(id, title) {
    const talk = id === this.talk.id ? this.talk : await store.load(id);
    talk.title = title;
    await this.keep(talk);
  }

  async keep(talk) {
    if (!talk.turns.length) return;
    talk.updated = Date.now();
    try { await store.save(talk); } catch (error) { this.tell(`Not kept: ${error.message}.`); }
    await this.talks.draw();
  }

  keepSettings(settings) {
    remember("settings", JSON.stringify(settings));
    clearTimeout(this.keeping);
    this.keeping = setTimeout(() => this.keep(this.talk), 800);
  }

  removed(id) {
    if (id === this.talk.id) this.newTalk(); else this.talks.draw();
  }

  setupChanged() {
    this.keep(this.talk);
    this.drawThread();
  }

  modelChanged() {
    const { model } = this.shell;
    if (!this.talk.turns.length && model) {
      this.talk.mode = model.chat === false ? "text" : "chat";
      if (!recall("settings")) this.talk.settings.temperature = this.settings().temperature;
    }
    this.setup.use(this.talk);
    this.panel.use(this.talk.settings, model?.vocabulary);
    this.drawThread();
  }

  // The thread

  drawThread() {
    const turns = path(this.talk), { model } = this.shell;
    this.opening.replaceChildren(...(turns.length ? [h("h1", { class: "unseen" }, this.talk.title || "Conversation")] : introduction(model, this.talk.mode)));
    const views = turns.map((turn) => {
      if (!this.views.has(turn.id)) this.views.set(turn.id, new Turn(turn, this));
      return this.views.get(turn.id);
    });
    this.thread.replaceChildren(...views.map((view) => view.element));
    for (const view of views) { view.draw(); this.drawFoot(view); }
    this.composer.use({ mode: this.talk.mode, busy: this.busy, begun: turns.length > 0, ready: Boolean(model) });
    this.composer.note(this.used(turns));
    this.paint();
  }

  drawFoot(view) {
    view.drawFoot({ busy: this.answering.turn === view.turn, place: place(this.talk, view.turn), problem: this.problems.get(view.turn), locked: this.busy || !this.shell.model });
  }

  drawTurn(turn) {
    if (this.answering.talk !== this.talk) return;
    const view = this.views.get(turn.id);
    if (view) this.follow(() => { view.draw(); this.drawFoot(view); this.paint(); });
  }

  /** Who reads at the end stays there. */
  follow(draw) {
    const page = document.documentElement, atEnd = page.scrollHeight - page.clientHeight - page.scrollTop < 80;
    draw();
    if (atEnd) page.scrollTop = page.scrollHeight;
  }

  ended(turn, trouble) {
    if (trouble) this.problems.set(turn, trouble); else this.problems.delete(turn);
    if (["gone", "key"].includes(trouble?.kind)) this.trouble(trouble);
    if (this.views.has(turn.id)) {
      this.follow(() => this.drawThread());
      if (!trouble) this.lookAtDoubt(turn);
    }
    this.shell.say(trouble ? trouble.message : `The answer has ended, ${count(turn.tokens?.length ?? 0, "token")}.`);
  }

  get busy() { return Boolean(this.answering.turn); }
  turnOf(id) { return this.talk.turns.find((turn) => turn.id === id); }

  used(turns) {
    const speed = turns.findLast((turn) => turn.speed?.prompt)?.speed, context = this.shell.model?.context;
    return speed && context ? `${(speed.prompt + speed.tokens).toLocaleString("en")} of ${context.toLocaleString("en")} tokens of context` : "";
  }

  // Asking

  async send(text) {
    if (this.busy || !this.shell.model) return false;
    const last = path(this.talk).at(-1);
    if (!text.trim()) {
      if (this.talk.mode !== "text" || !last) return false;
      if (last.role === "assistant") this.extend(last); else this.answer(last);
      return true;
    }
    this.answer(add(this.talk, last?.id ?? 0, "user", text));
    return true;
  }

  async flags(act) {
    try { await act(await import("./answers/flags.js")); } catch (error) { this.trouble(error); }
  }

  retry(turn) { this.answer(this.turnOf(turn.parent)); }
  stop() { return this.answering.stop(); }

  move(turn) {
    showTurn(this.talk, turn);
    this.target = null;
    this.drawThread();
    this.lookAtDoubt();
    this.keep(this.talk);
  }

  answer(parent, { text = "", tokens = [], finish, calls } = {}) {
    const turn = add(this.talk, parent.id, "assistant", text, { model: this.shell.model.id, tokens, ...(finish && { finish }), ...(calls && { calls }) });
    this.tell("");
    this.target = null;
    if (finish) { this.drawThread(); this.keep(this.talk); return; }
    this.answering.start(this.talk, turn, path(this.talk, parent.id));
    this.drawThread();
    document.documentElement.scrollTop = document.documentElement.scrollHeight;
  }

  extend(turn) {
    this.problems.delete(turn);
    this.answering.start(this.talk, turn, turn.parent ? path(this.talk, turn.parent) : []);
    this.drawThread();
  }

  edit(turn) {
    const view = this.views.get(turn.id), before = [...view.element.childNodes];
    const done = (text) => {
      view.element.replaceChildren(...before);
      if (text?.trim() && text !== turn.text) this.answer(add(this.talk, turn.parent, "user", text));
    };
    const field = entered(h("textarea", { value: turn.text, "aria-label": "The question, to be changed", rows: Math.min(12, turn.text.split("\n").length + 1) }), done);
    view.element.replaceChildren(before[0], field, h("p", { class: "presses" }, press("Ask this instead", () => done(field.value)), press("Cancel", () => done(null))));
    field.focus();
  }

  // The next token

  look(turn, index, focus) {
    index ??= this.doubtful(turn);
    const view = this.views.get(turn.id), token = turn.tokens?.[index];
    if (!view || !token) return;
    this.target = { turn, index, of: turn.tokens.length, token, before: turn.text.slice(0, view.tokenSpans()[index][0]) };
    this.panel.show(this.target);
    view.mark(index, focus !== null);
    if (focus !== null) this.drawers.openSide();
    if (focus) this.panel.slider.focus();
  }

  /** Of an answer just given, the token at which the model was least sure is the one worth looking at. */
  lookAtDoubt(turn = path(this.talk).findLast((one) => one.tokens?.length)) {
    this.panel.show(null);
    if (!turn || !this.views.has(turn.id)) return;
    this.look(turn, null, null);
    this.panel.show({ ...this.target, why: "where it was least sure" });
  }

  doubtful(turn) {
    const doubts = turn.tokens.map((token) => token.others.length ? entropy(token.others.map((one) => one[1])) : -1);
    return doubts.indexOf(Math.max(...doubts));
  }

  pick(target, i) {
    if (this.busy) { this.tell("Wait for the answer to end, or stop it."); return; }
    const [text, p, bytes] = target.token.others[i], chosen = { ...target.token, text, p, bytes };
    if (!bytes) delete chosen.bytes;
    const earlier = target.turn ? target.turn.tokens.slice(0, target.index) : [];
    const whole = ends(text) ? instead(earlier, earlier.length, "", undefined) : instead(earlier, earlier.length, text, bytes);
    if (whole === null) { this.tell("This token is only a part of a character, so no text can go on from it here."); return; }
    const parent = target.turn ? this.turnOf(target.turn.parent) : this.asked(target);
    if (!parent) return;
    this.answer(parent, { text: whole, tokens: [...earlier, chosen], calls: target.turn?.calls, ...(ends(text) && { finish: "stop" }) });
    this.drawers.close();
  }

  asked({ draft }) {
    if (!draft) return path(this.talk).at(-1);
    this.composer.clear();
    return add(this.talk, path(this.talk).at(-1)?.id ?? 0, "user", draft);
  }

  /** One token, not to be kept: what the model would begin its answer with. */
  async askNext() {
    const draft = this.composer.text, turns = path(this.talk), last = turns.at(-1);
    if (this.busy || !this.shell.model) return;
    if (!draft.trim() && (!last || (this.talk.mode === "chat" && last.role === "assistant"))) { this.tell("Write something first; then this shows how the model would begin to answer."); return; }
    const asked = draft.trim() ? [...turns, { role: "user", text: draft }] : turns;
    try {
      const token = await this.answering.peek(this.talk, asked);
      this.panel.show({ token, before: asked.at(-1).text, draft, why: "how an answer would begin" });
      this.drawers.openSide();
    } catch (error) {
      this.trouble(error);
    }
  }

  useColours(on) {
    this.colours = on;
    remember("colours", on ? "on" : "off");
    this.paint();
  }

  paint() {
    const views = path(this.talk).map((turn) => this.views.get(turn.id)).filter(Boolean);
    colour(this.colours ? views.filter((view) => view.turn.tokens?.length) : []);
    const view = this.target && this.views.get(this.target.turn.id);
    view?.mark(this.target.index, false);
    if (!view) views[0]?.mark(null);
  }

  // What went wrong

  tell(message, ...more) {
    this.notice.replaceChildren(...(message ? [h("p", {}, message, " ", ...more)] : []));
  }

  trouble(error) {
    clearTimeout(this.waiting);
    if (!(error instanceof Trouble)) { console.error(error); this.tell(`Something went wrong in this page: ${error.message}.`); return; }
    if (error.kind === "gone") {
      this.tell(error.message, "This page waits for it; nothing is lost.");
      this.waiting = setTimeout(() => this.back(), 3000);
    } else if (error.kind === "key") {
      const field = h("input", { type: "password", "aria-label": "Key", autocomplete: "off" });
      this.notice.replaceChildren(h("form", { class: "key", onsubmit: (event) => { event.preventDefault(); this.shell.server.useKey(field.value.trim()); this.connect(); } },
        h("p", {}, error.message), field, h("button", { class: "main" }, "Use it")));
      field.focus();
    } else this.tell(error.message);
  }

  async back() {
    try { await this.shell.server.ask("health"); } catch { this.waiting = setTimeout(() => this.back(), 3000); return; }
    await this.connect();
    if (this.shell.model) { this.tell("The server is back."); this.shell.say("The server is back."); }
  }
}

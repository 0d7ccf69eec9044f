// What a conversation begins with: who is asked, in which manner; and what to expect of it.

import { choice, figures, h } from "./dom.js";

const MODES = [["chat", "conversation"], ["text", "plain text"]];
const ABOUT = { chat: "The model is given turns, as it was taught to answer.", text: "The model is given the text as it is, and goes on from its end." };

export class Setup {
  constructor(chat) {
    this.chat = chat;
    this.summary = h("summary", {});
    this.mode = h("div", {});
    this.field = h("textarea", { rows: 2, id: "system", placeholder: "None: the model's own default, if it has one", oninput: () => this.write() });
    this.system = h("div", {}, h("label", { class: "kicker", for: "system" }, "System prompt, which every answer begins from"), this.field);
    this.most = h("input", { type: "number", id: "most", min: 1, max: 100000, step: 1, onchange: () => this.number("max_tokens", this.most, 512) });
    this.seed = h("input", { type: "number", id: "seed", min: 0, step: 1, placeholder: "another", onchange: () => this.number("seed", this.seed, null) });
    this.tool = h("input", { type: "checkbox", onchange: () => { this.talk.tools = this.tool.checked ? ["calculator"] : []; chat.setupChanged(); } });
    this.forget = h("input", { type: "checkbox", onchange: () => { this.talk.settings.forget = this.forget.checked; chat.setupChanged(); } });
    this.forgets = h("label", { class: "note" }, this.forget, " It may forget the oldest turns, where the context is full");
    this.tools = h("label", { class: "note" }, this.tool, " It may call a calculator, which this server has");
    this.element = h("details", { class: "setup" }, this.summary, h("div", { class: "inside" }, this.mode, this.system, h("div", { class: "pair" },
      h("label", { for: "most" }, "Tokens at most"), this.most, h("label", { for: "seed" }, "Seed"), this.seed), this.tools, this.forgets));
  }

  use(talk) {
    this.talk = talk;
    this.field.value = talk.system;
    this.most.value = talk.settings.max_tokens;
    this.seed.value = talk.settings.seed ?? "";
    this.draw();
  }

  draw() {
    const { talk } = this;
    this.system.hidden = this.tools.hidden = this.forgets.hidden = talk.mode !== "chat";
    this.forget.checked = Boolean(talk.settings.forget);
    this.tool.checked = (talk.tools ?? this.chat.shell.model?.tools ?? []).length > 0;
    this.mode.replaceChildren(choice("mode", "The model is asked with", MODES, talk.mode, (mode) => { talk.mode = mode; this.draw(); this.chat.setupChanged(); }), h("p", { class: "note" }, ABOUT[talk.mode]));
    for (const input of this.mode.querySelectorAll("input")) input.disabled = talk.turns.length > 0;
    this.summary.textContent = `Setup: ${MODES.find(([mode]) => mode === talk.mode)[1]}${talk.mode === "chat" && talk.system.trim() ? ", with a system prompt" : ""}`;
  }

  write() {
    this.talk.system = this.field.value;
    this.summary.textContent = this.summary.textContent.replace(/,.*|$/, this.field.value.trim() ? ", with a system prompt" : "");
    clearTimeout(this.writing);
    this.writing = setTimeout(() => this.chat.setupChanged(), 800);
  }

  number(name, input, without) {
    this.talk.settings[name] = input.value === "" || !input.checkValidity() ? without : Number(input.value);
    input.value = this.talk.settings[name] ?? "";
    this.chat.setupChanged();
  }
}

export function introduction(model, mode) {
  if (!model) return [h("h1", {}, "No model yet")];
  const facts = [[model.parameters, "parameters"], [model.context, "tokens of context"], [model.vocabulary, "tokens in its vocabulary"]].filter(([value]) => value > 0);
  return [h("p", { class: "kicker" }, "A language model, running on this server"), h("h1", {}, model.id), h("p", {}, trust(model, mode)),
    facts.length > 0 && h("dl", { class: "facts" }, ...facts.map(([value, name]) => h("div", {}, h("dt", {}, name), h("dd", {}, value >= 1e6 ? figures(value) : value.toLocaleString("en")))))].filter(Boolean);
}

function trust({ parameters, chat }, mode) {
  if (mode === "text" || chat === false) return "It goes on from where a text stops, in the manner of what it read. It knows neither what is true nor how to answer a question.";
  return `${parameters > 2e9 ? "It writes fluently and can be" : "It is small, and so it is weak: it writes fluently and is often"} wrong. A likely word is one that it has seen in such places, not one that is true.`;
}

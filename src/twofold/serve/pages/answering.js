// One answer on its way: started, shown as it grows, stopped, kept; and how fast it came.

import { answer } from "./ask.js";
import { count } from "./dom.js";

const SAVE_EVERY = 3000;

export class Answering {
  constructor(chat) {
    this.chat = chat;
    this.shell = chat.shell;
    this.clear();
  }

  clear() {
    this.talk = this.turn = this.controller = null;
  }

  stop() {
    this.controller?.abort();
    return Boolean(this.controller);
  }

  /** Let `turn` grow into an answer to `turns`, from the text it has. */
  async start(talk, turn, turns) {
    const model = this.shell.model, seed = talk.settings.seed ?? Math.floor(Math.random() * 2 ** 32);
    this.talk = talk;
    this.turn = turn;
    this.controller = new AbortController();
    this.times = { begun: performance.now(), first: 0, last: 0, tokens: 0 };
    this.saved = Date.now();
    let usage = null, trouble = null;
    Object.assign(turn, { finish: undefined, seed, model: model.id });
    turn.tokens ??= [];
    try {
      for await (const part of answer(this.shell.server, { model, talk, turns, prefix: turn.text, calls: turn.calls, seed }, this.controller.signal)) {
        if (part.steps) (await import("./answers/calls.js")).called(turn, part.steps);
        this.take(turn, part);
        usage = part.usage ?? usage;
      }
    } catch (error) {
      if (error.name === "AbortError") turn.finish = "stopped"; else trouble = error;
    }
    turn.speed = this.speed(usage);
    this.clear();
    this.chat.ended(turn, trouble);
    await this.chat.keep(talk);
  }

  take(turn, { text, tokens, finish }) {
    turn.text += text;
    turn.tokens.push(...tokens);
    if (finish) turn.finish = finish;
    if (text || tokens.length) {
      this.times.last = performance.now();
      this.times.first ||= this.times.last;
      this.times.tokens += tokens.length;
    }
    if (!this.frame) this.frame = requestAnimationFrame(() => { this.frame = null; if (this.turn === turn) this.chat.drawTurn(turn); });
    if (Date.now() - this.saved > SAVE_EVERY) { this.saved = Date.now(); this.chat.keep(this.talk); }
  }

  /** Seconds to the first token, as seen from here, and tokens a second after it, as the server measured them where it says so. */
  speed(usage) {
    const { begun, first, last, tokens } = this.times, written = usage?.completion_tokens ?? tokens;
    if (!first) return undefined;
    const writing = usage?.seconds?.completion ?? (last - first) / 1000;
    return { tokens: written, first: (first - begun) / 1000, rate: written > 1 && writing > 0 ? (written - 1) / writing : 0,
      ...(usage && { prompt: usage.prompt_tokens, cached: usage.prompt_tokens_details?.cached_tokens ?? 0 }) };
  }

  progress() {
    const { begun, first, tokens, last } = this.times;
    if (!first) return `Reading, ${((performance.now() - begun) / 1000).toFixed(0)} s`;
    return `${count(tokens, "token")} · ${((tokens - 1) / Math.max(0.001, (last - first) / 1000)).toFixed(0)} tokens/s`;
  }

  async peek(talk, turns) {
    for await (const part of answer(this.shell.server, { model: this.shell.model, talk, turns, seed: 0, n: 1 })) if (part.tokens.length) return part.tokens[0];
    return { text: "", p: 1, others: [["<|end|>", 1]] };
  }
}

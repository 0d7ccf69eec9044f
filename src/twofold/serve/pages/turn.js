// One turn as it is seen: its text, and under it what can be done with it. An answer is rendered as it grows, block by
// block, and every place in it is a place among its tokens.

import { blocks, places } from "./markdown.js";
import { copyButton, count, h, press } from "./dom.js";
import { step } from "./sampling.js";
import { spansOf } from "./tokens.js";

const marks = typeof Highlight === "undefined" ? null : CSS.highlights; // without it tokens are not marked

export class Turn {
  constructor(turn, chat) {
    const { mode } = chat.talk, model = chat.shell.model?.id;
    this.turn = turn;
    this.markdown = turn.role === "assistant" && mode === "chat";
    this.chat = chat;
    this.keys = [];
    this.body = h("div", { class: this.markdown ? "written markdown" : turn.role === "assistant" || mode === "text" ? "written plain" : "asked plain" });
    if (turn.role === "assistant") this.body.addEventListener("click", (event) => this.clicked(event));
    this.calls = h("div");
    this.foot = h("div", { class: "foot" });
    const who = mode === "text" ? (turn.role === "user" ? "Your text" : "The model goes on") : turn.role === "user" ? "You" : turn.corrects ? "Your correction" : turn.model ?? model ?? "Answer";
    this.element = h("article", { class: `turn ${turn.role}`, "aria-label": who, "data-turn": turn.id }, h("p", { class: "kicker" }, who), this.calls, this.body, this.foot);
  }

  draw() {
    const { text, calls } = this.turn;
    if (calls && calls.length !== this.called) import("./answers/calls.js").then(({ trace }) => this.calls.replaceChildren(trace(calls)));
    this.called = calls?.length;
    if (!this.markdown) {
      if (this.body.firstChild?.data !== text) {
        const node = document.createTextNode(text);
        places.set(node, 0);
        this.body.replaceChildren(node);
      }
    } else {
      const wanted = blocks(text);
      let same = 0;
      while (same < wanted.length && wanted[same].key === this.keys[same]) same += 1;
      while (this.body.childNodes.length > same) this.body.lastChild.remove();
      this.body.append(...wanted.slice(same).map((block) => block.build()));
      this.keys = wanted.map((block) => block.key);
    }
    this.spans = null;
  }

  drawFoot({ busy, place, problem, locked }) {
    const { turn, chat } = this, parts = [];
    this.element.setAttribute("aria-busy", String(busy));
    if (busy) parts.push(h("span", { class: "figures" }, chat.answering.progress()));
    else {
      if (place.of > 1) parts.push(this.siblings(place, locked));
      if (turn.text) parts.push(copyButton("Copy", () => turn.text));
      if (turn.role === "user") parts.push(press("Edit", () => chat.edit(turn), { disabled: locked }));
      else {
        parts.push(press("Retry", () => chat.retry(turn), { disabled: locked }));
        if (turn.finish === "length" || turn.finish === "stopped" || problem) parts.push(press("Go on", () => chat.extend(turn), { disabled: locked }));
        if (this.markdown && turn.text && !turn.corrects) {
          for (const verdict of ["Good", "Bad"]) parts.push(press(verdict, () => chat.flags((flags) => flags.flag(chat, turn, verdict.toLowerCase())), { "aria-pressed": String(turn.verdict === verdict.toLowerCase()) }));
          parts.push(press("Correct", () => chat.flags((flags) => flags.correct(chat, turn)), { disabled: locked }));
        }
        if (turn.tokens?.length) parts.push(press("Tokens", () => chat.look(turn, null, true)));
      }
      if (turn.speed) parts.push(h("span", { class: "figures" }, told(turn)));
    }
    this.foot.replaceChildren(...parts, ...(problem ? [h("p", { class: "problem", role: "alert" }, problem.message)] : []));
  }

  siblings({ at, of, before, after }, locked) {
    const versions = this.turn.role === "user" ? "question" : "answer";
    return h("span", { class: "siblings figures", role: "group", "aria-label": `Versions of this ${versions}` },
      press("‹", () => this.chat.move(before), { disabled: locked || !before, "aria-label": `The ${versions} before` }), `${at + 1}/${of}`,
      press("›", () => this.chat.move(after), { disabled: locked || !after, "aria-label": `The ${versions} after` }));
  }

  // Tokens

  clicked(event) {
    if (event.target.closest("a, button") || String(getSelection())) return;
    const index = this.tokenAt(event.clientX, event.clientY);
    if (index !== null) this.chat.look(this.turn, index, false);
  }

  tokenAt(x, y) {
    const spot = document.caretPositionFromPoint?.(x, y) ?? document.caretRangeFromPoint?.(x, y);
    const node = spot?.offsetNode ?? spot?.startContainer, offset = spot?.offset ?? spot?.startOffset;
    if (!places.has(node) || !this.body.contains(node)) return null;
    const range = document.createRange();
    const under = [offset - 1, offset].find((i) => { // a caret is between characters: which of the two was it?
      if (i < 0 || i >= node.length) return false;
      range.setStart(node, i);
      range.setEnd(node, i + 1);
      return [...range.getClientRects()].some((box) => x >= box.left - 1 && x <= box.right + 1 && y >= box.top && y <= box.bottom);
    });
    if (under === undefined) return null;
    const at = places.get(node) + under;
    const index = this.tokenSpans().findIndex(([from, to]) => from <= at && at < to);
    return index < 0 ? null : index;
  }

  tokenSpans() {
    return this.spans ??= spansOf(this.turn.text, this.turn.tokens ?? []);
  }

  pieces() {
    const walker = document.createTreeWalker(this.body, NodeFilter.SHOW_TEXT), found = [];
    for (let node = walker.nextNode(); node; node = walker.nextNode()) if (places.has(node)) found.push([node, places.get(node)]);
    return found;
  }

  ranges(from, to, pieces = this.pieces()) {
    const found = [];
    for (const [node, at] of pieces) {
      const start = Math.max(from, at), stop = Math.min(to, at + node.length);
      if (start >= stop) continue;
      found.push(new StaticRange({ startContainer: node, startOffset: start - at, endContainer: node, endOffset: stop - at }));
    }
    return found;
  }

  /** Mark token `index`, and bring it into view; null marks none. */
  mark(index, scroll) {
    if (index === null) { marks?.delete("token"); return; }
    const [from, to] = this.tokenSpans()[index] ?? [0, 0], ranges = this.ranges(from, to);
    marks?.set("token", Object.assign(new Highlight(...ranges), { priority: 1 }));
    if (scroll) ranges[0]?.startContainer.parentElement.scrollIntoView({ block: "nearest" });
  }
}

/** Colour answers by how likely each of their tokens was. */
export function colour(turns) {
  if (!marks) return;
  const steps = [1, 2, 3, 4, 5].map(() => []);
  for (const turn of turns) {
    const pieces = turn.pieces();
    turn.tokenSpans().forEach(([from, to], i) => { steps[step(turn.turn.tokens[i].p) - 1].push(...turn.ranges(from, to, pieces)); });
  }
  steps.forEach((ranges, i) => marks.set(`chance-${i + 1}`, new Highlight(...ranges)));
}

const FINISHES = { length: "reached the limit of tokens", stopped: "stopped" };

/** How fast it was, how much of the prompt was known already, and why it ended. */
function told({ speed, finish }) {
  const { tokens = 0, rate, first, prompt, cached } = speed;
  return [count(tokens, "token"), rate && `${rate.toFixed(rate < 100 ? 1 : 0)} tokens/s`, first && `first after ${first.toFixed(2)} s`,
    prompt && `read ${prompt - cached} of ${prompt}`, FINISHES[finish]].filter(Boolean).join(" · ");
}

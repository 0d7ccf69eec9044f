// A conversation is a tree of turns, of which one path is shown; to edit or retry grows a sibling, and nothing is lost.
//   { id, title, created, updated, mode, system, settings, turns: [{ id, parent, role, text, … }], shown: { parent: child } }
// A turn's parent is 0 at the root. A token of an answer is { text, p, others: [[text, p], …] } as the server told it; a part of
// a character has its bytes too, as `bytes` or as the third in `others`. `calls` of an answer are messages before its text, in which
// tools were called; `verdict` is what was said of it, and what `corrects` another is a person's.

import { SETTINGS } from "./sampling.js";

export const DEFAULTS = { ...SETTINGS, max_tokens: 512, seed: null };

export function fresh(mode, settings = DEFAULTS, system = "") {
  const now = Date.now();
  return { id: name(), title: "", created: now, updated: now, mode, system, settings: { ...settings }, turns: [], shown: {} };
}

export function name() {
  return [...crypto.getRandomValues(new Uint8Array(12))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function add(talk, parent, role, text, more = {}) {
  const id = 1 + Math.max(0, ...talk.turns.map((turn) => turn.id));
  const turn = { id, parent, role, text, when: Date.now(), ...more };
  talk.turns.push(turn);
  talk.shown[parent] = id;
  if (!talk.title && role === "user") talk.title = titled(text);
  return turn;
}

export function titled(text) {
  const line = text.trim().split(/\s+/).join(" ");
  return line.length > 60 ? `${line.slice(0, 58).replace(/\s+\S*$/, "")}…` : line;
}

export const children = (talk, parent) => talk.turns.filter((turn) => turn.parent === parent);

/** The turns from the root to the leaf that is shown, or to `until`, which is included. */
export function path(talk, until = null) {
  const found = [];
  for (let parent = 0; ;) {
    const among = children(talk, parent);
    const turn = among.find((one) => one.id === talk.shown[parent]) ?? among.at(-1);
    if (!turn) return found;
    found.push(turn);
    if (turn.id === until) return found;
    parent = turn.id;
  }
}

export function place(talk, turn) {
  const among = children(talk, turn.parent), at = among.indexOf(turn);
  return { at, of: among.length, before: among[at - 1], after: among[at + 1] };
}

export function showTurn(talk, turn) {
  talk.shown[turn.parent] = turn.id;
}

// A conversation is a tree of turns, of which one path is shown; to edit or retry grows a sibling, and nothing is lost.
//   { id, title, created, updated, mode, system, settings, turns: [{ id, parent, role, text, … }], shown: { parent: child } }
// A turn's parent is 0 at the root. A token of an answer is { text, p, others: [[text, p], …] } as the server told it; a part of
// a character has its bytes too, as `bytes` or as the third in `others`.

import { SETTINGS } from "./sampling.js";

export const DEFAULTS = { ...SETTINGS, max_tokens: 512, seed: null };
const FORMAT = "twofold conversations 1";

export function fresh(mode, settings = DEFAULTS, system = "") {
  const now = Date.now();
  return { id: name(), title: "", created: now, updated: now, mode, system, settings: { ...settings }, turns: [], shown: {} };
}

function name() {
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

// As files

export function exported(talks) {
  return JSON.stringify({ format: FORMAT, conversations: talks }, null, 1);
}

/** The conversations in a file's text, under new names. Raises an Error that says what is wrong with it. */
export function imported(text) {
  let file;
  try { file = JSON.parse(text); } catch { throw new Error("it is no JSON"); }
  if (file?.format !== FORMAT || !Array.isArray(file.conversations)) throw new Error(`it does not begin with "format": "${FORMAT}"`);
  return file.conversations.map((talk, i) => {
    try { return { ...checked(talk), id: name() }; } catch (error) { throw new Error(`conversation ${i + 1}: ${error.message}`); }
  });
}

const isText = (value) => typeof value === "string", isNumber = (value) => Number.isFinite(value);
function need(fits, what) {
  if (!fits) throw new Error(`its ${what} is not as it should be`);
}

function checked(talk) {
  need(talk && isText(talk.title), "title");
  need(isText(talk.system ?? ""), "system prompt");
  need(["chat", "text"].includes(talk.mode), "mode");
  need(Array.isArray(talk.turns), "list of turns");
  const settings = { ...DEFAULTS };
  for (const key of Object.keys(DEFAULTS)) if (isNumber(talk.settings?.[key])) settings[key] = talk.settings[key];
  const seen = new Set([0]);
  const turns = talk.turns.map((turn) => {
    need(Number.isInteger(turn?.id) && turn.id > 0 && !seen.has(turn.id), "turn's id");
    need(seen.has(turn.parent), "turn's parent"); // parents come first, so there is no circle
    seen.add(turn.id);
    need(["user", "assistant"].includes(turn.role) && isText(turn.text), "turn");
    const { id, parent, role, text } = turn;
    return { id, parent, role, text, when: isNumber(turn.when) ? turn.when : 0, ...(isText(turn.model) && { model: turn.model }),
      ...(isText(turn.finish) && { finish: turn.finish }), ...(isNumber(turn.seed) && { seed: turn.seed }),
      ...(Array.isArray(turn.tokens) && { tokens: turn.tokens.map(checkedToken) }),
      ...(turn.speed && { speed: Object.fromEntries(Object.entries(turn.speed).filter(([, value]) => isNumber(value))) }) };
  });
  const shown = Object.fromEntries(Object.entries(talk.shown ?? {}).filter(([parent, id]) => seen.has(Number(parent)) && seen.has(id)));
  const now = Date.now();
  return { title: talk.title.slice(0, 200), system: talk.system ?? "", mode: talk.mode, settings, turns, shown,
    created: isNumber(talk.created) ? talk.created : now, updated: isNumber(talk.updated) ? talk.updated : now };
}

function checkedToken(token) {
  const bytes = (value) => value === undefined || (Array.isArray(value) && value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256));
  const fits = token && isText(token.text) && isNumber(token.p) && bytes(token.bytes) && Array.isArray(token.others)
    && token.others.every((one) => Array.isArray(one) && isText(one[0]) && isNumber(one[1]) && bytes(one[2]));
  need(fits, "token");
  return { text: token.text, p: token.p, others: token.others.map((one) => one.slice(0, 3)), ...(token.bytes && { bytes: token.bytes }) };
}

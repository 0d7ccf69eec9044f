// Conversations as files. Only loaded when one is written or read.

import { DEFAULTS, name } from "../conversation.js";

const FORMAT = "twofold conversations 1";

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
  if (talk.settings?.forget === true) settings.forget = true;
  const seen = new Set([0]);
  const turns = talk.turns.map((turn) => {
    need(Number.isInteger(turn?.id) && turn.id > 0 && !seen.has(turn.id), "turn's id");
    need(seen.has(turn.parent), "turn's parent"); // parents come first, so there is no circle
    seen.add(turn.id);
    need(["user", "assistant"].includes(turn.role) && isText(turn.text), "turn");
    const { id, parent, role, text, verdict, corrects } = turn;
    need(turn.calls === undefined || (Array.isArray(turn.calls) && turn.calls.every(isCall)), "turn's calls");
    return { id, parent, role, text, when: isNumber(turn.when) ? turn.when : 0, ...(isText(turn.model) && { model: turn.model }), ...(turn.calls && { calls: turn.calls }),
      ...(["good", "bad"].includes(verdict) && { verdict }), ...(seen.has(corrects) && { corrects }),
      ...(isText(turn.finish) && { finish: turn.finish }), ...(isNumber(turn.seed) && { seed: turn.seed }),
      ...(Array.isArray(turn.tokens) && { tokens: turn.tokens.map(checkedToken) }),
      ...(turn.speed && { speed: Object.fromEntries(Object.entries(turn.speed).filter(([, value]) => isNumber(value))) }) };
  });
  const shown = Object.fromEntries(Object.entries(talk.shown ?? {}).filter(([parent, id]) => seen.has(Number(parent)) && seen.has(id)));
  const now = Date.now();
  return { title: talk.title.slice(0, 200), system: talk.system ?? "", mode: talk.mode, settings, turns, shown,
    created: isNumber(talk.created) ? talk.created : now, updated: isNumber(talk.updated) ? talk.updated : now };
}

/** A message in which an assistant calls tools, or a tool's result. */
const isCall = (one) => isText(one?.content) && (one.role === "tool" || (one.role === "assistant" && Array.isArray(one.tool_calls)
  && one.tool_calls.every((call) => isText(call?.function?.name) && "arguments" in call.function)));

function checkedToken(token) {
  const bytes = (value) => value === undefined || (Array.isArray(value) && value.every((byte) => Number.isInteger(byte) && byte >= 0 && byte < 256));
  const fits = token && isText(token.text) && isNumber(token.p) && bytes(token.bytes) && Array.isArray(token.others)
    && token.others.every((one) => Array.isArray(one) && isText(one[0]) && isNumber(one[1]) && bytes(one[2]));
  need(fits, "token");
  return { text: token.text, p: token.p, others: token.others.map((one) => one.slice(0, 3)), ...(token.bytes && { bytes: token.bytes }) };
}

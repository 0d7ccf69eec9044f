// What a reader says of an answer: that it is good or bad, or what it should have been. It stays with the conversation, in this
// browser; where the server keeps labels, it is kept there too; and it can be exported, as what finetune and prefer learn from.

import { messages } from "../ask.js";
import { add } from "../conversation.js";
import { download, h, press } from "../dom.js";
import { recall } from "../explain.js";
import * as store from "../store.js";

/** Flag an answer "good" or "bad"; once more takes it back. */
export async function flag(chat, turn, verdict) {
  const before = turn.entry;
  turn.verdict = turn.verdict === verdict ? undefined : verdict;
  turn.flagged = Date.now();
  delete turn.entry;
  await shown(chat, turn.verdict ? `Flagged as ${verdict}.` : "No longer flagged.");
  if (before) await ask(chat, "back", { entry: before });
  if (turn.verdict) await keep(chat, turn, { verdict, ...await said(chat.talk, turn) });
}

/** A field in place of the answer's text; what is written there becomes an answer beside it, from which the conversation goes on.
    The calls before it stay as they were. */
export function correct(chat, turn) {
  const view = chat.views.get(turn.id), before = [...view.element.childNodes];
  const field = h("textarea", { value: turn.text, "aria-label": "What the answer should be", rows: Math.min(16, turn.text.split("\n").length + 2), onkeydown: (event) => {
    if (event.isComposing || (event.key !== "Escape" && !(event.key === "Enter" && (event.ctrlKey || event.metaKey)))) return;
    event.preventDefault();
    chat.flags(() => done(event.key === "Enter" ? field.value : null));
  } });
  const done = async (text) => {
    view.element.replaceChildren(...before);
    if (!text?.trim() || text.trim() === turn.text.trim()) return;
    const made = add(chat.talk, turn.parent, "assistant", text.trim(), { corrects: turn.id, tokens: [], ...(turn.calls && { calls: turn.calls }) });
    chat.target = null;
    chat.drawThread();
    await shown(chat, "Corrected.");
    await keep(chat, made, { verdict: "corrected", ...await said(chat.talk, turn), text: made.text });
  };
  view.element.replaceChildren(before[0], before[1], field, h("p", { class: "presses" }, press("Keep the correction", () => chat.flags(() => done(field.value))), press("Cancel", () => done(null)),
    h("span", { class: "note" }, "Ctrl+Enter keeps it")));
  field.focus();
}

async function shown(chat, words) {
  chat.drawThread();
  chat.shell.say(words);
  await chat.keep(chat.talk);
}

/** What was asked and answered, as messages. */
async function said(talk, turn) {
  const before = [];
  for (let id = turn.parent; id; id = before[0].parent) before.unshift(talk.turns.find((one) => one.id === id));
  return { prompt: await messages(talk, before), answer: await messages({ ...talk, system: "" }, [turn]), model: turn.model };
}

// On the server

async function ask(chat, where, body) {
  if (!chat.labels) return null;
  return chat.shell.server.json(`label/${where}`, { body: { by: await by(chat), ...body } });
}

async function by(chat) {
  return recall("label-as") || (chat.labeller ??= (await chat.shell.server.json("label/about")).by);
}

async function keep(chat, turn, body) {
  const kept = await ask(chat, "flag", body);
  if (!kept) return;
  turn.entry = kept.entry;
  await chat.keep(chat.talk);
}

// As a file

/** All that was said of answers, in all conversations of this browser, one JSON object a line. */
export async function exportAll(chat) {
  const lines = [], name = recall("label-as") || "me";
  for (const talk of await store.loadAll()) for (const turn of talk.turns) lines.push(...await records(talk, turn, name));
  if (lines.length) download("labels.jsonl", lines.map((one) => `${JSON.stringify(one)}\n`).join(""), "application/jsonl");
  else chat.tell("No answer is flagged or corrected yet.");
}

async function records(talk, turn, name) {
  const labels = { by: name, when: new Date(turn.flagged ?? turn.when).toISOString(), entry: `${talk.id}-${turn.id}` }, source = "labels";
  const wrong = turn.corrects && talk.turns.find((one) => one.id === turn.corrects);
  if (wrong) {
    const { prompt, answer, model } = await said(talk, wrong), { answer: chosen } = await said(talk, turn), all = { source, labels: { ...labels, verdict: "corrected", model } };
    return [{ prompt, chosen, rejected: answer, ...all }, { messages: [...prompt, ...chosen], ...all }];
  }
  if (!turn.verdict) return [];
  const { prompt, answer, model } = await said(talk, turn), all = { source, labels: { ...labels, verdict: turn.verdict, model } };
  return [turn.verdict === "good" ? { messages: [...prompt, ...answer], ...all } : { prompt, answers: [answer], ...all }];
}

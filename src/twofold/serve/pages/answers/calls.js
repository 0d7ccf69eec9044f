// Calls of tools in an answer, to be read: what was asked of which tool, and what it said.

import { h } from "../dom.js";

/** The words of a call: calculator(12 * 34). One argument stands alone, several with their names. */
export function spelled({ name, arguments: given }) {
  const values = Object.entries(typeof given === "string" ? parsed(given) : given ?? {});
  const said = (value) => typeof value === "string" ? value : JSON.stringify(value);
  return `${name}(${values.length === 1 ? said(values[0][1]) : values.map(([key, value]) => `${key}: ${said(value)}`).join(", ")})`;
}

function parsed(text) {
  try { return JSON.parse(text); } catch { return { "": text }; }
}

/** `calls`: messages, an assistant's with tool_calls and the tool's that answers it, in turns. */
export function trace(calls) {
  const rows = [];
  for (const message of calls) {
    if (message.role === "tool") {
      const failed = message.content.startsWith("error: ");
      rows.at(-1)?.append(h("span", { class: "arrow", "aria-hidden": "true" }, " → "), h("span", { class: "unseen" }, failed ? " failed: " : " gives "),
        h("samp", { class: failed ? "alarm" : null }, message.content));
      continue;
    }
    if (message.content) rows.push(h("p", { class: "said" }, message.content));
    for (const call of message.tool_calls ?? []) rows.push(h("p", { class: "call" }, h("code", {}, spelled(call.function))));
  }
  return h("div", { class: "calls", role: "group", "aria-label": "Calls of tools" }, ...rows);
}

/** The calls of an answer's turn as the protocol has them, with a name for each. */
export function wired(calls = []) {
  let n = 0;
  return calls.map((message) => message.role === "tool" ? { role: "tool", tool_call_id: `call_${n}`, content: message.content }
    : { role: "assistant", content: message.content, tool_calls: message.tool_calls.map((call) => ({ id: `call_${n += 1}`, type: "function",
      function: { name: call.function.name, arguments: typeof call.function.arguments === "string" ? call.function.arguments : JSON.stringify(call.function.arguments) } })) });
}

/** What was written so far belongs to the calls that were made; the answer begins after their results. */
export function called(turn, steps) {
  for (const { name, arguments: given, result } of steps) {
    turn.calls = [...turn.calls ?? [], { role: "assistant", content: turn.text, tool_calls: [{ type: "function", function: { name, arguments: given } }] }, { role: "tool", name, content: result }];
    Object.assign(turn, { text: "", tokens: [] });
  }
}

if (!document.querySelector('link[href$="answers.css"]')) document.head.append(h("link", { rel: "stylesheet", href: "pages/answers/answers.css" }));

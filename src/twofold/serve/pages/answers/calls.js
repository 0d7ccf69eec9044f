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

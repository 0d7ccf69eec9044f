// What a reader chose is remembered, on every page: above all, at which of three depths things are explained.

import { choice, h } from "./dom.js";

export function recall(name) {
  try { return localStorage.getItem(`twofold-${name}`); } catch { return null; }
}
export function remember(name, value) {
  try { localStorage.setItem(`twofold-${name}`, value); } catch { /* it is only forgotten */ }
}

const DEPTHS = [["plain", "plain words"], ["mathematics", "mathematics"], ["code", "code"]];
let explanations = 0;

/** An explanation at three depths: `parts` has an array of nodes for plain, mathematics and code. */
export function explain(legend, parts) {
  const box = h("div", { class: "explain" }), chosen = recall("depth") ?? "plain";
  const blocks = DEPTHS.map(([depth]) => h("div", { class: "depth", hidden: depth !== chosen, "data-depth": depth }, ...parts[depth]));
  box.append(choice(`depth-${explanations += 1}`, `Explain ${legend} in`, DEPTHS, chosen, (depth) => {
    remember("depth", depth);
    for (const block of document.querySelectorAll(".explain > .depth")) block.hidden = block.dataset.depth !== depth;
    for (const input of document.querySelectorAll(`.explain input[value="${depth}"]`)) input.checked = true;
  }), ...blocks);
  return box;
}

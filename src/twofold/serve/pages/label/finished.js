// When all is labelled: what was said, and what to do with it.

import { h } from "../dom.js";

const SAID = [["first", "the first was better"], ["second", "the second was better"], ["both bad", "both were bad"], ["corrected", "an answer corrected"],
  ["written", "an answer written"], ["good", "an answer was good"], ["bad", "an answer was bad"], ["skipped", "skipped"]];

export async function finished(page) {
  const counts = await page.server.json("label/counts", { body: { by: page.by } }), { file } = page.desk;
  const model = page.desk.model ?? "MODEL", rows = SAID.filter(([verdict]) => counts[verdict]);
  const pairs = counts.first || counts.second || counts.corrected, answers = counts.written || counts.corrected || counts.good;
  return [h("section", { class: "finished" }, h("h2", {}, "All are labelled. Thank you."),
    h("table", {}, h("caption", { class: "unseen" }, "What you said"), h("tbody", {}, ...rows.map(([verdict, words]) => h("tr", {}, h("th", { scope: "row" }, words), h("td", {}, counts[verdict].toLocaleString("en")))))),
    h("p", {}, `It is all in ${file}. What to do with it:`),
    h("pre", {}, h("code", {}, [pairs && `twofold prefer ${model} --data ${file}`, answers && `twofold finetune ${model} --data ${file}`, `twofold label --agreement ${file} OTHERS.jsonl`].filter(Boolean).join("\n"))))];
}

// Markdown as elements, never as markup: what a model writes can look like anything and do nothing.
//
// Every piece of text that is rendered knows where in the source it stands, so that a place in the page is a place among
// the model's tokens. Of CommonMark: headings, paragraphs, fenced code, lists, quotes, rules, tables; code, emphasis,
// links, bare addresses. Pictures are links: nothing is fetched.

import { copyButton, h } from "./dom.js";

const FENCE = /^ {0,3}(`{3,}|~{3,})\s*([^`\s]*)[^`]*$/, HEADING = /^ {0,3}(#{1,6})(?:[ \t]+|$)/, RULE = /^ {0,3}([-*_])(?:[ \t]*\1){2,}[ \t]*$/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])([ \t]+|$)/, QUOTE = /^ {0,3}> ?/, BLANK = /^[ \t]*$/, DEEPEST = 12;
const DELIMITERS = /^[ \t]*\|?[ \t]*:?-+:?[ \t]*(\|[ \t]*:?-+:?[ \t]*)*(\|[ \t]*)?$/;
const FARTHEST = 4000; // characters to look ahead, so that hostile text costs no more than its length

export function blocks(source) {
  return parse(linesOf(source), 0).map((block) => ({ key: `${block.from} ${source.slice(block.from, block.to)}`, build: block.build }));
}

/** Where a text node of a rendered block begins in the source. */
export const places = new WeakMap();

// A line is { text, at }: `at` is where its text begins in the source.
function linesOf(source) {
  let at = 0;
  return source.split("\n").map((text) => {
    const line = { text, at };
    at += text.length + 1;
    return line;
  });
}
const without = (line, n) => ({ text: line.text.slice(n), at: line.at + Math.min(n, line.text.length) });
const end = (line) => line.at + line.text.length;

function parse(lines, depth) {
  const found = [];
  for (let i = 0; i < lines.length;) {
    if (BLANK.test(lines[i].text)) { i += 1; continue; }
    const [size, build] = block(lines, i, depth);
    found.push({ from: lines[i].at, to: end(lines[i + size - 1]), build });
    i += size;
  }
  return found;
}

/** How many lines the block at line `i` takes, and what makes it. */
function block(lines, i, depth) {
  const { text } = lines[i];
  let match;
  if ((match = FENCE.exec(text))) return fenced(lines, i, match);
  if ((match = HEADING.exec(text))) {
    const line = without(lines[i], match[0].length), level = Math.min(6, match[1].length + 2);
    return [1, () => h(`h${level}`, {}, ...inline([{ ...line, text: line.text.replace(/[ \t]+#+[ \t]*$/, "") }]))];
  }
  if (RULE.test(text)) return [1, () => h("hr")];
  if (QUOTE.test(text) && depth < DEEPEST) {
    const size = taken(lines, i, (line) => QUOTE.test(line.text) || !(BLANK.test(line.text) || begins(line.text)));
    const inner = lines.slice(i, i + size).map((line) => without(line, QUOTE.exec(line.text)?.[0].length ?? 0));
    return [size, () => h("blockquote", {}, ...build(parse(inner, depth + 1)))];
  }
  if ((match = ITEM.exec(text)) && depth < DEEPEST) return list(lines, i, match, depth);
  if (i + 1 < lines.length && text.includes("|") && DELIMITERS.test(lines[i + 1].text)
    && cells(lines[i]).length === cells(lines[i + 1]).length) return table(lines, i);
  const size = taken(lines, i, (line) => !BLANK.test(line.text) && !begins(line.text));
  return [size, () => h("p", {}, ...inline(lines.slice(i, i + size).map((line) => without(line, /^[ \t]*/.exec(line.text)[0].length))))];
}

const build = (parts) => parts.map((part) => part.build());
const begins = (text) => FENCE.test(text) || HEADING.test(text) || RULE.test(text) || QUOTE.test(text) || /^ {0,3}([-*+]|1[.)])[ \t]+\S/.test(text);
function taken(lines, i, fits) {
  let size = 1;
  while (i + size < lines.length && fits(lines[i + size])) size += 1;
  return size;
}

function fenced(lines, i, [, fence, language]) {
  const close = new RegExp(`^ {0,3}${fence[0]}{${fence.length},}[ \\t]*$`);
  let size = 1;
  while (i + size < lines.length && !close.test(lines[i + size].text)) size += 1;
  const inside = lines.slice(i + 1, i + size), code = inside.map((line) => line.text).join("\n");
  return [Math.min(size + 1, lines.length - i), () => {
    const element = h("code", {}, ...inside.map((line, n) => placed(line.text + (n < inside.length - 1 ? "\n" : ""), line.at)));
    return h("figure", { class: "code" }, h("figcaption", {}, h("span", {}, language || "code"), copyButton("Copy", () => code)),
      h("pre", { tabindex: "0", "aria-label": "Code" }, element));
  }];
}

function list(lines, i, [, , mark], depth) {
  const ordered = /\d/.test(mark), kind = mark.at(-1), items = [];
  let at = i;
  while (at < lines.length) {
    const match = ITEM.exec(lines[at].text);
    if (!match || match[2].at(-1) !== kind || RULE.test(lines[at].text)) break;
    const indent = match[1].length + match[2].length + (match[3].length > 4 ? 1 : Math.max(1, match[3].length));
    const inner = [without(lines[at], indent)];
    at += 1;
    for (; at < lines.length; at += 1) {
      const { text } = lines[at], spaces = /^ */.exec(text)[0].length;
      if (BLANK.test(text)) {
        const next = lines[at + 1]?.text ?? "";
        if (BLANK.test(next) || (/^ */.exec(next)[0].length < indent && !ITEM.test(next))) break;
        inner.push(without(lines[at], text.length));
      } else if (spaces >= Math.min(indent, 2) && spaces >= 1 && (spaces >= indent || ITEM.test(text.slice(spaces)))) inner.push(without(lines[at], Math.min(spaces, indent)));
      else if (ITEM.test(text) || begins(text) || BLANK.test(lines[at - 1].text)) break;
      else inner.push(lines[at]);
    }
    items.push(inner);
    while (at < lines.length && BLANK.test(lines[at].text) && ITEM.exec(lines[at + 1]?.text ?? "")?.[2].at(-1) === kind) at += 1;
  }
  const start = ordered ? Number.parseInt(mark, 10) : 1;
  return [at - i, () => h(ordered ? "ol" : "ul", { start: ordered && start !== 1 ? start : null },
    ...items.map((inner) => h("li", {}, ...build(parse(inner, depth + 1)))))];
}

function cells(line) {
  const found = [], text = line.text;
  let from = /^[ \t]*\|?/.exec(text)[0].length;
  const last = text.replace(/\|?[ \t]*$/, "").length;
  for (let i = from; i <= last; i += 1) {
    if (i < last && (text[i] !== "|" || text[i - 1] === "\\")) continue;
    const cell = text.slice(from, i), left = /^[ \t]*/.exec(cell)[0].length;
    found.push({ text: cell.trim(), at: line.at + from + left });
    from = i + 1;
  }
  return found;
}

function table(lines, i) {
  const head = cells(lines[i]), size = 1 + taken(lines, i + 1, (line) => line.text.includes("|") && !BLANK.test(line.text));
  const sides = cells(lines[i + 1]).map(({ text }) => text.endsWith(":") ? (text.startsWith(":") ? "center" : "right") : null);
  const rows = lines.slice(i + 2, i + size).map((line) => cells(line).slice(0, head.length));
  const row = (name, parts) => h("tr", {}, ...parts.map((cell, n) => h(name, { align: sides[n] }, ...inline([cell]))));
  return [size, () => h("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "Table" },
    h("table", {}, h("thead", {}, row("th", head)), h("tbody", {}, ...rows.map((parts) => row("td", parts)))))];
}

// Inside a line

function placed(text, at) {
  const node = document.createTextNode(text);
  places.set(node, at);
  return node;
}

const ADDRESS = /^https?:\/\/[^\s<>"'`]*[^\s<>"'`.,;:!?)\]}*_]/;

function inline(lines) {
  const text = lines.map((line) => line.text).join("\n"), at = [];
  lines.forEach((line, n) => {
    for (let i = 0; i < line.text.length; i += 1) at.push(line.at + i);
    if (n < lines.length - 1) at.push(line.at + line.text.length);
  });
  return spans(text, at, 0, text.length, 0);
}

/** The nodes of text[from … to); `at` tells where each character stands in the source. */
function spans(text, at, from, to, depth) {
  const nodes = [];
  let plain = from;
  const flush = (until) => {
    while (plain < until) {
      let stop = plain + 1;
      while (stop < until && at[stop] === at[stop - 1] + 1) stop += 1;
      nodes.push(placed(text.slice(plain, stop), at[plain]));
      plain = stop;
    }
  };
  const put = (i, size, node) => { flush(i); if (node) nodes.push(node); plain = i + size; return size; };
  for (let i = from; i < to;) i += special(text, at, i, to, depth, put) || 1;
  flush(to);
  return nodes;
}

/** How many characters at `i` are more than text; 0 when they are text. */
function special(text, at, i, to, depth, put) {
  const sign = text[i], inside = (a, b) => spans(text, at, a, b, depth + 1);
  to = Math.min(to, i + FARTHEST);
  if (sign === "\\" && i + 1 < to && /[!-/:-@[-`{-~]/.test(text[i + 1])) { put(i, 1, null); return 2; }
  if (sign === "\n" && /(\\| {2,})$/.test(text.slice(Math.max(0, i - 3), i))) return put(i, 1, h("br"));
  if (sign === "`") {
    const ticks = /^`+/.exec(text.slice(i, to))[0], close = closing(text, i + ticks.length, to, ticks);
    if (close < 0) return ticks.length;
    const code = h("code", {});
    for (let a = i + ticks.length; a < close;) {
      let b = a + 1;
      while (b < close && at[b] === at[b - 1] + 1) b += 1;
      code.append(placed(text.slice(a, b), at[a]));
      a = b;
    }
    return put(i, close + ticks.length - i, code);
  }
  if (depth > DEEPEST) return 0;
  if (sign === "*" || sign === "_" || sign === "~") return emphasis(text, i, to, put, inside);
  if (sign === "[" || (sign === "!" && text[i + 1] === "[")) return link(text, i, to, put, inside);
  if (sign === "h" && !/\w/.test(text[i - 1] ?? " ")) {
    const address = ADDRESS.exec(text.slice(i, to))?.[0];
    if (address) return put(i, address.length, anchor(address, [placed(address, at[i])]));
  }
  return 0;
}

function closing(text, from, to, ticks) {
  for (const match of text.slice(from, to).matchAll(/`+/g)) if (match[0].length === ticks.length) return from + match.index;
  return -1;
}

function emphasis(text, i, to, put, inside) {
  const sign = text[i], run = new RegExp(`^\\${sign}+`).exec(text.slice(i, to))[0].length;
  if (/\s/.test(text[i + run] ?? " ") || (sign === "_" && /\w/.test(text[i - 1] ?? " "))) return run;
  const size = sign === "~" ? 2 : Math.min(run, 3);
  if (run < size || run > 3) return run;
  for (let j = i + size; j <= to - size; j += 1) {
    if (text[j] === "\\") { j += 1; continue; }
    if (text[j] !== sign) continue;
    let length = 1;
    while (j + length < to && text[j + length] === sign) length += 1;
    if ((length === size || length === 3) && !/\s/.test(text[j - 1]) && !(sign === "_" && /\w/.test(text[j + length] ?? " "))) {
      const stop = j + length - size, names = sign === "~" ? ["s"] : size === 3 ? ["em", "strong"] : [size === 2 ? "strong" : "em"];
      const node = names.reduceRight((children, name) => [h(name, {}, ...children)], inside(i + size, stop))[0];
      return put(i, stop + size - i, node);
    }
    j += length - 1;
  }
  return run;
}

function link(text, i, to, put, inside) {
  const open = text[i] === "!" ? i + 2 : i + 1;
  let close = open, deep = 1;
  for (; close < to; close += 1) {
    if (text[close] === "\\") close += 1;
    else if (text[close] === "[") deep += 1;
    else if (text[close] === "]" && (deep -= 1) === 0) break;
  }
  const target = close < to && /^\(\s*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?:\s+["'(][^\n]*?["')])?\s*\)/.exec(text.slice(close + 1, to));
  if (!target) return 0;
  return put(i, close + 1 + target[0].length - i, anchor(target[1], inside(open, close)));
}

function anchor(address, words) {
  const safe = /^(https?:\/\/|mailto:)/i.test(address);
  return safe ? h("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, ...words) : h("span", {}, ...words);
}

// An answer's tokens: where each stands in the text, how it is spelled, and what the text becomes with another one.

const UTF8 = new TextEncoder();

// Where each token stands in the text, [from, to); a part of a character stands for all of it.
export function spansOf(text, tokens) {
  const all = UTF8.encode(text), starts = []; // the character (UTF-16) in which each byte lies
  for (let i = 0; i < text.length;) {
    const point = text.codePointAt(i), wide = point > 0xffff ? 2 : 1;
    for (let n = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4; n > 0; n -= 1) starts.push(i);
    i += wide;
  }
  starts.push(text.length);
  let at = 0;
  return tokens.map((token) => {
    const bytes = bytesOf(token.text, token.bytes), fits = bytes.every((byte, i) => all[at + i] === byte);
    const from = at;
    if (fits) at += bytes.length;
    let to = at;
    while (to > from && to < all.length && starts[to] === starts[to - 1]) to += 1;
    return [starts[Math.min(from, starts.length - 1)], starts[Math.min(to, starts.length - 1)]];
  });
}

const bytesOf = (text, bytes) => bytes ?? UTF8.encode(text);

/** The text up to token `index`, and then `text` (or `bytes`) in its place; null where that leaves half a character. */
export function instead(tokens, index, text, bytes) {
  const before = tokens.slice(0, index).flatMap((token) => [...bytesOf(token.text, token.bytes)]);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from([...before, ...bytesOf(text, bytes)]));
  } catch {
    return null;
  }
}

// The tokens that end an answer have a name and no text.
export const ends = (text) => /^(<\|[^|]*\|>|<\/?s>|<end_of_turn>|<eos>)$/.test(text);

/** For the eye: spaces, line ends and parts of characters are seen. */
export function spelled(text, bytes) {
  if (bytes) return `⟨${bytes.map((byte) => byte.toString(16).padStart(2, "0")).join(" ")}⟩`;
  return text.replaceAll(" ", "·").replaceAll("\n", "⏎").replaceAll("\t", "⇥") || "∅";
}

/** For the ear. */
export function spoken(text, bytes) {
  if (bytes) return `part of a character, ${bytes.length === 1 ? "byte" : "bytes"} ${bytes.map((byte) => byte.toString(16)).join(" ")}`;
  if (ends(text)) return "end of the answer";
  return text.replace(/^ (?=\S)/, "space, ").replaceAll("\n", " line end ").replace(/^ +$/, (spaces) => `${spaces.length} spaces`) || "nothing";
}

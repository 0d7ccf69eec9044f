// What the settings make of the model's own distribution, as in run.py: top-k, then top-p, then min-p, then temperature.
//
// The server tells the likeliest tokens. Mostly no other passes the filters, and all is exact; otherwise there are bounds.

export const SETTINGS = { temperature: 0.8, top_k: 40, top_p: 0.95, min_p: 0.05 };

// From the model's chances of its likeliest tokens, falling, of a vocabulary of so many: what cut each of them, or null, and
// the bounds of its chance to be drawn; and those of all others together.
export function drawn(chances, { temperature, top_k, top_p, min_p }, vocabulary) {
  const n = chances.length, known = sum(chances), rest = vocabulary > n ? Math.max(0, 1 - known) : 0, last = chances[n - 1];
  const k = temperature ? Math.min(top_k || vocabulary, vocabulary) : 1, places = k - n;
  // What passes top-k holds of the rest something between an even share and all.
  const even = places > 0 && rest ? rest * places / (vocabulary - n) : 0, all = sum(chances.slice(0, k));
  const low = top_p * (all + even), high = top_p * (all + (places > 0 ? rest : 0));
  const weight = (p) => (p / chances[0]) ** (1 / (temperature || 1));
  let before = 0, sure = 0, unsure = 0;
  const tokens = chances.map((p, i) => {
    const cut = i === 0 ? null : i >= k ? (temperature ? "top-k" : "temperature 0") : before >= high ? "top-p" : p < min_p * chances[0] ? "min-p" : null;
    const token = { cut, w: cut ? 0 : weight(p), sure: i === 0 || before < low };
    if (token.sure) sure += token.w; else unsure += token.w;
    before += p;
    return token;
  });
  // Of the others, so much may be kept: heaped on few tokens, none likelier than the last, or shared evenly by many.
  const ends = (mass) => [mass / last * weight(last), places * weight(mass / places)];
  let least = 0, most = 0;
  if (places > 0 && rest > 1e-9 && known < high && last > 0 && last >= min_p * chances[0]) {
    most = Math.max(...ends(Math.min(rest, high - known + last)));
    if (!min_p) least = Math.min(...ends(Math.max(0, Math.min(even, low - known))));
  }
  return {
    tokens: tokens.map((one) => ({ cut: one.cut, low: one.sure ? one.w / (sure + unsure + most) : 0, high: one.w && one.w / (sure + least + (one.sure ? 0 : one.w)) })),
    others: { low: least && least / (sure + unsure + least), high: most && most / (sure + most), model: rest },
  };
}

const sum = (values) => values.reduce((all, one) => all + one, 0);

/** How unsure the model was, in bits; the rest counts as one. */
export function entropy(chances) {
  const rest = Math.max(0, 1 - sum(chances));
  return -sum([...chances, rest].filter((p) => p > 0).map((p) => p * Math.log2(p)));
}

/** Which of five steps a chance is on, from 1 (surely) to 5 (hardly). */
export const step = (p) => p >= 0.9 ? 1 : p >= 0.5 ? 2 : p >= 0.2 ? 3 : p >= 0.05 ? 4 : 5;
export const STEPS = ["≥ 90 %", "≥ 50 %", "≥ 20 %", "≥ 5 %", "less"];

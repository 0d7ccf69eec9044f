// What the settings make of the model's own distribution, as in run.py: top-k, then top-p, then min-p, then temperature.
//
// The server tells the likeliest tokens of a vocabulary of thousands. Mostly no other token passes the filters and what
// follows is exact; otherwise the others' share is known only within bounds, which are given.

export const SETTINGS = { temperature: 0.8, top_k: 40, top_p: 0.95, min_p: 0.05 };

// `chances`: the model's probabilities of its likeliest tokens, falling; `vocabulary`: how many tokens there are in all.
// Gives what cut each of them, or null, and the bounds of its chance to be drawn; and `others`, all others together.
export function drawn(chances, { temperature, top_k, top_p, min_p }, vocabulary) {
  const n = chances.length, known = sum(chances), rest = vocabulary > n ? Math.max(0, 1 - known) : 0;
  const k = temperature ? Math.min(top_k || vocabulary, vocabulary) : 1;
  // What passes top-k holds of the rest something between an even share and all.
  const among = Math.min(k, n);
  const evenly = rest > 0 ? rest * Math.max(0, Math.min(1, (k - n) / (vocabulary - n))) : 0;
  const total = sum(chances.slice(0, among)) + (k > n ? (evenly + rest) / 2 : 0);
  const cut = [];
  let before = 0;
  for (let i = 0; i < n; i += 1) {
    cut.push(i === 0 ? null : i >= k ? (temperature ? "top-k" : "temperature 0") : before >= top_p * total ? "top-p" : chances[i] < min_p * chances[0] ? "min-p" : null);
    before += chances[i];
  }
  const weight = (p) => (p / chances[0]) ** (1 / (temperature || 1));
  const weights = chances.map((p, i) => cut[i] ? 0 : weight(p)), sure = sum(weights);

  let low = 0, high = 0;
  const most = Math.min(rest, top_p * total - known), last = chances[n - 1], places = Math.min(k, vocabulary) - n;
  if (places > 0 && most > 1e-9 && cut[n - 1] === null && last > 0 && last >= min_p * chances[0]) {
    const ends = [Math.max(1, most / last) * weight(Math.min(last, most)), places * weight(Math.min(last, most / places))];
    [low, high] = min_p > 0 ? [0, Math.max(...ends)] : [Math.min(...ends), Math.max(...ends)];
  }
  return {
    tokens: weights.map((w, i) => ({ cut: cut[i], low: w / (sure + high), high: w / (sure + low) })),
    others: { low: low / (sure + low), high: high / (sure + high), model: rest },
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

// Asking a model for an answer: the request of a conversation, and the stream of what comes back as text and tokens.

const ALTERNATIVES = 20; // as many as the protocol gives

// What the model says after `turns`, from `prefix` on, or from `calls` and their results: yields { text, tokens, finish, usage }, and `steps`
// where the server called tools, those that the conversation or the model has. In mode "chat" the turns are
// messages; in mode "text" they are one text, of which it sees the latest that its context holds.
export async function* answer(server, { model, talk, turns, prefix = "", calls, seed, n }, signal) {
  const { temperature, top_k, top_p, min_p, max_tokens } = talk.settings;
  const common = { model: model.id, stream: true, stream_options: { include_usage: true }, max_tokens: n ?? max_tokens, temperature, top_k, top_p, min_p, seed };
  const spoken = turns.filter((turn) => turn.text);
  const chat = talk.mode === "chat";
  const tools = (talk.tools ?? model.tools ?? []).map((type) => ({ type }));
  const body = chat ? { ...common, messages: await messages(talk, spoken, prefix, calls), logprobs: true, top_logprobs: ALTERNATIVES, ...(talk.settings.forget && { overflow: "slide" }), ...(tools.length && { tools }),
    ...(prefix && { continue_final_message: true }) }
    : { ...common, overflow: "slide", prompt: spoken.map((turn) => turn.text).join("") + prefix, logprobs: ALTERNATIVES };
  for await (const event of server.events(chat ? "v1/chat/completions" : "v1/completions", body, signal)) {
    const choice = event.choices?.[0];
    yield { text: (chat ? choice?.delta?.content : choice?.text) ?? "", tokens: tokensOf(choice?.logprobs), finish: choice?.finish_reason ?? null, usage: event.usage ?? null, steps: choice?.delta?.tool_steps };
  }
}

export async function messages(talk, turns, prefix, calls) {
  const { wired } = calls || turns.some((turn) => turn.calls) ? await import("./answers/calls.js") : { wired: () => [] };
  return [...(talk.system.trim() ? [{ role: "system", content: talk.system }] : []), ...turns.flatMap((turn) => [...wired(turn.calls), { role: turn.role, content: turn.text }]),
    ...wired(calls), ...(prefix ? [{ role: "assistant", content: prefix }] : [])];
}

function tokensOf(scores) {
  if (!scores) return [];
  if (scores.content) return scores.content.map((one) => token(one, one.top_logprobs ?? []));
  return (scores.tokens ?? []).map((text, i) => token({ token: text, logprob: scores.token_logprobs[i] },
    Object.entries(scores.top_logprobs?.[i] ?? {}).map(([other, logprob]) => ({ token: other, logprob }))));
}

function token(one, others) {
  const [text, bytes] = spelling(one);
  const alternatives = others.map((other) => {
    const [name, raw] = spelling(other);
    return raw ? [name, chance(other), raw] : [name, chance(other)];
  });
  return { text, p: chance(one), others: alternatives.sort((a, b) => b[1] - a[1]), ...(bytes && { bytes }) };
}

const chance = ({ logprob }) => Number(Math.exp(logprob ?? -Infinity).toPrecision(5));

// The text of a token, and its bytes where they are only a part of a character.
function spelling({ token: text, bytes }) {
  const raw = bytes ?? (text.startsWith("bytes:") ? [...text.matchAll(/\\x([0-9a-f]{2})/g)].map((match) => Number.parseInt(match[1], 16)) : null);
  if (!raw?.length) return [text, null];
  try {
    return [new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(raw)), null];
  } catch {
    return [text, [...raw]];
  }
}

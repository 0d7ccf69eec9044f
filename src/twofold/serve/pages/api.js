// The server, asked in OpenAI's protocol; what goes wrong comes as a Trouble that says what to do.

/** `kind`: "gone" (nobody answers), "key" (it wants one), "busy", "wrong" (our request), "failed" (theirs), "broken" (cut off). */
export class Trouble extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}

export class Server {
  constructor(base = document.baseURI) {
    this.base = base;
    this.key = sessionStorage.getItem("twofold-key") ?? "";
  }

  useKey(key) {
    this.key = key;
    sessionStorage.setItem("twofold-key", key);
  }

  async ask(path, { body, signal } = {}) {
    const headers = { ...(this.key && { Authorization: `Bearer ${this.key}` }), ...(body && { "Content-Type": "application/json" }) };
    let reply;
    try {
      reply = await fetch(new URL(path, this.base), { method: body ? "POST" : "GET", headers, signal, body: body && JSON.stringify(body) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Trouble("gone", `Nobody answers at ${new URL(this.base).host}. Start the server again with: twofold serve MODEL`);
    }
    if (!reply.ok) throw await refusal(reply, Boolean(this.key));
    return reply;
  }

  async json(path, options) {
    const reply = await this.ask(path, options);
    try { return await reply.json(); } catch { throw new Trouble("failed", `${path} answered with something that is no JSON`); }
  }

  /** The events of a streamed answer, parsed; ends after [DONE]. */
  async *events(path, body, signal) {
    const reply = await this.ask(path, { body, signal });
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    let waiting = "";
    try {
      for (;;) {
        const { value, done } = await reader.read();
        if (done) throw new Trouble("broken", "The connection ended before the answer did.");
        const blocks = (waiting + value).replaceAll("\r\n", "\n").split("\n\n");
        waiting = blocks.pop();
        for (const block of blocks) {
          const data = block.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trimStart()).join("\n");
          if (data === "[DONE]") return;
          if (!data) continue;
          const event = JSON.parse(data);
          if (event.error) throw new Trouble("failed", event.error.message ?? String(event.error));
          yield event;
        }
      }
    } catch (error) {
      if (error instanceof Trouble || error.name === "AbortError") throw error;
      if (error instanceof SyntaxError) throw new Trouble("failed", "The server sent something that is no JSON.");
      throw new Trouble("broken", "The connection was lost before the answer ended.");
    } finally {
      reader.cancel().catch(() => {});
    }
  }
}

async function refusal(reply, hadKey) {
  let said = "";
  try {
    const body = await reply.json();
    said = body.error?.message ?? body.detail ?? "";
  } catch { /* no JSON: the status has to do */ }
  if (typeof said !== "string") said = JSON.stringify(said);
  if (reply.status === 401) {
    return new Trouble("key", hadKey ? "The server does not know this key." : "The server wants a key, the one it was started with (--api-key).");
  }
  if (reply.status === 429 || reply.status === 503) {
    const wait = Number(reply.headers.get("Retry-After"));
    return new Trouble("busy", `The server is busy${said ? `: ${said}` : ""}. Try again ${wait > 0 ? `in ${wait} s` : "in a moment"}.`);
  }
  return new Trouble(reply.status < 500 ? "wrong" : "failed", said || `The server refused with status ${reply.status}.`);
}

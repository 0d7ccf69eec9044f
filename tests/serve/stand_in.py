"""A stand-in for the server, of which a test says what it answers: the pages' side of the protocol and nothing more."""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import log
from pathlib import Path

import twofold
from twofold.serve.pages import CHAT, DIGITS

PAGES = Path(twofold.__file__).parent / "serve" / "pages"
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json"}
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
          "base-uri 'none'; form-action 'none'; frame-ancestors 'none'")  # fmt: skip
MODEL = {"id": "stand-in", "object": "model", "created": 0, "owned_by": "twofold", "context": 2048, "vocabulary": 49152,
         "parameters": 134_515_008, "chat": True}  # fmt: skip


def tokens_of(text):
    """Words with the space before them; a sign that ASCII lacks is cut in two, as byte-level tokens may be."""
    for piece in re.findall(r" ?\w+|[^\w\s]|\s", text):
        raw = piece.encode()
        if len(raw) > len(piece):
            yield from (raw[:-1], raw[-1:])
        else:
            yield raw


def scored(raw, others):
    """One token in the shape of a chat's logprobs. `others`: chances by text."""
    def entry(data, p):
        return {"token": data.decode("utf-8", "backslashreplace"), "logprob": log(p), "bytes": list(data)}

    own = others.get(raw, 0.4)
    chances = {raw: own, **others}
    top = [entry(data, p) for data, p in sorted(chances.items(), key=lambda item: -item[1])]
    return {**entry(raw, own), "top_logprobs": top}


DEFAULT = {b" one": 0.3, b" two": 0.1, b" three": 0.05, b"\n": 0.02, b"<|im_end|>": 0.01, b"\xe2\x82": 0.005}


class StandIn:
    """Answers are taken from `answers` one after the other; `refusals` are (status, body, headers) that go first."""

    def __init__(self):
        self.answers, self.refusals, self.asked = [], [], []
        self.key, self.models, self.pause, self.cut_after = None, [MODEL], 0.0, None
        self.others = DEFAULT
        self.labels = False  # whether it keeps them

    def start(self, port=0):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                if self.path == "/" or re.fullmatch(r"/pages/([a-z]+/)?[a-z]+\.[a-z]+", self.path):
                    file = PAGES / ("index.html" if self.path == "/" else self.path.removeprefix("/pages/"))
                    if file.is_file():
                        self.give(200, file.read_bytes(), KINDS[file.suffix], {"Content-Security-Policy": POLICY})
                        return
                if self.path == "/pages/manifest.json":
                    self.give(200, json.dumps([{**CHAT, "labels": outer.labels}, DIGITS]).encode())
                elif self.path == "/label/about" and outer.labels:
                    self.give(200, b'{"by": "Ada"}')
                elif self.path == "/health":
                    self.give(200, b'{"status": "ok"}')
                elif self.path == "/v1/models" and self.allowed():
                    self.give(200, json.dumps({"object": "list", "data": outer.models}).encode())
                elif self.path != "/v1/models":
                    self.give(404, b'{"error": {"message": "no such place"}}')

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append((self.path, body))
                if not self.allowed():
                    return
                if outer.refusals:
                    status, message, headers = outer.refusals.pop(0)
                    self.give(status, json.dumps({"error": {"message": message}}).encode(), headers=headers)
                    return
                if self.path.startswith("/label/"):
                    self.give(200, json.dumps({"entry": f"entry {len(outer.asked)}"}).encode())
                    return
                self.stream(body, outer.answers.pop(0) if outer.answers else "Yes.")

            def allowed(self):
                if outer.key and self.headers.get("Authorization") != f"Bearer {outer.key}":
                    self.give(401, b'{"error": {"message": "an API key is needed"}}')
                    return False
                return True

            def give(self, status, body, kind="application/json", headers=None):
                self.send_response(status)
                for name, value in {"Content-Type": kind, "Content-Length": len(body), **(headers or {})}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def stream(self, body, answer):
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.end_headers()
                held, sent, most = b"", 0, body["max_tokens"]
                while not isinstance(answer, str):  # (what was said before a call, the call and its result, the rest)
                    before, step, answer = answer
                    self.event({"choices": [{"index": 0, "finish_reason": None, "delta": {"content": before}}]})
                    self.event({"choices": [{"index": 0, "finish_reason": None, "delta": {"tool_steps": [step]}}]})
                chat = self.path == "/v1/chat/completions"
                tokens = list(tokens_of(answer))
                for raw in tokens[:most]:
                    held += raw
                    sent += 1
                    try:
                        text, held = held.decode(), b""
                    except UnicodeDecodeError:
                        text = ""
                    one = scored(raw, outer.others)
                    if chat:
                        choice = {"delta": {"content": text}, "logprobs": {"content": [one]}}
                    else:
                        top = {entry["token"]: entry["logprob"] for entry in one["top_logprobs"]}
                        scores = {"tokens": [one["token"]], "token_logprobs": [one["logprob"]], "top_logprobs": [top]}
                        choice = {"text": text, "logprobs": scores}
                    self.event({"choices": [{"index": 0, "finish_reason": None, **choice}]})
                    if outer.cut_after == sent:
                        self.close_connection = True
                        return
                    time.sleep(outer.pause)
                finish = "length" if len(tokens) > most else "stop"
                ending = {"delta": {}} if chat else {"text": ""}
                self.event({"choices": [{"index": 0, "finish_reason": finish, "logprobs": None, **ending}]})
                usage = {"prompt_tokens": 40, "completion_tokens": sent, "prompt_tokens_details": {"cached_tokens": 30},
                         "seconds": {"waited": 0, "prompt": 0.1, "completion": (sent - 1) / 123}}  # fmt: skip
                self.event({"choices": [], "usage": usage})
                self.wfile.write(b"data: [DONE]\n\n")

            def event(self, value):
                self.wfile.write(b"data: " + json.dumps(value).encode() + b"\n\n")
                self.wfile.flush()

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        return self

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def stand_in():
    server = StandIn().start()
    try:
        yield server
    finally:
        server.stop()

"""/v1/completions: a text, or token ids, and what the model goes on with."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request as HTTPRequest
from starlette.responses import Response

from twofold import __version__
from twofold.contracts import Token
from twofold.engine.request import Piece, Usage
from twofold.serve.answering import Answers, respond
from twofold.serve.asking import best_first, log, request_of, several, spelled, total
from twofold.serve.events import DONE, event
from twofold.serve.receiving import read
from twofold.serve.shelf import Served
from twofold.serve.state import state_of
from twofold.serve.wire_text import Completion, CompletionChoice, CompletionLogprobs

__all__ = ["Written", "completions"]

DEFAULT_TOKENS = 16


async def completions(http: HTTPRequest) -> Response:
    state = state_of(http)
    asked = await read(http, Completion, state.settings)
    served = state.shelf.find(asked.model)
    prompts = await asyncio.to_thread(_prompts, asked, served)
    n = asked.n or 1
    wanted = DEFAULT_TOKENS if asked.max_tokens is None else asked.max_tokens
    scores = bool(asked.echo) and asked.logprobs is not None
    requests = [
        request_of(asked, served, ids, wanted, candidates=asked.logprobs or 0, prompt_scores=scores)
        for _, ids, _ in prompts
    ]
    written = [Written(served, asked, i, *prompts[i // n]) for i in range(n * len(prompts))]
    answers = Answers(state, served, several(asked, requests))
    head = {"id": f"cmpl-{secrets.token_hex(12)}", "object": "text_completion", "created": int(time.time()),
            "model": served.name, "system_fingerprint": f"twofold-{__version__}"}  # fmt: skip

    async def whole(answers: Answers) -> Any:
        async for index, piece in answers:
            written[index].take(piece)
        usage = total([one.usage for one in written], n)
        return {**head, "choices": [one.choice() for one in written], "usage": usage}

    async def events(answers: Answers) -> AsyncGenerator[bytes, None]:
        counted = asked.stream_options is not None and asked.stream_options.include_usage
        unknown: dict[str, None] = {"usage": None} if counted else {}
        async for index, piece in answers:
            written[index].take(piece)
            yield event({**head, "choices": [written[index].choice(fresh=True)], **unknown})
        if counted:
            yield event({**head, "choices": [], "usage": total([one.usage for one in written], n)})
        yield DONE

    return await respond(http, state, answers, asked.stream, events, whole)


def _prompts(asked: Completion, served: Served) -> list[tuple[str, list[int], int]]:
    """Of each prompt: its text, its ids, and how many of these (a bos that we put there) are no part of the text."""
    given: Any = asked.prompt
    many = isinstance(given, list) and not isinstance(given[0], int)
    return [_prompt(asked, served, one) for one in (given if many else [given])]


def _prompt(asked: Completion, served: Served, given: str | list[int]) -> tuple[str, list[int], int]:
    tokenizer = served.engine.tokenizer
    if isinstance(given, str):
        ids = served.engine.prompt(given, parse_special=asked.parse_special is not False)
        hidden = len(ids) - len(tokenizer.encode(given, parse_special=asked.parse_special is not False))
        return given, ids, hidden
    return (tokenizer.decode(given) if asked.echo else ""), given, 0


@dataclass
class Written:
    """One choice as it grows. `choice` gives all of it, or, where `fresh`, what came since the last time."""

    served: Served
    asked: Completion
    index: int
    prompt: str
    ids: Sequence[int]
    hidden: int
    usage: Usage = field(default_factory=Usage)

    def __post_init__(self) -> None:
        self.text = self.prompt if self.asked.echo else ""
        self.finish: Any = None
        self.logprobs: CompletionLogprobs = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        self._told = self._offset = 0

    def take(self, piece: Piece) -> None:
        self.text += piece.text
        self.finish, self.usage = piece.finish, piece.usage or self.usage
        if self.asked.logprobs is not None:
            for token in (*piece.prompt[self.hidden :], *piece.tokens):
                self._log(token)

    def _log(self, token: Token) -> None:
        text = spelled(self.served, token.id)[0]
        known = token.probability == token.probability  # of a text's first token nothing is known: it is nan
        self.logprobs["tokens"].append(text)
        self.logprobs["token_logprobs"].append(log(token.probability) if known else None)
        self.logprobs["text_offset"].append(self._offset)
        self._offset += len(text)
        top: dict[str, float] = {}
        for one in best_first(token):
            top.setdefault(_key(self.served, one.id), log(one.probability))
        assert self.logprobs["top_logprobs"] is not None
        self.logprobs["top_logprobs"].append(top if known else None)

    def choice(self, *, fresh: bool = False) -> CompletionChoice:
        text, logprobs = self.text, self.logprobs
        if fresh:
            text, self._told = self.text[self._told :], len(self.text)
            self.logprobs = {"tokens": [], "token_logprobs": [], "top_logprobs": [], "text_offset": []}
        return {
            "index": self.index, "text": text,
            "logprobs": None if self.asked.logprobs is None else logprobs,
            "finish_reason": self.finish,
        }  # fmt: skip


def _key(served: Served, i: int) -> str:
    """A token as the name of an entry: a part of a character by its bytes, so that two parts are two entries."""
    text, raw = spelled(served, i)
    return text if "\ufffd" not in text else "bytes:" + "".join(f"\\x{byte:02x}" for byte in raw)

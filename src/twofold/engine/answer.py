"""One request on its way: what was read and written, the next draw, and what the listener is told."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from twofold.contracts import Token
from twofold.engine.backend import Cache
from twofold.engine.prefix import Kept
from twofold.engine.request import Finish, Listener, Piece, Request, Usage
from twofold.engine.sampling import RECENT, likeliest, own_probability, probabilities
from twofold.engine.writing import Writing

if TYPE_CHECKING:
    from twofold.engine.constrained import Matcher
    from twofold.engine.open import Engine

__all__ = ["Answer"]


class Answer:
    """`ids` are prompt and answer; the cache holds those from `offset` on, as many as it is long.

    The i-th token after the prompt takes the i-th number of the seed's generator, whatever else goes on, so that
    neither the batch nor speculation changes a text.
    """

    def __init__(self, engine: Engine, id: int, request: Request, listener: Listener, matcher: Matcher | None) -> None:
        self.engine, self.id, self.request, self.listener, self.matcher = engine, id, request, listener, matcher
        self.ids, self.offset = list(request.prompt), 0
        self.cache: Cache | None = None
        self._random = np.random.default_rng(request.sampling.seed)
        self._numbers: deque[float] = deque()
        self._writing = Writing(request.stop)
        self._prompt_scores: list[Token] = [Token(request.prompt[0], float("nan"))] if request.prompt_scores else []
        self._usage = {"prompt_tokens": len(request.prompt), "cached_tokens": 0, "completion_tokens": 0,
                       "drafted_tokens": 0, "accepted_tokens": 0}  # fmt: skip
        self._times = {"submitted": time.perf_counter()}

    @property
    def usage(self) -> Usage:
        now = time.perf_counter()
        begun = self._times.get("begun", now)
        first = self._times.get("first", now)
        return Usage(**self._usage, waited_seconds=begun - self._times["submitted"], prompt_seconds=first - begun,
                     completion_seconds=now - first)  # fmt: skip

    @property
    def written(self) -> int:
        return self._usage["completion_tokens"]

    @property
    def writes(self) -> bool:
        """All but the token drawn last was read. (A text that slides reads its later half first.)"""
        return self.written > 0 and len(self.owed) == 1

    @property
    def owed(self) -> list[int]:
        """Ids that the cache does not hold yet."""
        return self.ids[self.offset + (self.cache.length if self.cache else 0) :]

    @property
    def held(self) -> Kept[Cache]:
        """What the cache holds. Only a text that has not slid begins where its ids begin."""
        assert self.cache is not None
        n = 0 if self.offset else self.cache.length
        return Kept(self.ids[:n], self.cache, 0)

    def count(self, **more: int) -> None:
        for name, n in more.items():
            self._usage[name] += n

    def begin(self, cache: Cache, cached: int) -> None:
        self.cache = cache
        self._usage["cached_tokens"] = cached
        self._times["begun"] = time.perf_counter()

    def slide(self) -> None:
        """The cache is full, or the prompt longer than it: the later half is read anew."""
        assert self.cache is not None
        self.cache.keep(0)
        self.offset = len(self.ids) - max(1, self.engine.context // 2)

    def numbers(self, n: int) -> list[float]:
        """The numbers that the next n draws will take."""
        while len(self._numbers) < n:
            self._numbers.append(self._random.random())
        return [self._numbers[i] for i in range(n)]

    def score_prompt(self, rows: np.ndarray, first: int) -> None:
        """`rows` [n, v] follow the ids from `first` on; the prompt's own tokens get their probabilities from them."""
        targets = self.request.prompt[first + 1 : first + 1 + len(rows)]
        for target, row in zip(targets, rows, strict=False):
            p = probabilities(row)
            self._prompt_scores.append(Token(target, float(p[target]), likeliest(p, self.request.candidates)))

    def tell_prompt(self) -> None:
        """All of the prompt was read."""
        if "first" not in self._times:
            self._times["first"] = time.perf_counter()
            if self.request.prompt_scores:
                self.listener(Piece(prompt=tuple(self._prompt_scores)))

    def draw(self, row: np.ndarray) -> Token:
        """The next token, from scores [v]. What it reports is the model's own, before bias, form and filters."""
        request, [u] = self.request, self.numbers(1)
        self._numbers.popleft()
        scores = row
        if request.logit_bias:
            scores = scores.copy()
            scores[list(request.logit_bias)] += np.fromiter(request.logit_bias.values(), np.float32)
        if self.matcher is not None:
            scores = self.matcher.mask(scores)
        recent = self.ids[-RECENT:] if request.sampling.repeat != 1 else ()
        chosen, probability = self.engine.backend.draw(scores, request.sampling, u, recent)
        if request.candidates:
            p = probabilities(row)
            return Token(chosen, float(p[chosen]), likeliest(p, request.candidates))
        return Token(chosen, probability if scores is row else own_probability(row, chosen))

    def add(self, token: Token) -> Finish | None:
        """The token joins the text; how that ends it, if it does. The listener is told what can be told."""
        request = self.request
        self.ids.append(token.id)
        self._usage["completion_tokens"] += 1
        tokenizer = self.engine.tokenizer
        ends = token.id == tokenizer.eos_id or token.id in request.stop_ids
        if ends and not request.ignore_eos:
            return "stop"
        special = token.id in self.engine.special_ids and not request.show_special
        text, tokens = self._writing.push(token, b"" if special else tokenizer.decode_bytes((token.id,)))
        if text or tokens:
            self.listener(Piece(text, tokens))
        if self._writing.stopped or (self.matcher is not None and self.matcher.accept(token.id)):
            return "stop"
        full = len(self.ids) > self.engine.context and request.overflow == "error"
        return "length" if full or self.written >= request.n else None

    def tell_end(self, finish: Finish, error: Exception | None = None) -> None:
        text, tokens = self._writing.finish() if finish != "error" else ("", ())
        self.listener(Piece(text, tokens, finish, error, self.usage))

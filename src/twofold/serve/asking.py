"""From what came over the wire to what the engine is asked, and what it knows of tokens to what is answered."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from twofold.contracts import Candidate, Token
from twofold.engine.constrained import Constraint
from twofold.engine.request import Request, Usage
from twofold.serve import wire
from twofold.serve.problems import Problem
from twofold.serve.shelf import Served
from twofold.serve.wire_chat import Usage as WireUsage

__all__ = ["best_first", "constraint_of", "log", "request_of", "room", "several", "spelled", "total"]

MOST_ANSWERS = 1024  # of one call: prompts times n
LEAST = -9999.0  # stands for the logarithm of nothing, which JSON cannot say


def request_of(asked: wire.Drawing, served: Served, prompt: Sequence[int], n: int, **more: Any) -> Request:
    """One request to the engine; `more` is what only some endpoints ask for."""
    named = {"temperature": "temperature", "top_k": "top_k", "top_p": "top_p", "min_p": "min_p",
             "repeat": "repetition_penalty"}  # fmt: skip
    given = {name: value for name, field in named.items() if (value := getattr(asked, field)) is not None}
    seed = secrets.randbits(62) if asked.seed in (None, -1) else asked.seed
    return Request(
        prompt=tuple(prompt), n=n, sampling=replace(served.engine.usual, **given, seed=seed),
        stop=(asked.stop,) if isinstance(asked.stop, str) else tuple(asked.stop or ()),
        logit_bias=_biases(asked, served), overflow=asked.overflow or "error", **more,
    )  # fmt: skip


def room(served: Served, ids: Sequence[int]) -> int:
    """How many tokens an answer may have when nobody says: what the context still holds."""
    return max(1, served.engine.context - len(ids))


def several(asked: wire.Drawing, requests: Sequence[Request]) -> list[Request]:
    """Each request `asked.n` times, the second time with the next seed."""
    n = asked.n or 1
    if n * len(requests) > MOST_ANSWERS:
        raise Problem(400, f"{len(requests)} prompts with n={n} are more than {MOST_ANSWERS} answers; ask in parts")

    def seeded(request: Request, i: int) -> Request:
        seed = (request.sampling.seed + i) % 2**63
        return replace(request, sampling=replace(request.sampling, seed=seed))

    return [seeded(request, i) for request in requests for i in range(n)]


def constraint_of(form: wire.ResponseFormat | None) -> Constraint | None:
    """What the answer must be. Raises ConfigError for a schema or a pattern that cannot be."""
    match form:
        case wire.JsonObjectFormat():
            return Constraint.json_schema({"type": "object"})
        case wire.JsonSchemaFormat():
            return Constraint.json_schema(form.json_schema.schema_)
        case wire.RegexFormat():
            return Constraint.regex(form.pattern)
        case wire.ChoiceFormat():
            return Constraint.choices(form.choices)
        case _:
            return None


def _biases(asked: wire.Drawing, served: Served) -> Mapping[int, float]:
    biases = {int(i): bias for i, bias in (asked.logit_bias or {}).items()}
    size = served.engine.tokenizer.vocab_size
    wrong = next((i for i in biases if i >= size), None)
    if wrong is not None:
        raise Problem(400, f"logit_bias names the token {wrong}, but the vocabulary has {size}", param="logit_bias")
    return biases


def log(probability: float) -> float:
    return math.log(probability) if probability > 0 else LEAST


def spelled(served: Served, i: int) -> tuple[str, list[int]]:
    """A token as text, with U+FFFD for parts of characters, and as its exact bytes."""
    raw = served.engine.tokenizer.decode_bytes([i])
    return raw.decode("utf-8", "replace"), list(raw)


def best_first(token: Token) -> Sequence[Candidate]:
    """A token's candidates. Where it is one of them, its own probability is that candidate's, to the last bit."""
    return [Candidate(one.id, token.probability) if one.id == token.id else one for one in token.candidates]


def total(usages: Sequence[Usage], n: int = 1) -> WireUsage:
    """The counts of one call: each prompt counts once for its `n` answers."""
    firsts = usages[::n]
    read, written = (sum(one.prompt_tokens for one in firsts), sum(one.completion_tokens for one in usages))
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": sum(one.cached_tokens for one in firsts)},
        "seconds": {
            "waited": sum(one.waited_seconds for one in usages),
            "prompt": sum(one.prompt_seconds for one in usages),
            "completion": sum(one.completion_seconds for one in usages),
        },
    }

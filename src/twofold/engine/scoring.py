"""Scoring: how many nats each token of a text costs a model, -ln p(token | the tokens before it).

A model sees at most `context` tokens, so a long text is read in windows. A window is a row of up to context + 1
tokens, of which every one but the first is predicted from those before it in the row:

    stride = context, the default   rows overlap by one token, so each is predicted from 1 to context tokens
    stride < context                rows overlap more, and only the last `stride` of a row count, so that all but the
                                    first row's are predicted from more than context - stride tokens: flattering, slow

Either way each token is counted exactly once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from twofold.errors import ConfigError

__all__ = ["Window", "score_documents", "windows"]

CALL_TOKENS = 16384  # scored in one call


@dataclass(frozen=True)
class Window:
    """Read tokens start … end-1; count the cost of tokens first … end-1."""

    start: int
    first: int
    end: int


def windows(n_tokens: int, context: int, stride: int | None = None) -> Iterator[Window]:
    """Cover tokens 1 … n_tokens-1. Raises ConfigError for a stride that is not from 1 to `context`."""
    stride = context if stride is None else stride
    if not 1 <= stride <= context:
        raise ConfigError(f"stride={stride} must be from 1 to the context, {context}")
    start, first = 0, 1
    while first < n_tokens:
        end = min(start + context + 1, n_tokens)
        yield Window(start, first, end)
        start, first = start + stride, end


def score_documents(
    score_rows: Callable[[np.ndarray], np.ndarray],
    documents: Sequence[np.ndarray],
    context: int,
    stride: int | None = None,
) -> list[np.ndarray]:
    """Nats of each token but the first of each document of ids, float64.

    `score_rows` gives nats [n, s] of rows [n, s + 1]. Rows of like length are scored in one call, whatever document
    they come from; what is added to the end of a shorter one is not counted, and cannot be seen from before it.
    """
    nats = [np.zeros(max(0, len(document) - 1)) for document in documents]
    rows = [(i, one) for i, document in enumerate(documents) for one in windows(len(document), context, stride)]
    rows.sort(key=lambda row: row[1].end - row[1].start, reverse=True)
    while rows:
        width = rows[0][1].end - rows[0][1].start
        n = max(1, CALL_TOKENS // width)
        call, rows = rows[:n], rows[n:]
        table = np.zeros((len(call), width), np.int64)
        for line, (i, one) in zip(table, call, strict=True):
            line[: one.end - one.start] = documents[i][one.start : one.end]
        for line, (i, one) in zip(score_rows(table), call, strict=True):
            nats[i][one.first - 1 : one.end - 1] = line[one.first - one.start - 1 : one.end - one.start - 1]
    return nats

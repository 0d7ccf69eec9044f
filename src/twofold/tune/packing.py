"""Conversations in rows of one length, so that nothing is computed for padding: best fit, the longest first.

A row of context + 1 tokens predicts each from those before it in its own conversation: no two know of each other
(model/packed.py), and the first token of each is predicted by nobody. A conversation that is too long for a row is cut
at its end; one that has nothing left to learn then is left out.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from twofold.errors import SourceError
from twofold.tune.examples import Example

__all__ = ["Rows", "pack"]


@dataclass(frozen=True)
class Rows:
    """`ids`, `texts` (the conversation's number in its row; -1 is padding) int32 and `own` bool, [n, context + 1]."""

    ids: np.ndarray
    texts: np.ndarray
    own: np.ndarray
    cut: int
    left_out: int

    @property
    def filled(self) -> float:
        """The share of the places that hold a token."""
        return float((self.texts >= 0).mean())


def pack(examples: Sequence[Example], context: int) -> Rows:
    """Raises SourceError when nothing can be learned from any of them in rows of that length."""
    size = context + 1
    cut = sum(len(one.ids) > size for one in examples)
    usable = [one for one in examples if one.own[1:size].any()]
    if not usable:
        raise SourceError(
            f"none of the {len(examples)} conversations has an answer within the first {size} tokens; "
            "give shorter ones, or a longer --context"
        )
    usable.sort(key=lambda one: -len(one.ids))  # stable, so that the same conversations give the same rows
    members: list[list[Example]] = []
    room: list[tuple[int, int]] = []  # (tokens that are free, row), sorted
    for one in usable:
        length = min(len(one.ids), size)
        place = bisect_left(room, (length, -1))
        if place == len(room):
            members.append([])
            row, free = len(members) - 1, size
        else:
            free, row = room.pop(place)
        members[row].append(one)
        insort(room, (free - length, row))
    shape = (len(members), size)
    ids, texts, own = np.zeros(shape, np.int32), np.full(shape, -1, np.int32), np.zeros(shape, bool)
    for row, inside in enumerate(members):
        at = 0
        for number, one in enumerate(inside):
            end = min(size, at + len(one.ids))
            ids[row, at:end], own[row, at:end] = one.ids[: end - at], one.own[: end - at]
            texts[row, at:end], own[row, at] = number, False
            at = end
    return Rows(ids, texts, own, cut, len(examples) - len(usable))

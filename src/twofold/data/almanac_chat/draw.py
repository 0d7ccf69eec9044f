"""Draws that are the same on every machine and in every Python, and the hash that decides what is held out.

Only `random.random` is promised to give the same numbers in all versions, so every draw is made of it.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from itertools import accumulate
from typing import TypeVar

__all__ = ["Draw", "is_held", "rank"]

T = TypeVar("T")


class Draw:
    """A stream of draws that depends on `key` alone."""

    def __init__(self, *key: object) -> None:
        self._random = random.Random("/".join(map(str, key))).random

    def below(self, n: int) -> int:
        return int(self._random() * n)

    def chance(self, share: float) -> bool:
        return self._random() < share

    def of(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def weighted(self, weights: dict[str, float]) -> str:
        drawn = self._random() * sum(weights.values())
        return next((name for name, upto in zip(weights, accumulate(weights.values()), strict=True) if drawn < upto),
                    next(reversed(weights)))  # fmt: skip


def rank(*key: object) -> float:
    """A number from 0 to below 1 that depends on `key` alone: the same in every run, whatever its seed."""
    digest = hashlib.blake2b("\0".join(map(str, key)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def is_held(share: float, *key: object) -> bool:
    """Whether what `key` names is kept for measuring and never trained on."""
    return rank("held out", *key) < share

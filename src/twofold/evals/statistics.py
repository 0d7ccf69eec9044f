"""What shares of right answers say, and what they do not: intervals, and whether two models differ.

    difference  of two models on the same questions: Bonett and Price's interval (2012), and McNemar's test (1947),
                exact: of the questions that only one of them got right, how likely is so uneven a split by chance
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from twofold.intervals import Z

__all__ = ["Difference", "difference", "mcnemar"]


@dataclass(frozen=True)
class Difference:
    """Of shares, second less first, with its 95 % interval; `gained` and `lost` questions, and McNemar's p."""

    share: float
    low: float
    high: float
    gained: int
    lost: int
    p: float


def mcnemar(gained: int, lost: int) -> float:
    """The chance of a split at least as uneven, were either side as likely; two-sided, exact."""
    n = gained + lost
    tail = sum(math.comb(n, k) for k in range(min(gained, lost) + 1))
    return min(1.0, 2 * tail / 2**n)


def difference(first: Sequence[bool], second: Sequence[bool]) -> Difference:
    """Of two models' answers to the same questions, in the same order."""
    n = len(first)
    gained = sum(b and not a for a, b in zip(first, second, strict=True))
    lost = sum(a and not b for a, b in zip(first, second, strict=True))
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    half = Z * math.sqrt((up + down - (up - down) ** 2) / (n + 2))
    low, high = max(-1.0, up - down - half), min(1.0, up - down + half)
    return Difference((gained - lost) / n if n else 0.0, low, high, gained, lost, mcnemar(gained, lost))

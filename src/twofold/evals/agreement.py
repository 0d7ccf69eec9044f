"""Whether people who label the same things agree, beyond what chance would give.

    kappa = (p - q) / (1 - q)       of two: p the share of things of which they say the same, q what their own
                                    frequencies would give by chance                              Cohen 1960
    alpha = 1 - D / E               of any number, each of whom may have left things out: D the disagreement within
                                    things, E that of all values put together at random           Krippendorff 2011

1 is agreement, 0 is chance. Where everybody says one and the same of everything, neither is defined: there is nothing
that chance would not give. Categories have no order.

The interval of kappa is Wilson's of p, with q held (as Cohen's standard error holds it); so it is not empty where
nobody disagreed. That of alpha is from 2,000 draws of the things, with replacement; where nobody disagreed, Wilson's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from twofold.intervals import wilson

__all__ = ["Agreement", "alpha", "kappa", "pairs"]

DRAWS = 2000
SEED = 0
CHUNK = 50


@dataclass(frozen=True)
class Agreement:
    """Of `n` things; the share of agreement and a coefficient, each with its 95 % interval (None: not defined)."""

    n: int
    share: float
    share_low: float
    share_high: float
    value: float | None
    low: float | None = None
    high: float | None = None


def pairs(things: Sequence[Mapping[str, str]]) -> dict[tuple[str, str], Agreement]:
    """Of each two labellers who judged something both, the kappa. `things` are {labeller: category}."""
    who = sorted({by for thing in things for by in thing})
    found = {}
    for a, b in combinations(who, 2):
        both = [(thing[a], thing[b]) for thing in things if a in thing and b in thing]
        if both:
            found[a, b] = kappa([one for one, _ in both], [other for _, other in both])
    return found


def kappa(first: Sequence[str], second: Sequence[str]) -> Agreement:
    """Of two labellers' categories of the same things, in the same order."""
    n = len(first)
    same = sum(a == b for a, b in zip(first, second, strict=True))
    low, high = wilson(same, n)
    chance = sum(first.count(one) * second.count(one) for one in set(first)) / n**2 if n else 1.0
    if chance == 1:
        return Agreement(n, same / n if n else 0.0, low, high, None)
    value, below, above = ((share - chance) / (1 - chance) for share in (same / n, low, high))
    return Agreement(n, same / n, low, high, value, below, above)


def alpha(things: Sequence[Mapping[str, str]]) -> Agreement:
    """Of all labellers. Things that fewer than two judged say nothing and are left out."""
    judged = [list(thing.values()) for thing in things if len(thing) > 1]
    if not judged:
        return Agreement(0, 0.0, *wilson(0, 0), None)
    categories = sorted({one for thing in judged for one in thing})
    counts = np.array([[thing.count(one) for one in categories] for thing in judged], float)
    n, sizes = len(judged), counts.sum(1)
    apart = (sizes**2 - (counts**2).sum(1)) / (sizes - 1)  # disagreeing values of each thing
    share = 1 - float(apart.sum() / sizes.sum())
    low, high = wilson(share * n, n)
    value = float(_alpha(np.ones((1, n)), counts, apart)[0])
    if not np.isfinite(value):
        return Agreement(n, share, low, high, None)
    if not apart.any():
        expected = 1 - _expected(counts.sum(0)[None])[0]
        return Agreement(n, share, low, high, value, float((low - expected) / (1 - expected)), 1.0)
    random = np.random.default_rng(SEED)
    drawn = np.concatenate([
        _alpha(random.multinomial(n, np.full(n, 1 / n), CHUNK), counts, apart) for _ in range(DRAWS // CHUNK)
    ])  # fmt: skip
    below, above = np.quantile(drawn[np.isfinite(drawn)], (0.025, 0.975))
    return Agreement(n, share, low, high, value, float(below), float(above))


def _alpha(times: np.ndarray, counts: np.ndarray, apart: np.ndarray) -> np.ndarray:
    """[draws] for how many `times` [draws, things] each thing counts; NaN where there is one category only."""
    totals = times @ counts
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - times @ apart / totals.sum(1) / _expected(totals)


def _expected(totals: np.ndarray) -> np.ndarray:
    """The share of all pairs of values that differ, [draws] from [draws, categories]."""
    n = totals.sum(1)
    return (n**2 - (totals**2).sum(1)) / (n * (n - 1))

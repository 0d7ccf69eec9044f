"""Sampling: how the next token is drawn from the model's scores.

    repetition penalty  ->  p = softmax  ->  top-k  ->  top-p  ->  min-p  ->  p^(1/T), scaled to sum 1  ->  one draw

The filters and the draw are run.py's own, so that a seed gives the same text there and here, on every backend: each
token takes one number u from [0, 1), whatever the settings, and is the place of u in the cumulated chances of what was
kept, likeliest first. Top-p ("nucleus"): Holtzman et al. 2020, arXiv:1904.09751. Min-p: Nguyen et al. 2024,
arXiv:2407.01082. Repetition penalty: Keskar et al. 2019, arXiv:1909.05858, over the latest RECENT tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twofold.contracts import Candidate, Sampling, Token
from twofold.errors import ConfigError, TwofoldError
from twofold.run.run import Problem, distribution

__all__ = ["RECENT", "check", "choose", "draw", "likeliest", "own_probability", "penalise", "probabilities"]

RECENT = 64  # tokens that the repetition penalty looks back on
RANGES = {
    "temperature": (0, 100), "top_k": (0, 2**31), "top_p": (0, 1), "min_p": (0, 1), "repeat": (0.01, 100),
    "seed": (0, 2**63),
}  # fmt: skip


def check(sampling: Sampling) -> None:
    """Raise ConfigError for a setting that cannot be."""
    for name, (low, high) in RANGES.items():
        value = getattr(sampling, name)
        if not low <= value <= high:
            raise ConfigError(f"{name}={value} is not between {low} and {high}")


def penalise(logits: np.ndarray, repeat: float, recent: Sequence[int]) -> np.ndarray:
    """A token among the latest RECENT has its score divided by `repeat` where that is positive, else multiplied."""
    if repeat == 1 or not recent:
        return logits
    ids, logits = np.unique(np.asarray(recent[-RECENT:])), logits.copy()
    logits[ids] = np.where(logits[ids] > 0, logits[ids] / repeat, logits[ids] * repeat)
    return logits


def draw(logits: np.ndarray, sampling: Sampling, u: float, recent: Sequence[int] = ()) -> tuple[int, float]:
    """The id that u picks from `logits` [v], and the probability that the model itself gives it, before all of this."""
    try:
        kept, chances = distribution(
            penalise(logits, sampling.repeat, recent),
            sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p,
        )  # fmt: skip
    except Problem as problem:
        raise TwofoldError(str(problem)) from problem
    ladder = chances.cumsum()
    chosen = int(kept[(ladder / ladder[-1]).searchsorted(u, side="right")])
    return chosen, own_probability(logits, chosen)


def choose(
    logits: np.ndarray, sampling: Sampling, random: np.random.Generator, candidates: int = 0, recent: Sequence[int] = ()
) -> Token:
    """Draw the next token from `logits` [v], with its `candidates`, whose chances are the model's own too."""
    chosen, probability = draw(logits, sampling, random.random(), recent)
    return Token(chosen, probability, likeliest(probabilities(logits), candidates) if candidates else ())


def own_probability(logits: np.ndarray, id: int) -> float:
    """softmax of one of `logits` [v]."""
    top = logits.max()
    return float(np.exp(np.float64(logits[id] - top)) / np.exp(logits - top).sum(dtype=np.float64))


def probabilities(logits: np.ndarray) -> np.ndarray:
    """softmax over the last axis, float64."""
    p = np.exp(logits - logits.max(-1, keepdims=True), dtype=np.float64)
    return p / p.sum(-1, keepdims=True)


def likeliest(p: np.ndarray, n: int) -> tuple[Candidate, ...]:
    """The n tokens of highest probability, highest first; of equals, the lower id first."""
    n = min(n, len(p))
    if n == 0:
        return ()
    ids = np.argpartition(-p, n - 1)[:n]
    return tuple(Candidate(int(i), float(p[i])) for i in ids[np.lexsort((ids, -p[ids]))])

"""Sampling: how the next token is drawn from the model's scores.

    p = softmax(logits)  ->  top-k  ->  top-p  ->  min-p  ->  p^(1/T), scaled to sum 1  ->  one draw

The filters and the draw are run.py's own, so that a seed gives the same text there and here, on either backend.
Top-p ("nucleus"): Holtzman et al. 2020, arXiv:1904.09751. Min-p: Nguyen et al. 2024, arXiv:2407.01082.
"""

from __future__ import annotations

import numpy as np

from twofold.contracts import Candidate, Sampling, Token
from twofold.errors import ConfigError, TwofoldError
from twofold.run.run import Problem, distribution

__all__ = ["check", "choose", "likeliest"]

RANGES = {"temperature": (0, 100), "top_k": (0, 2**31), "top_p": (0, 1), "min_p": (0, 1), "seed": (0, 2**63)}


def check(sampling: Sampling) -> None:
    """Raise ConfigError for a setting that cannot be."""
    for name, (low, high) in RANGES.items():
        value = getattr(sampling, name)
        if not low <= value <= high:
            raise ConfigError(f"{name}={value} is not between {low} and {high}")


def choose(logits: np.ndarray, sampling: Sampling, random: np.random.Generator, candidates: int = 0) -> Token:
    """Draw the next token from `logits` [v]; `random` gives one number, whatever the settings.

    The token's probability and its `candidates` are the model's own: before filters and temperature.
    """
    try:
        kept, chances = distribution(
            logits, sampling.temperature, sampling.top_k, sampling.top_p, sampling.min_p
        )
    except Problem as problem:
        raise TwofoldError(str(problem)) from problem
    chosen = int(random.choice(kept, p=chances))
    p = np.exp(logits - logits.max(), dtype=np.float64)
    p /= p.sum()
    return Token(chosen, float(p[chosen]), likeliest(p, candidates))


def likeliest(p: np.ndarray, n: int) -> tuple[Candidate, ...]:
    """The n tokens of highest probability, highest first; of equals, the lower id first."""
    n = min(n, len(p))
    if n == 0:
        return ()
    ids = np.argpartition(-p, n - 1)[:n]
    return tuple(Candidate(int(i), float(p[i])) for i in ids[np.lexsort((ids, -p[ids]))])

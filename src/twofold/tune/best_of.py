"""Best of n: of n answers give the one that a reward likes best. How far that goes from the model, and what it brings.

    KL(best of n to the model) = log n - (n - 1) / n        nats, where no two answers are rewarded alike; else at most

From N answers, the best of n is known without drawing more: of all sets of n among them, the i-th best by the proxy is
the best of C(N - i, n - 1) out of C(N, n). Nakano et al. 2021, arXiv:2112.09332, appendix I; Gao et al. 2022,
arXiv:2210.10760, which draws true reward against KL: it rises, and falls again where the proxy is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from twofold.errors import ConfigError

__all__ = ["best_of", "best_of_kl"]


def best_of_kl(n: int) -> float:
    """In nats."""
    return math.log(n) - (n - 1) / n


def best_of(proxy: Sequence[float], worth: Sequence[float], n: int) -> float:
    """The expected `worth` of the answer that `proxy` likes best among n of them; those liked alike share their places.

    Raises ConfigError where there are fewer than n answers.
    """
    total = len(proxy)
    if not 1 <= n <= total:
        raise ConfigError(f"the best of {n} cannot be told from {total} answers; draw more of them")
    order = np.argsort(-np.asarray(proxy, float), kind="stable")
    chance = np.array([math.comb(total - 1 - i, n - 1) for i in range(total)], float) / math.comb(total, n)
    liked, values = np.asarray(proxy, float)[order], np.asarray(worth, float)[order]
    _, place = np.unique(-liked, return_inverse=True)  # alike: each is as likely the one that is taken
    count = np.bincount(place)
    return float((np.bincount(place, chance) * np.bincount(place, values) / count).sum())

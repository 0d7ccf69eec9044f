"""The best of n, against all sets of n and against the integral."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from twofold.errors import ConfigError
from twofold.tune.best_of import best_of, best_of_kl


@pytest.mark.parametrize("n", [1, 2, 3, 5, 7])
@pytest.mark.parametrize("proxy", [[3, 1, 4, 1.5, 9, 2.6, 5], [1, 1, 2, 2, 2, 0, 1]])
def test_it_is_the_mean_over_all_sets_of_n(n, proxy):
    worth = [2.0, -1.0, 0.5, 3.0, -2.0, 1.0, 0.0]
    found = []
    for some in combinations(range(7), n):
        best = max(proxy[i] for i in some)
        found.append(np.mean([worth[i] for i in some if proxy[i] == best]))
    assert best_of(proxy, worth, n) == pytest.approx(np.mean(found))


def test_the_distance_is_the_integral_of_the_best_ones_density():
    """The best of n uniform numbers has the density n u^(n-1); KL to the uniform is its integral with its logarithm."""
    u = (np.arange(1_000_000) + 0.5) / 1_000_000
    for n in (1, 2, 4, 16, 64):
        density = n * u ** (n - 1)
        exact = np.mean(density * np.log(np.maximum(density, 1e-300)))
        assert best_of_kl(n) == pytest.approx(exact, abs=1e-4)


def test_more_than_there_are_cannot_be_had():
    with pytest.raises(ConfigError, match="best of 4"):
        best_of([1, 2, 3], [1, 2, 3], 4)

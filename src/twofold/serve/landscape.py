"""A slice of the cost landscape: the plane in which most of a descent took place, and the cost at its points.

    coordinates of the path:  (w_t − w_now) · [e_1, e_2],   e_1, e_2 the first principal components of w_t − w_now

Of thousands of directions two are shown; `share` says how much of the way lies in them. Li et al. 2018,
"Visualizing the loss landscape of neural nets", section 7, arXiv:1712.09913.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["Slice", "Trail", "cut", "plane"]

MARGIN = 0.3  # beyond the path, of its extent
NARROWEST = 0.5  # of the longer side
POINTS = 21  # a side


class Trail:
    """Weights along a descent: after every step at first, then after every second, fourth, …, so that few are kept."""

    def __init__(self, most: int = 48) -> None:
        self.most, self.every = most, 1
        self.steps: list[int] = []
        self.weights: list[np.ndarray] = []

    def wants(self, step: int) -> bool:
        return step % self.every == 0

    def add(self, step: int, weights: np.ndarray) -> None:
        """`weights` [p] after `step` steps, as they are now."""
        self.steps.append(step)
        self.weights.append(weights)
        if len(self.steps) > self.most:
            self.every *= 2
            kept = [i for i, one in enumerate(self.steps) if one % self.every == 0]
            self.steps, self.weights = [self.steps[i] for i in kept], [self.weights[i] for i in kept]


@dataclass(frozen=True)
class Slice:
    """`costs[j, i]` is the cost at `xs[i]`, `ys[j]`, lengths in the space of weights; `path` is [n, 2]."""

    xs: np.ndarray
    ys: np.ndarray
    costs: np.ndarray
    path: np.ndarray
    share: float


def cut(path: np.ndarray, cost: Callable[[np.ndarray], float], points: int = POINTS) -> Slice:
    """The plane of a `path` [n, p] through its end, with `cost` of weights [p] at `points` × `points` places."""
    axes, coordinates, share = plane(path)
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    longest = float((high - low).max())
    half = (0.5 + MARGIN) * np.maximum(high - low, NARROWEST * longest) if longest > 0 else np.ones(2)
    middle = (low + high) / 2
    xs, ys = (np.linspace(middle[i] - half[i], middle[i] + half[i], points) for i in (0, 1))
    costs = np.array([[cost(path[-1] + x * axes[0] + y * axes[1]) for x in xs] for y in ys])
    return Slice(xs, ys, costs, coordinates, share)


def plane(path: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Two orthonormal directions [2, p], the path in them from its end [n, 2], and the share of its variation there.

    The path begins below zero in both. Where it has not two directions, others take their place.
    """
    away = path - path[-1]
    squares, turned = np.linalg.eigh(away @ away.T)  # n × n, where the covariance is p × p
    axes = np.random.default_rng(0).normal(size=(2, path.shape[1]))
    for i in range(min(2, len(path) - 1)):
        if squares[-1 - i] > 1e-12 * squares[-1]:
            axes[i] = turned[:, -1 - i] @ away
    axes[0] /= np.linalg.norm(axes[0])
    axes[1] -= (axes[1] @ axes[0]) * axes[0]
    axes[1] /= np.linalg.norm(axes[1])
    axes *= np.where(axes @ away[0] > 0, -1, 1)[:, None]
    coordinates = away @ axes.T
    whole = float((away**2).sum())
    return axes, coordinates, float((coordinates**2).sum()) / whole if whole > 0 else 1.0

"""The plane of a path, held to paths whose plane is known, and its costs to a bowl whose curvature is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.serve.landscape import Trail, cut, plane


def path_in_plane(seed, n=9, p=40):
    random = np.random.default_rng(seed)
    directions = np.linalg.qr(random.normal(size=(p, 2)))[0].T
    return random.normal(size=p) + random.normal(size=(n, 2)) @ directions


@given(st.integers(0, 1000))
def test_a_path_that_lies_in_a_plane_is_drawn_without_loss(seed):
    path = path_in_plane(seed)
    axes, coordinates, share = plane(path)
    assert share == pytest.approx(1)
    assert np.allclose(axes @ axes.T, np.eye(2))
    assert np.allclose(coordinates[-1], 0)
    assert np.allclose(path[-1] + coordinates @ axes, path)


def test_of_a_path_in_many_directions_the_two_longest_are_shown():
    """Against numpy's singular values."""
    path = np.random.default_rng(0).normal(size=(12, 30)) * np.linspace(5, 0.1, 30)
    away = path - path[-1]
    singular = np.linalg.svd(away, compute_uv=False)
    assert plane(path)[2] == pytest.approx((singular[:2] ** 2).sum() / (singular**2).sum())


def test_of_a_bowl_the_slice_is_a_bowl():
    path = path_in_plane(3)
    found = cut(path, lambda at: float((at**2).sum()), points=9)
    for costs, places in ((found.costs, found.xs), (found.costs.T, found.ys)):
        assert np.allclose(np.diff(costs, 2, axis=1), 2 * (places[1] - places[0]) ** 2)
    assert found.xs[0] < found.path[:, 0].min() and found.path[:, 0].max() < found.xs[-1]
    assert found.ys[0] < found.path[:, 1].min() and found.path[:, 1].max() < found.ys[-1]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_path_that_has_hardly_begun_has_a_plane_too(n):
    path = np.outer(np.arange(n), np.ones(5))
    found = cut(path, lambda at: float(at.sum()), points=3)
    assert found.share == pytest.approx(1) and np.isfinite(found.costs).all() and found.path.shape == (n, 2)


@pytest.mark.parametrize("steps", [1, 40, 1000, 12345])
def test_a_trail_stays_short_even_and_begins_at_the_beginning(steps):
    trail = Trail(most=20)
    trail.add(0, np.zeros(1))
    for step in range(1, steps + 1):
        if trail.wants(step):
            trail.add(step, np.full(1, step))
    assert len(trail.steps) <= 21 and trail.steps[0] == 0
    assert set(np.diff(trail.steps)) <= {trail.every} and steps - trail.steps[-1] < trail.every
    assert [int(weights[0]) for weights in trail.weights] == trail.steps

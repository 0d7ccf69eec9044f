"""The guide's exercises, solved: and the solutions are held to what is published or can be derived."""

from __future__ import annotations

import pytest

from twofold.errors import TwofoldError
from twofold.neuron import SGD, Value


def test_lesson_1_softmax_and_surprise():
    """The gradient of each score is its softmax, less 1 for the right one: what was said, less what is so."""
    scores, right = [Value(0.0), Value(3.0), Value(-2.0), Value(1.0)], 3
    powers = [score.exp() for score in scores]
    total = powers[0] + powers[1] + powers[2] + powers[3]
    shares = [power / total for power in powers]
    surprise = -shares[right].log()
    surprise.backward()
    found = [score.grad for score in scores]
    assert found == pytest.approx([share.data - (i == right) for i, share in enumerate(shares)])
    # the answer of micrograd's own exercises
    assert found == pytest.approx([0.041772570515350445, 0.8390245074625319, 0.005653302662216329, -0.8864503806400986])


def test_lesson_2_the_largest_learning_rate():
    """3x² is ½ k x² with k = 6, so descent converges below 2 / 6 and diverges above: 0.333."""

    def converges(learning_rate):
        x = Value(1.0)
        sgd = SGD([x], learning_rate)
        try:
            for _ in range(3_000):
                sgd.zero_grad()
                (3 * x**2).backward()
                sgd.step()
        except TwofoldError:  # says that it has diverged
            return False
        return -1 < x < 1

    low, high = 0.01, 1.0
    while high - low > 5e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if converges(middle) else (low, middle)
    assert f"{low:.3f}" == "0.333"



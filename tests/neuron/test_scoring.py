"""What is said about a network is what one would count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.intervals import wilson
from twofold.neuron.images import Images
from twofold.neuron.scoring import noise, score


class Says:
    """A learner whose outputs are what the image is made of: its first ten pixels."""

    parameters: list = []  # noqa: RUF012

    def forward(self, x):
        return [x, x[:, :10]]


def images(outputs, labels):
    pixels = np.zeros((len(outputs), 16), np.float32)
    pixels[:, :10] = outputs
    return Images(pixels, np.array(labels))


def test_every_image_is_counted_where_it_was_shown_and_read():
    rows = np.full((4, 10), 0.1)
    for row, said in enumerate((3, 3, 5, 9)):
        rows[row, said] = 0.6 + row / 10
    found = score(Says(), images(rows, [3, 4, 5, 8]))
    assert (found.correct, found.n, found.accuracy) == (2, 4, 0.5)
    shown, read = np.nonzero(found.confusion)
    assert list(zip(shown.tolist(), read.tolist(), strict=True)) == [(3, 3), (4, 3), (5, 5), (8, 9)]
    assert found.confusion.sum() == 4
    assert [(each.image, each.label, each.said) for each in found.mistakes] == [(3, 8, 9), (1, 4, 3)], "the worst first"
    assert found.mistakes[0].outputs == pytest.approx([0.1] * 9 + [0.9])


@given(n=st.integers(1, 5000), data=st.data())
def test_the_interval_is_where_the_count_would_not_be_a_surprise(n, data):
    """Its ends are the shares at which the count lies 1.96 standard deviations off: Wilson's definition."""
    correct = data.draw(st.integers(0, n))
    low, high = wilson(correct, n)
    assert 0 <= low <= correct / n <= high <= 1 and low < high
    for end in (low, high):
        if 1e-9 < end < 1 - 1e-9:
            assert abs(correct / n - end) == pytest.approx(1.959964 * (end * (1 - end) / n) ** 0.5, rel=1e-6)


def test_the_interval_of_a_published_example():
    """Newcombe 1998, doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E, table I: 81 of 263."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_noise_has_the_ink_of_the_digits_but_not_their_place():
    random = np.random.default_rng(0)
    shown = Images(random.random((30, 784)).astype(np.float32) ** 4, random.integers(0, 10, 30))
    digits, shuffled, even = noise(Says(), shown)
    np.testing.assert_array_equal(digits.examples, shown.pixels[:6])
    np.testing.assert_array_equal(np.sort(shuffled.examples, axis=1), np.sort(shown.pixels[:6], axis=1))
    assert not np.array_equal(shuffled.examples, digits.examples)
    assert 0.4 < even.examples.mean() < 0.6
    best = shown.pixels[:, :10].max(axis=1)
    assert (digits.median, digits.sure) == (pytest.approx(np.median(best)), pytest.approx((best > 0.9).mean()))
    assert digits.said == [(int(row.argmax()), pytest.approx(row.max())) for row in shown.pixels[:6, :10]]

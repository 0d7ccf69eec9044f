"""Charts are SVGs in which every number is where the axes say."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import ConfigError
from twofold.neuron.chart import chart, regions
from twofold.neuron.moons import two_moons

SVG = "{http://www.w3.org/2000/svg}"
finite = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))


def texts(root):
    """What is written, and where."""
    for text in root.iter(f"{SVG}text"):
        yield "".join(text.itertext()).replace("−", "-"), float(text.get("x", 0)), float(text.get("y", 0))


@pytest.mark.slow
@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=20))
def test_a_dot_stands_where_its_numbers_are_on_the_axes(points):
    root = ET.fromstring(chart({}, dots={"a": points}, title="t", x="across", y="up"))
    ticks = [(float(said), x, y) for said, x, y in texts(root) if said[-1].isdigit()]
    across, up = [(n, x) for n, x, y in ticks if y > 310], [(n, y - 4.5) for n, x, y in ticks if y <= 310]
    for (n1, p1), (n2, p2), part, side in ((*across[:1], *across[-1:], 0, "cx"), (*up[:1], *up[-1:], 1, "cy")):
        assert n1 < n2
        for point, dot in zip(points, root.iter(f"{SVG}circle"), strict=True):
            wanted = p1 + (point[part] - n1) / (n2 - n1) * (p2 - p1)
            assert float(dot.get(side)) == pytest.approx(wanted, abs=0.5)


def test_a_chart_names_what_it_shows():
    picture = chart({"cost & <more>": [(0, 3.0), (1, 2.0)]}, title="The <cost>", x="step", y="nats")
    said = [text for text, _, _ in texts(ET.fromstring(picture))]
    assert {"The <cost>", "cost & <more>", "step", "nats"} <= set(said)


def test_the_plane_is_coloured_on_the_side_of_the_score():
    picture = regions(lambda places: [x for x, _ in places], [[-1.0, 0.0], [1.0, 1.0]], [-1, 1], title="t")
    boxes = [box for box in ET.fromstring(picture).iter(f"{SVG}rect") if box.get("opacity")]
    middle = 64 + (640 - 64 - 18) / 2
    for box in boxes:
        assert (float(box.get("x")) + float(box.get("width")) / 2 > middle) == (box.get("class") == "f1")
    assert len(boxes) >= 40 * 2


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (lambda: chart({}, title="", x="", y=""), "was given 0"),
        (lambda: chart({str(i): [(0, 0)] for i in range(5)}, title="", x="", y=""), "was given 5"),
        (lambda: chart({"a": [(0, math.nan)]}, title="", x="", y=""), "not finite"),
        (lambda: regions(lambda places: [], [[0.0, 0.0]], [], title=""), "1 points do not go with 0 labels"),
        (lambda: two_moons(1), "n=1"),
        (lambda: two_moons(10, math.nan), "noise=nan"),
    ],
)
def test_what_cannot_be_drawn_is_named(mistake, says):
    with pytest.raises(ConfigError) as error:
        mistake()
    assert says in str(error.value)


def test_moons_are_on_their_circles_and_the_same_for_the_same_seed():
    points, labels = two_moons(101, 0.0, seed=3)
    assert (points, labels) == two_moons(101, 0.0, seed=3)
    assert labels.count(1) == 51 and labels.count(-1) == 50
    for (x, y), label in zip(points, labels, strict=True):
        centre = (0, 0) if label > 0 else (1, 0.5)
        assert math.dist((x, y), centre) == pytest.approx(1) and (y - centre[1]) * label >= -1e-12

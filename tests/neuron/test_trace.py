"""The chain rule in words and in pictures says what `backward` does."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import UserError
from twofold.neuron import MLP, Neuron, Value, draw, topological, trace
from twofold.neuron.layout import arrange

from .expressions import expressions, method

SVG = "{http://www.w3.org/2000/svg}"


def lecture():
    a, b, c, f = Value(2.0, "a"), Value(-3.0, "b"), Value(10.0, "c"), Value(-2.0, "f")
    e = a * b
    e.label = "e"
    d = e + c
    d.label = "d"
    output = d * f
    output.label = "L"
    return output


def test_the_lectures_first_graph_in_words():
    """Karpathy's by-hand example: gradients -2 for d, 4 for f, -2 for c and e, 6 for a, -4 for b."""
    assert str(trace(lecture())) == """\
step 1: L = d · f = 4 · (−2) = −8
  in a product each factor counts as much as the other one is large
  ∂L/∂L = 1: it is the output itself
  ∂L/∂d = ∂L/∂L · f = 1 · (−2) = −2
  ∂L/∂f = ∂L/∂L · d = 1 · 4 = 4

step 2: d = e + c = −6 + 10 = 4
  a sum passes its gradient on to each term as it is
  ∂L/∂e = ∂L/∂d · 1 = −2 · 1 = −2
  ∂L/∂c = ∂L/∂d · 1 = −2 · 1 = −2

step 3: e = a · b = 2 · (−3) = −6
  in a product each factor counts as much as the other one is large
  ∂L/∂a = ∂L/∂e · b = −2 · (−3) = 6
  ∂L/∂b = ∂L/∂e · a = −2 · 2 = −4"""


def test_a_second_use_adds_to_what_the_first_one_brought():
    a = Value(3.0, "a")
    y = a * a
    y.label = "y"
    said = str(trace(y))
    assert "∂y/∂a = ∂y/∂y · a = 1 · 3 = 3" in said
    assert "∂y/∂a = what other uses brought + ∂y/∂y · a = 3 + 1 · 3 = 6" in said


@pytest.mark.slow
@given(expressions(), st.floats(-2, 2), st.floats(-2, 2))
def test_the_last_gradient_of_each_name_is_what_backward_leaves_and_nothing_is_changed(function, a, b):
    x = Value(a, "a")
    y = function(x, Value(b, "b"), method) + x
    steps = trace(y)
    assert all(node.grad == 0 for node in topological(y))
    y.backward()
    last = {share.name: share.gradient for step in steps for share in step.shares}
    assert last["a"] == x.grad
    for step in steps:
        assert step.gradient == (1.0 if step.name == step.output else last[step.name])
        for share in step.shares:
            assert share.gradient == share.had + step.gradient * share.slope


def test_every_rule_computes_the_slope_it_states():
    """Each rule's formula, read as arithmetic with the numbers put in, is the slope that was used."""
    a, b = Value(1.7, "a"), Value(0.6, "b")
    functions = [a.exp(), a.log(), a.tanh(), a.relu(), (-a).relu(), a.sigmoid()]
    for y in (a + b, a - b, a * b, a / b, a**b, a**3, -a, *functions):
        y.label = "y"
        step = trace(y)[0]
        for share in step.shares:
            said = share.rule.replace("^", "**").replace("·", "*").replace("−", "-").replace("²", "**2")
            said = re.sub(r"ln (\w+)", r"log(\1)", said)
            numbers = {"a": 1.7, "b": 0.6, "v1": -1.7, "y": y.data, "log": math.log}
            assert eval(said, {}, numbers) == pytest.approx(share.slope, rel=1e-12)  # noqa: S307


def test_names_mean_one_node_each():
    y = (Value(1.0, "a") * Value(2.0, "a")) + Value(3.0, "v1") * 4
    names = {share.name for step in trace(y) for share in step.shares}
    assert {"a", "a′", "v1"} < names and "4" not in names and len(names) == 5


def test_what_was_not_computed_has_no_steps():
    assert trace(Value(1.0)) == () and str(trace(Value(1.0))) == ""


def test_the_picture_is_an_svg_with_every_number_and_gradient():
    output = lecture()
    output.backward()
    picture = draw(output)
    root = ET.fromstring(picture)
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    for wanted in ("a", "L×", "d+", "−8", "−6", "grad −4", "grad 6", "10"):
        assert wanted in texts
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert "L = d · f: −8, gradient 1" in titles and "∂L/∂f = 4" in titles
    assert titles[0] == "L = −8, computed in 3 operations"
    assert picture._repr_svg_() == str(picture)


def test_a_picture_is_written_to_a_file(tmp_path):
    draw(lecture()).save(tmp_path / "graph.svg")
    assert (tmp_path / "graph.svg").read_text("utf-8") == draw(lecture())
    with pytest.raises(UserError, match="cannot be written"):
        draw(lecture()).save(tmp_path / "graph.svg" / "no")


def test_the_rules_of_a_picture_bind_nothing_outside_of_it():
    style = next(ET.fromstring(draw(lecture())).iter(f"{SVG}style")).text
    selectors = re.findall(r"(?:^|[}{])\s*([^@{}]+?)\s*{", style, re.MULTILINE)
    parts = [part.strip() for selector in selectors for part in selector.split(",")]
    assert len(parts) > 8 and all(part.startswith(".twofold") for part in parts)


def test_a_label_cannot_break_out_of_the_picture():
    a = Value(1.0, "<script>&\"'")
    ET.fromstring(draw(a * 2))
    assert "<script>" not in draw(a * 2)


@pytest.mark.parametrize("inputs", [1, 2, 8])
def test_boxes_do_not_lie_over_each_other(inputs):
    picture = draw(MLP(inputs, [3, 1], seed=1)([0.5] * inputs))
    boxes = [[float(box.get(side)) for side in ("x", "y", "width", "height")]
             for box in ET.fromstring(picture).iter(f"{SVG}rect") if box.get("class") == "box"]  # fmt: skip
    assert len(boxes) > 10
    for i, (x, y, wide, tall) in enumerate(boxes):
        assert x >= 0 and y >= 0
        assert not any(x < u + w and u < x + wide and y < v + h and v < y + tall for u, v, w, h in boxes[:i])


@st.composite
def graphs(draw):
    n = draw(st.integers(1, 25))
    operands = [draw(st.lists(st.integers(0, max(0, i - 1)), max_size=2 if i else 0)) for i in range(n)]
    used = {j for each in operands for j in each}
    operands.append([i for i in range(n) if i not in used])
    return operands


@pytest.mark.slow
@given(graphs())
def test_a_layout_goes_from_left_to_right_and_keeps_its_distance(operands):
    layout = arrange(operands, [10.0] * len(operands), 4.0)
    columns = {}
    for i, (column, y) in enumerate(layout.places):
        assert all(layout.places[j][0] < column for j in operands[i])
        columns.setdefault(column, []).append(y)
        assert 5 - 1e-6 <= y <= layout.height - 5 + 1e-6
    for (j, i), way in layout.edges.items():
        assert [column for column, _ in way] == list(range(layout.places[j][0] + 1, layout.places[i][0]))
    for heights in columns.values():
        heights.sort()
        assert all(b - a >= 14 - 1e-6 for a, b in zip(heights[:-1], heights[1:], strict=True))


def test_only_values_have_a_graph():
    for use in (draw, trace, topological):
        with pytest.raises(TypeError, match=r"3\.0 is none"):
            use(3.0)


def test_a_graph_that_nobody_can_read_is_not_drawn():
    with pytest.raises(UserError, match=r"2,210 nodes, .* draw a part of it, such as one neuron"):
        draw(MLP(16, [32, 1])([0.0] * 16))
    assert draw(Neuron(16)([1.0] * 16))

"""A tape gives what the Values that it was made of give, on every row, up to the order of additions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import ConfigError, Diverged, TwofoldError
from twofold.neuron import MLP, Tape, Value, cross_entropy, decay, hinge, squared_error, topological

from .expressions import expressions, method

ROWS = np.array([[0.5, -1.0, 1.0], [2.0, 0.3, -1.0], [-0.7, 0.1, 1.0], [1.1, 1.2, -1.0]])


def values_and_gradients(build, rows, parameters):
    """Row by row with Values: the outputs, and the gradient of their mean."""
    outputs, total = [], np.zeros(len(parameters))
    for row in rows.tolist():
        for parameter in parameters:
            parameter.grad = 0.0
        output = build(*map(Value, row))
        output.backward()
        outputs.append(output.data)
        total += [parameter.grad for parameter in parameters]
    return outputs, total / len(rows)


@pytest.mark.parametrize("activation", ["tanh", "relu", "sigmoid"])
def test_a_network_on_a_batch(activation):
    model = MLP(2, [5, 4, 1], activation, "linear", seed=3)

    def loss(a, b, label):
        return hinge([model([a, b])], [label]) + 1e-2 * decay(model.parameters())

    inputs = [Value(0.1), Value(0.2), Value(1.0)]
    tape = Tape(loss(*inputs), inputs, model.parameters())
    outputs, gradient = values_and_gradients(loss, ROWS, model.parameters())
    cost, found = tape.gradients(ROWS)
    assert tape.forward(ROWS) == pytest.approx(outputs, rel=1e-12)
    assert cost == pytest.approx(np.mean(outputs), rel=1e-12)
    assert found == pytest.approx(gradient, rel=1e-10, abs=1e-14)


@pytest.mark.slow
@given(expressions(), expressions(), st.lists(st.floats(-2, 2), min_size=1, max_size=3), st.floats(-2, 2))
def test_any_graph_on_any_rows(function, others, x, w):
    """One input, two parameters, and sums, products and shared nodes of all kinds."""
    v = Value(0.7)

    def build(a):
        return function(a, weight, method) + others(v, weight, method) * a + v * v

    weight, a = Value(w), Value(0.3)
    rows = np.array(x)[:, None]
    tape = Tape(build(a), [a], [weight, v])
    outputs, gradient = values_and_gradients(build, rows, [weight, v])
    cost, found = tape.gradients(rows)
    assert tape.forward(rows) == pytest.approx(outputs, rel=1e-9, abs=1e-9)
    assert cost == pytest.approx(np.mean(outputs), rel=1e-9, abs=1e-9)
    assert found == pytest.approx(gradient, rel=1e-8, abs=1e-8)


@pytest.mark.slow
@given(st.floats(0.2, 3), st.floats(0.2, 3), st.floats(0.2, 3))
def test_every_operation_with_every_kind_of_operand(x, w, c):
    """Rows, parameters and constants in each place of each operation."""

    def build(x):
        total = Value(0.0)
        for left in (x, weight, Value(c)):
            for right in (x, weight, Value(c)):
                total = total + left**right / (left * right) - (left - right).tanh() * (-left).sigmoid()
                total = total + (left + right).log() * 0.1 + (left * 0.3).exp() * right + (left - 1).relu() + right**3
        return total

    weight, a = Value(w), Value(1.0)
    tape = Tape(build(a), [a], [weight])
    outputs, gradient = values_and_gradients(build, np.array([[x], [c]]), [weight])
    assert tape.forward([[x], [c]]) == pytest.approx(outputs, rel=1e-11)
    assert tape.gradients([[x], [c]])[1] == pytest.approx(gradient, rel=1e-10)


def test_a_layer_written_neuron_by_neuron_is_found_again_as_a_layer():
    model = MLP(2, [16, 16, 1], "relu", "linear")
    inputs = [Value(0.0), Value(0.0)]
    output = model(inputs)
    tape = Tape(output, inputs, model.parameters())
    assert len(topological(output)) == 979 and tape.instructions == 5


def test_a_whole_graph_without_inputs_is_a_tape_too():
    model = MLP(2, [4, 1], seed=1)
    loss = hinge([model(row[:2]) for row in ROWS.tolist()], ROWS[:, 2].tolist())
    loss.backward()
    cost, gradient = Tape(loss, parameters=model.parameters()).gradients()
    assert cost == pytest.approx(loss.data, rel=1e-12)
    assert gradient == pytest.approx([p.grad for p in model.parameters()], rel=1e-10)


def test_several_outputs():
    model = MLP(2, [3, 3], seed=2)
    inputs = [Value(0.0), Value(0.0)]
    tape = Tape(model(inputs), inputs)
    wanted = [[output.data for output in model(row[:2])] for row in ROWS.tolist()]
    assert tape.forward(ROWS[:, :2]) == pytest.approx(np.array(wanted), rel=1e-12)
    with pytest.raises(ConfigError, match="3 outputs"):
        tape.gradients(ROWS[:, :2])


def test_descending_on_the_tape_and_with_values_lead_to_the_same_place():
    ours, others = MLP(2, [4, 1], seed=5), MLP(2, [4, 1], seed=5)
    inputs = [Value(0.0), Value(0.0), Value(0.0)]
    tape = Tape(squared_error([ours(inputs[:2])], [inputs[2]]), inputs, ours.parameters())
    for _ in range(25):
        _, gradient = tape.gradients(ROWS)
        tape.parameters -= 0.1 * gradient
        _, other = values_and_gradients(lambda a, b, y: squared_error([others([a, b])], [y]), ROWS, others.parameters())
        for parameter, slope in zip(others.parameters(), other, strict=True):
            parameter.data -= 0.1 * slope
    tape.write()
    assert [p.data for p in ours.parameters()] == pytest.approx([p.data for p in others.parameters()], rel=1e-9)
    assert [p.grad for p in ours.parameters()] == pytest.approx(gradient)
    ours.parameters()[0].data = 5.0
    tape.read()
    assert tape.parameters[0] == 5.0


def test_cross_entropy_of_other_rows_than_the_recorded_one():
    x = [Value(0.0), Value(0.0)]
    tape = Tape(cross_entropy([x[0], x[1]], 0), x)
    assert tape.forward([[1.0, 2.0]]) == pytest.approx(cross_entropy([1.0, 2.0], 0).data)


def test_a_constant_an_input_and_a_parameter_may_be_outputs():
    a, w, unused = Value(2.0), Value(3.0), Value(4.0)
    assert Tape([Value(4.0) * 2, a, w * 1], [a], [w]).forward([[1.0], [2.0]]).tolist() == [[8, 1, 3], [8, 2, 3]]
    cost, gradient = Tape(w, parameters=[w, unused]).gradients()
    assert (cost, gradient.tolist()) == (3.0, [1.0, 0.0])
    assert Tape(Value(4.0) * 2).forward().tolist() == [8.0]


@pytest.mark.slow
def test_a_long_chain():
    w = Value(1.0)
    y = w
    for _ in range(2_000):
        y = (y * 1.0001).tanh() + 0.5
    y.backward()
    cost, gradient = Tape(y, parameters=[w]).gradients()
    assert (cost, gradient[0]) == (pytest.approx(y.data), pytest.approx(w.grad))


@pytest.mark.slow
def test_a_long_sum_takes_one_instruction():
    w = [Value(i / 7) for i in range(20_000)]
    left, right = w[0], w[0]
    for each in w[1:]:
        left, right = left + each, each + right
    for total in (left, right):
        tape = Tape(total, parameters=w)
        assert tape.instructions == 1
        assert tape.gradients()[0] == pytest.approx(total.data)


@pytest.mark.parametrize("rows", [[[1.0]], [1.0, 2.0], [], None, np.zeros((0, 2)), np.zeros((3, 3))])
def test_rows_of_another_shape_are_refused(rows):
    x = [Value(0.0), Value(0.0)]
    with pytest.raises(ConfigError, match=r"rows of 2 inputs, as an array \[n, 2\]"):
        Tape(x[0] * x[1], x).forward(rows)


def test_what_is_no_array_of_numbers_is_refused():
    x = Value(0.0)
    tape = Tape(x * 2, [x])
    for rows in ([["a"]], [[1.0], [1.0, 2.0]]):
        with pytest.raises(ConfigError, match="no array of numbers"):
            tape.forward(rows)
    with pytest.raises(ConfigError, match="there are 0 parameters"):
        tape.parameters = [1.0]


def test_an_input_that_the_graph_does_not_hold_is_a_mistake():
    x, w = Value(1.0), Value(2.0)
    with pytest.raises(ConfigError, match="not made from input 0: compute it with the inputs' own Values"):
        Tape(w * float(x), [x], [w])
    for nothing in ([], "a", [1.0]):
        with pytest.raises(ConfigError, match="all of them Values"):
            Tape(nothing)


def test_what_was_computed_is_no_input_and_nothing_is_named_twice():
    a = Value(1.0)
    b = a * 2
    with pytest.raises(ConfigError, match="was computed"):
        Tape(b * 2, [b])
    with pytest.raises(ConfigError, match="twice"):
        Tape(a * 2, [a], [a])


def test_what_is_no_finite_number_is_found_and_named():
    x, w = Value(1.0), Value(1.0)
    tape = Tape((x * w).log() + 1, [x], [w])
    with pytest.raises(TwofoldError, match=r"row 1 comes to nan: 'log' is the first"):
        tape.forward([[1.0], [-1.0]])
    with pytest.raises(TwofoldError, match="row 0 comes to nan: its inputs"):
        tape.forward([[math.nan]])
    tape.parameters = [math.inf]
    with pytest.raises(Diverged, match="descent has diverged; lower the learning rate"):
        tape.forward([[1.0]])

"""A Value is a Python float that knows its gradient: torch, central differences and float itself say what is right."""

from __future__ import annotations

import gc
import math
import operator
import weakref
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from twofold.neuron import Value, topological

from .expressions import ARITHMETIC, expressions, method

ordinary = st.floats(-4, 4).map(lambda x: round(x, 6))
any_number = st.floats(allow_nan=False, allow_infinity=False)
COMPARISONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
FUNCTIONS = ["exp", "log", "tanh", "relu", "sigmoid"]


def defined(sign, a, b):
    """Where the operation has a value and both slopes."""
    return not (sign == "/" and abs(b) < 1e-3) and not (sign == "**" and a < 1e-3)


@pytest.mark.parametrize("sign", ARITHMETIC)
@given(a=ordinary, b=ordinary)
def test_arithmetic_agrees_with_torch_on_value_and_gradients(sign, a, b):
    assume(defined(sign, a, b))
    ours, theirs = [Value(a), Value(b)], [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (a, b)]
    y, t = ARITHMETIC[sign](*ours), ARITHMETIC[sign](*theirs)
    y.backward()
    t.backward()
    assert y.data == pytest.approx(t.item(), rel=1e-14, abs=1e-300)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad == pytest.approx(other.grad.item(), rel=1e-12, abs=1e-300)


@pytest.mark.parametrize("name", FUNCTIONS)
@given(x=st.floats(-30, 30))
def test_functions_agree_with_torch_on_value_and_gradient(name, x):
    assume(name != "log" or x > 1e-6)
    ours, theirs = Value(x), torch.tensor(x, dtype=torch.float64, requires_grad=True)
    y, t = getattr(ours, name)(), getattr(theirs, name)()
    y.backward()
    t.backward()
    assert y.data == pytest.approx(t.item(), rel=1e-13, abs=1e-300)
    assert ours.grad == pytest.approx(theirs.grad.item(), rel=1e-12, abs=1e-15)


@pytest.mark.slow
@given(function=expressions(), a=st.floats(-2, 2), b=st.floats(-2, 2))
def test_whole_expressions_agree_with_torch_also_where_a_node_is_used_again(function, a, b):
    ours, theirs = [Value(a), Value(b)], [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (a, b)]
    y, t = function(*ours, method), function(*theirs, method) + 0 * theirs[0] + 0 * theirs[1]
    (y + 0 * ours[0]).backward()
    t.backward()
    assert y.data == pytest.approx(t.item(), rel=1e-12, abs=1e-12)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad == pytest.approx(other.grad.item(), rel=1e-9, abs=1e-9)


SMOOTH = {
    "sum": lambda a, b: a + b,
    "difference": lambda a, b: a - b,
    "product": lambda a, b: a * b,
    "quotient": lambda a, b: a / b,
    "power": lambda a, b: a**b,
    "square": lambda a, b: a**2 + b**-3,
    "exp": lambda a, b: (a * b).exp(),
    "log": lambda a, b: (a * b).log(),
    "tanh": lambda a, b: (a - b).tanh(),
    "relu": lambda a, b: (a + b).relu() * (a - b - 9).relu() + (a * b).relu(),
    "sigmoid": lambda a, b: (a - b).sigmoid(),
    "both sides": lambda a, b: 2 - (3 / a) * (1.5**b) + 2 * a - (-b),
    "again": lambda a, b: (a * b + a) * (a * b + a).tanh(),
}


@pytest.mark.parametrize("name", SMOOTH)
@given(a=st.floats(0.2, 3), b=st.floats(0.2, 3))
def test_a_gradient_is_what_a_small_nudge_measures(name, a, b):
    f, h = SMOOTH[name], 1e-5
    x, y = Value(a), Value(b)
    f(x, y).backward()
    for value, up, down in [(x, (a + h, b), (a - h, b)), (y, (a, b + h), (a, b - h))]:
        measured = (float(f(*map(Value, up))) - float(f(*map(Value, down)))) / (2 * h)
        assert value.grad == pytest.approx(measured, rel=1e-5, abs=1e-6)


def outcome(compute):
    """The number, or the kind of exception."""
    try:
        found = compute()
    except (ArithmeticError, ValueError) as error:
        return type(error)
    return ValueError if isinstance(found, complex) else found


@pytest.mark.parametrize("sign", ARITHMETIC)
@given(any_number | st.sampled_from([0.0, -0.0, -8.0, 1e300]), any_number | st.sampled_from([0.0, 0.5, -1.0, 400.0]))
def test_a_value_computes_what_a_float_computes_or_raises_what_a_float_raises(sign, a, b):
    f = ARITHMETIC[sign]
    wanted = outcome(lambda: f(a, b))
    for ours in (lambda: f(Value(a), Value(b)), lambda: f(Value(a), b), lambda: f(a, Value(b))):
        found = outcome(ours)
        assert found == wanted
        if isinstance(found, Value):
            assert math.copysign(1, found.data) == math.copysign(1, wanted)


@pytest.mark.parametrize("compare", COMPARISONS)
@given(a=st.floats() | st.integers(-3, 3), b=st.floats() | st.integers(-3, 3))
def test_comparisons_are_those_of_the_numbers(compare, a, b):
    a, b = float(a), b
    assert compare(Value(a), Value(b)) is compare(a, float(b))
    assert compare(Value(a), b) is compare(a, b)
    assert compare(a, Value(b)) is compare(a, float(b))


def test_a_value_is_equal_to_its_number_and_for_that_is_no_key():
    """Equal things must have equal hashes, and a Value's number changes."""
    assert Value(2) == 2 == Value(2.0) and Value(2) != 3 and Value(2) != "2" and Value(2) is not None
    for use in (hash, lambda value: {value}, lambda value: {value: 1}):
        with pytest.raises(TypeError, match="unhashable"):
            use(Value(2))
    with pytest.raises(TypeError):
        Value(2) < "3"  # noqa: B015


@pytest.mark.slow
@given(any_number)
def test_conversions_give_the_number(x):
    value = Value(x)
    assert float(value) == x and int(value) == int(x) and bool(value) is bool(x)
    assert f"{value:.3f}" == f"{x:.3f}"
    assert repr(value) == f"Value(data={x}, grad=0.0)" == f"{value}"


def test_a_label_is_seen():
    assert repr(Value(2, "a")) == "Value(data=2.0, grad=0.0, label='a')"


@pytest.mark.parametrize("number", [2, True, Fraction(1, 2), np.float64(2.5), np.float32(2.5), np.int64(-3)])
def test_numbers_of_every_kind_mix_with_values_from_both_sides(number):
    a = Value(4.0)
    for f in ARITHMETIC.values():
        assert type(f(a, number)) is Value and f(a, number).data == f(4.0, float(number))
        assert type(f(number, a)) is Value and f(number, a).data == f(float(number), 4.0)
    assert Value(number).data == float(number)


@pytest.mark.parametrize("what", ["3", None, 1j, [1.0], Value(1.0), np.zeros(2)])
def test_what_is_no_number_is_refused(what):
    with pytest.raises(TypeError, match="real number"):
        Value(what)
    if not isinstance(what, Value | np.ndarray):
        for f in ARITHMETIC.values():
            with pytest.raises(TypeError):
                f(Value(1.0), what)
            with pytest.raises(TypeError):
                f(what, Value(1.0))


@pytest.mark.parametrize(
    ("compute", "kind", "says"),
    [
        (lambda: Value(1) / Value(0, "width"), ZeroDivisionError, "1 / width = 0"),
        (lambda: Value(0) ** -1, ZeroDivisionError, "no negative powers"),
        (lambda: Value(-8) ** 0.5, ValueError, "-8 ** 0.5"),
        (lambda: Value(10) ** 400, OverflowError, "10 ** 400"),
        (lambda: Value(1000, "x").exp(), OverflowError, "x = 1000"),
        (lambda: Value(0).log(), ValueError, "log(0)"),
        (lambda: Value(-1).log(), ValueError, "log(-1)"),
    ],
)
def test_what_cannot_be_computed_is_named_with_its_numbers(compute, kind, says):
    with pytest.raises(kind) as error:
        compute()
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("compute", "slope"),
    [
        (lambda x: x**0, 0.0),
        (lambda x: x**1, 1.0),
        (lambda x: x**2, 0.0),
        (lambda x: x**0.5, math.inf),
        (lambda x: x.relu(), 0.0),
    ],
)
def test_slopes_at_zero_are_those_of_torch(compute, slope):
    ours, theirs = Value(0.0), torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    compute(ours).backward()
    compute(theirs).backward()
    assert ours.grad == theirs.grad.item() == slope


def test_a_slope_may_be_too_large_where_the_value_is_not():
    x = Value(1e-200)
    y = x**-1
    y.backward()
    assert y.data == 1e200 and x.grad == -math.inf


def test_nothing_overflows_in_a_sigmoid():
    assert [Value(x).sigmoid().data for x in (-800.0, -40.0, 0.0, 800.0)] == [0.0, math.exp(-40), 0.5, 1.0]


def test_the_published_example_of_micrograd():
    """From its README: g = 24.7041, ∂g/∂a = 138.8338, ∂g/∂b = 645.5773."""
    a, b = Value(-4.0), Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    g.backward()
    assert (f"{g.data:.4f}", f"{a.grad:.4f}", f"{b.grad:.4f}") == ("24.7041", "138.8338", "645.5773")


@pytest.mark.slow
@given(expressions(functions=["relu"], signs="+-*"), ordinary, ordinary)
def test_micrograd_computes_the_same(function, a, b):
    engine = pytest.importorskip("micrograd.engine")
    ours, theirs = [Value(a), Value(b)], [engine.Value(a), engine.Value(b)]
    y, t = (function(*both, method) + both[0] * both[1] for both in (ours, theirs))
    y.backward()
    t.backward()
    assert y.data == pytest.approx(t.data, rel=1e-12, abs=1e-12)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad == pytest.approx(other.grad, rel=1e-9, abs=1e-9)


def test_the_neuron_of_the_lecture():
    """Karpathy's first neuron: o = 0.7071, and gradients -1.5, 0.5 for the first input and 1.0, 0.0 for its weights."""
    x1, x2, w1, w2, b = map(Value, (2.0, 0.0, -3.0, 1.0, 6.8813735870195432))
    o = (x1 * w1 + x2 * w2 + b).tanh()
    o.backward()
    assert o.data == pytest.approx(0.7071, abs=5e-5)
    assert [each.grad for each in (x1, w1, x2, w2)] == pytest.approx([-1.5, 1.0, 0.5, 0.0])


def test_leaves_sum_up_the_gradients_of_several_results_as_in_torch_and_what_lies_between_is_counted_afresh():
    a = Value(3.0)
    shared = a * a
    first, second = shared * 2, shared * 5
    first.backward()
    assert (a.grad, shared.grad) == (12.0, 2.0)
    second.backward()
    assert (a.grad, shared.grad) == (12.0 + 30.0, 5.0)
    second.backward()
    assert (a.grad, shared.grad, second.grad) == (12.0 + 60.0, 5.0, 1.0)
    t = torch.tensor(3.0, requires_grad=True)
    between = t * t
    for factor in (2, 5, 5):
        (between * factor).backward(retain_graph=True)
    assert t.grad.item() == a.grad


def test_a_leaf_alone_has_gradient_one():
    a = Value(3.0)
    a.backward()
    assert a.grad == 1.0


@pytest.mark.slow
def test_a_chain_of_100_000_nodes_works_and_goes_away_again():
    x = Value(1.0)
    y = x
    for _ in range(100_000):
        y = y * 1.0
    y.backward()
    assert x.grad == 1.0 and len(topological(y)) == 200_001
    del y
    gc.collect()
    assert x.grad == 1.0


def test_two_uses_at_every_step_are_counted_once_each():
    """2^60 ways lead from the output to the input, through 60 nodes."""
    x = Value(1.0)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad == y.data == 2.0**60


def test_a_graph_that_nobody_needs_is_gone_at_once_without_the_collector():
    class Watched(Value):
        __slots__ = ("__weakref__",)

    leaf = Watched(2.0)
    gone = weakref.ref(leaf)
    gc.disable()
    try:
        y = (leaf * 2 + leaf).tanh()
        y.backward()
        del leaf, y
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.slow
@given(expressions(), ordinary, ordinary)
def test_operands_come_before_results(function, a, b):
    y = function(Value(a), Value(b), method)
    place = {id(node): i for i, node in enumerate(topological(y))}
    order = topological(y)
    assert order[-1] is y and len(place) == len(order)
    assert all(place[id(operand)] < place[id(node)] for node in order for operand in node.operands)

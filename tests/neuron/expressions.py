"""Formulas that hypothesis invents, for Values, tensors and whatever else has the methods."""

from __future__ import annotations

import operator

from hypothesis import strategies as st

__all__ = ["ARITHMETIC", "expressions", "method"]

ARITHMETIC = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow}


@st.composite
def expressions(draw, depth=0, functions=("tanh", "sigmoid", "exp", "relu"), signs="+-*/"):
    """A function of a and b in which each is used again and again, for Values, tensors and floats alike."""
    kind = draw(st.sampled_from(["a", "b", "number", *(["binary", "unary", "binary"] if depth < 5 else [])]))
    if kind == "a":
        return lambda a, b, f: a
    if kind == "b":
        return lambda a, b, f: b
    if kind == "number":
        number = draw(st.sampled_from([-2.0, -0.5, 0.5, 1.0, 3.0]))
        return lambda a, b, f: a * 0 + number
    if kind == "unary":
        name, inner = draw(st.sampled_from(functions)), draw(expressions(depth + 1, functions, signs))
        if name == "exp":  # of something that cannot grow without bound
            return lambda a, b, f: f("exp", f("tanh", inner(a, b, f)))
        return lambda a, b, f: f(name, inner(a, b, f))
    sign = draw(st.sampled_from(signs))
    left, right = (draw(expressions(depth + 1, functions, signs)) for _ in range(2))
    if sign == "/":
        return lambda a, b, f: left(a, b, f) / (right(a, b, f) ** 2 + 1.5)
    return lambda a, b, f: ARITHMETIC[sign](left(a, b, f), right(a, b, f))


def method(name, x):
    return getattr(x, name)()

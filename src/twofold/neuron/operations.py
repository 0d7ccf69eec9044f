"""The operations one by one: how they are written, what the chain rule says of each, and the same for whole arrays.

Value (value.py) does them on one number; a trace says them in words; a tape does them on rows of numbers with NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["OPERATIONS", "Operation"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Operation:
    """`written` and `slopes` have {0} and {1} for the operands and {y} for the result.

    `forward(*operands)` and, for each operand, `backward[i](y, *operands)`, the slope towards it, take arrays.
    """

    written: str
    rule: str
    slopes: tuple[str, ...]
    forward: Callable[..., Array]
    backward: tuple[Callable[..., Any], ...]


def _sigmoid(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def _towards_exponent(y: Array, x: Array, c: Array) -> Array:
    return np.where(x == 0, 0.0, y * np.log(np.where(x > 0, x, np.where(x == 0, 1.0, np.nan))))


def _towards_base(y: Array, x: Array, c: Array) -> Array:
    return np.where(c == 0, 0.0, c * x ** np.where(c == 0, 1.0, c - 1))


OPERATIONS = {
    "+": Operation(
        "{0} + {1}",
        "a sum passes its gradient on to each term as it is",
        ("1", "1"),
        np.add,
        (lambda y, a, b: 1.0, lambda y, a, b: 1.0),
    ),
    "-": Operation(
        "{0} − {1}",
        "a difference passes its gradient on, turned around for what is taken away",
        ("1", "−1"),
        np.subtract,
        (lambda y, a, b: 1.0, lambda y, a, b: -1.0),
    ),
    "*": Operation(
        "{0} · {1}",
        "in a product each factor counts as much as the other one is large",
        ("{1}", "{0}"),
        np.multiply,
        (lambda y, a, b: b, lambda y, a, b: a),
    ),
    "/": Operation(
        "{0} / {1}",
        "a quotient rises with what is above the line by 1 over what is below, and falls with what is below",
        ("1 / {1}", "−{y} / {1}"),
        np.divide,
        (lambda y, a, b: 1.0 / b, lambda y, a, b: -y / b),
    ),
    "**": Operation(
        "{0}^{1}",
        "in a power the exponent comes down in front, and is one less above",
        ("{1} · {0}^({1} − 1)", "{y} · ln {0}"),
        np.power,
        (_towards_base, _towards_exponent),
    ),
    "neg": Operation("−{0}", "the opposite turns the gradient around", ("−1",), np.negative, (lambda y, a: -1.0,)),
    "exp": Operation("exp {0}", "e^x rises as fast as it is large", ("{y}",), np.exp, (lambda y, a: y,)),
    "log": Operation("ln {0}", "the logarithm of x rises by 1 / x", ("1 / {0}",), np.log, (lambda y, a: 1.0 / a,)),
    "tanh": Operation(
        "tanh {0}",
        "tanh is steepest, 1, at 0, and flat where it is near −1 or 1",
        ("1 − {y}²",),
        np.tanh,
        (lambda y, a: 1.0 - y * y,),
    ),
    "relu": Operation(
        "relu {0}",
        "relu lets the gradient through where its input is above 0, and stops it elsewhere",
        ("(1 if {0} > 0 else 0)",),
        lambda a: np.maximum(a, 0.0),
        (lambda y, a: (a > 0).astype(np.float64),),
    ),
    "sigmoid": Operation(
        "σ({0})",
        "σ is steepest, ¼, at 0, and flat where it is near 0 or 1",
        ("{y} · (1 − {y})",),
        _sigmoid,
        (lambda y, a: y * (1.0 - y),),
    ),
}

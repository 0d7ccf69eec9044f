"""A number that remembers how it was made, and so knows its gradient.

    y = f(a, b)        ∂L/∂a  +=  ∂L/∂y · ∂f/∂a        the chain rule, summed over every use of a

Each operation on Values makes a new Value, which keeps its operands and, for each, the slope: by how much the result
rises when that operand rises a little. `backward` walks from a result to what it was made of and multiplies slopes.

In all else a Value is a Python float: the same results, and the same exceptions with a message that names the numbers.
It compares by its number, with other Values and with plain numbers. That number changes, so a Value is no key of a
set or a dictionary; `topological` lists the nodes of a graph.

Reverse mode: Linnainmaa 1970. In this shape: micrograd, Karpathy 2020.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from numbers import Real
from typing import Any, ClassVar

__all__ = ["Value", "topological"]

Numeric = Any  # a Value or a real number; anything else is refused with TypeError


class Value:
    """`data` is the number, `grad` the gradient that `backward` left here, `label` a name for pictures and traces.

    `operation` says how it was made from `operands`: a sign or a function's name, empty for what was not computed, and
    "number" for a plain number in an expression. `slopes` are towards the operands, in their order; an exponent that is
    a plain number has none.

    Raises TypeError for what is no real number.
    """

    __slots__ = ("_met", "data", "grad", "label", "operands", "operation", "slopes")
    _met: object
    data: float
    grad: float
    label: str
    operation: str
    operands: tuple[Value, ...]
    slopes: tuple[float, ...]
    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __init__(self, data: Numeric, label: str = "") -> None:
        if not isinstance(data, Real):
            already = " (it is a Value already)" if isinstance(data, Value) else ""
            raise TypeError(f"a Value holds one real number, and {data!r:.60} is none{already}")
        self.data, self.grad, self.label = float(data), 0.0, label
        self.operation, self.operands, self.slopes, self._met = "", (), (), None

    def backward(self) -> None:
        """Leave in `grad` of everything this was made of how fast this rises when that rises.

        What was not computed (inputs, weights) adds it to what is there, so that the gradients of several results sum
        up, until somebody sets them to 0. What lies between is counted afresh.
        """
        order = topological(self)
        for node in order:
            if node.operands:
                node.grad = 0.0
        self.grad += 1.0
        for node in reversed(order):
            grad, slopes = node.grad, node.slopes
            if len(slopes) == 2:  # written out, since this is where the time goes
                a, b = node.operands
                a.grad += grad * slopes[0]
                b.grad += grad * slopes[1]
            elif slopes:
                node.operands[0].grad += grad * slopes[0]

    def __add__(self, other: Numeric) -> Value:
        if not isinstance(other, Value) and (other := _number(other)) is None:
            return NotImplemented
        return _made(self.data + other.data, "+", (self, other), (1.0, 1.0))

    def __mul__(self, other: Numeric) -> Value:
        if not isinstance(other, Value) and (other := _number(other)) is None:
            return NotImplemented
        return _made(self.data * other.data, "*", (self, other), (other.data, self.data))

    def __sub__(self, other: Numeric) -> Value:
        if not isinstance(other, Value) and (other := _number(other)) is None:
            return NotImplemented
        return _made(self.data - other.data, "-", (self, other), (1.0, -1.0))

    def __truediv__(self, other: Numeric) -> Value:
        if not isinstance(other, Value) and (other := _number(other)) is None:
            return NotImplemented
        below = other.data
        if below == 0:
            raise ZeroDivisionError(f"{_named(self)} / {_named(other)}: nothing can be divided by 0")
        data = self.data / below
        return _made(data, "/", (self, other), (1.0 / below, -data / below))

    def __pow__(self, other: Numeric) -> Value:
        if isinstance(other, Value):
            base, exponent = self.data, other.data
            data = _power(base, exponent)
            towards_exponent = data * math.log(base) if base > 0 else 0.0 if base == 0 else math.nan
            return _made(data, "**", (self, other), (_power_slope(base, exponent, data), towards_exponent))
        if (other := _number(other)) is None:
            return NotImplemented
        base, exponent = self.data, other.data
        data = _power(base, exponent)
        return _made(data, "**", (self, other), (_power_slope(base, exponent, data),))

    def __neg__(self) -> Value:
        return _made(-self.data, "neg", (self,), (-1.0,))

    def __pos__(self) -> Value:
        return self

    def __radd__(self, other: Numeric) -> Value:
        return NotImplemented if (other := _number(other)) is None else other + self

    def __rmul__(self, other: Numeric) -> Value:
        return NotImplemented if (other := _number(other)) is None else other * self

    def __rsub__(self, other: Numeric) -> Value:
        return NotImplemented if (other := _number(other)) is None else other - self

    def __rtruediv__(self, other: Numeric) -> Value:
        return NotImplemented if (other := _number(other)) is None else other / self

    def __rpow__(self, other: Numeric) -> Value:
        return NotImplemented if (other := _number(other)) is None else other**self

    def exp(self) -> Value:
        try:
            data = math.exp(self.data)
        except OverflowError:
            raise OverflowError(f"exp({_named(self)}) is larger than a float can hold") from None
        return _made(data, "exp", (self,), (data,))

    def log(self) -> Value:
        """The natural logarithm. Raises ValueError at and below 0."""
        data = self.data
        if data <= 0:
            raise ValueError(f"log({_named(self)}): only numbers above 0 have a logarithm")
        return _made(math.log(data), "log", (self,), (1.0 / data,))

    def tanh(self) -> Value:
        data = math.tanh(self.data)
        return _made(data, "tanh", (self,), (1.0 - data * data,))

    def relu(self) -> Value:
        """max(0, x); its slope at 0 is taken to be 0."""
        data = self.data
        return _made(0.0 if data < 0 else data, "relu", (self,), (1.0 if data > 0 else 0.0,))

    def sigmoid(self) -> Value:
        """1 / (1 + e^-x), computed so that nothing overflows."""
        small = math.exp(-abs(self.data))
        data = (1.0 if self.data >= 0 else small) / (1.0 + small)
        return _made(data, "sigmoid", (self,), (data * (1.0 - data),))

    def __float__(self) -> float:
        return float(self.data)

    def __int__(self) -> int:
        return int(self.data)

    def __bool__(self) -> bool:
        return self.data != 0

    def __format__(self, form: str) -> str:
        return format(self.data, form) if form else str(self)

    def __repr__(self) -> str:
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={self.data}, grad={self.grad}{label})"

    @staticmethod
    def _comparison(compare: Callable[[Any, Any], bool]) -> Callable[[Value, object], bool]:
        def method(self: Value, other: object) -> bool:
            if isinstance(other, Value):
                return compare(self.data, other.data)
            return compare(self.data, other) if isinstance(other, Real) else NotImplemented

        return method

    __lt__, __le__ = _comparison(operator.lt), _comparison(operator.le)
    __gt__, __ge__ = _comparison(operator.gt), _comparison(operator.ge)
    __eq__, __ne__ = _comparison(operator.eq), _comparison(operator.ne)  # type: ignore[assignment]


def topological(*results: Value) -> list[Value]:
    """All nodes that `results` were made of, and they themselves: each once, and after its operands.

    Without recursion, so that the graph may be as deep as it is large. One thread at a time may walk a graph: who was
    met bears the mark of this walk, which takes half the time of a set.
    """
    order: list[Value] = []
    walk = object()
    if strangers := [result for result in results if not isinstance(result, Value)]:
        raise TypeError(f"a graph ends in Values, and {strangers[0]!r:.60} is none")
    waiting: list[Value | None] = [*reversed(results)]
    while waiting:
        node = waiting.pop()
        if node is None:  # all that the one below was made of is in its place
            order.append(waiting.pop())  # type: ignore[arg-type]
        elif node._met is not walk:
            node._met = walk
            if node.operands:
                waiting += (node, None)
                waiting += node.operands[::-1]
            else:
                order.append(node)
    return order


_new = object.__new__


def _made(data: float, operation: str, operands: tuple[Value, ...], slopes: tuple[float, ...]) -> Value:
    made: Value = _new(Value)
    made.data, made.grad, made.label = data, 0.0, ""
    made.operation, made.operands, made.slopes, made._met = operation, operands, slopes, None
    return made


def _number(number: object) -> Value | None:
    """A plain number as a node of the graph; None for what is no real number."""
    return _made(float(number), "number", (), ()) if isinstance(number, Real) else None


def _power(base: float, exponent: float) -> float:
    try:
        data = base**exponent
    except ZeroDivisionError:
        raise ZeroDivisionError(f"{base:g} ** {exponent:g}: 0 has no negative powers") from None
    except OverflowError:
        raise OverflowError(f"{base:g} ** {exponent:g} is larger than a float can hold") from None
    if isinstance(data, complex):
        raise ValueError(f"{base:g} ** {exponent:g}: a number below 0 has only powers that are whole numbers")
    return data


def _power_slope(base: float, exponent: float, data: float) -> float:
    """c · x^(c - 1), which can be too large where x^c is not, and is infinite at x = 0 for 0 < c < 1."""
    if exponent == 0:
        return 0.0
    try:
        return exponent * base ** (exponent - 1)
    except ZeroDivisionError:
        return exponent * math.inf
    except OverflowError:
        return exponent * (data / base)


def _named(value: Value) -> str:
    return f"{value.label} = {value.data:g}" if value.label else f"{value.data:g}"

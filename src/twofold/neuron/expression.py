"""A formula as a person types it, made of Values: names, numbers, + - * / **, brackets and the known functions.

    e = a * b; d = e + c; L = d * f          several lines: each named result is a node with that label
    (a * b + c).tanh()   tanh(a * b + c)     both ways of writing a function

It is parsed, never evaluated as code: what is not in this list is refused.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping

from twofold.errors import UserError
from twofold.neuron.value import Value

__all__ = ["LONGEST", "build"]

LONGEST = 20_000  # characters
_DEEPEST = 400

_OPERATORS: dict[type[ast.operator], Callable[[Value, Value], Value]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Pow: lambda a, b: a**b,
}
_FUNCTIONS: dict[str, Callable[[Value], Value]] = {
    "exp": Value.exp,
    "log": Value.log,
    "relu": Value.relu,
    "sigmoid": Value.sigmoid,
    "tanh": Value.tanh,
}


def build(formula: str, numbers: Mapping[str, float]) -> tuple[Value, dict[str, Value]]:
    """The result of the last line, and the Values of the names in `numbers` that it uses, in the order of their use.

    Raises UserError for what cannot be read, has no number, or cannot be computed; the message quotes the place.
    """
    if len(formula) > LONGEST:
        raise UserError(f"the formula has {len(formula):,} characters; at most {LONGEST:,} are read")
    return _Builder(formula, numbers).run()


class _Builder:
    def __init__(self, formula: str, numbers: Mapping[str, float]) -> None:
        self.formula = "\n".join(line.strip() for line in formula.splitlines())
        self.numbers = dict(numbers)
        self.inputs: dict[str, Value] = {}
        self.results: dict[str, Value] = {}

    def run(self) -> tuple[Value, dict[str, Value]]:
        lines = self._parse()
        result = None
        for line in lines:
            if isinstance(line, ast.Assign) and len(line.targets) == 1 and isinstance(line.targets[0], ast.Name):
                result = self._assign(line.targets[0].id, line.value)
            elif isinstance(line, ast.Expr):
                result = self._build(line.value, 0)
            else:
                raise UserError(f"{self._quote(line)} is neither a formula nor NAME = formula")
        assert result is not None
        if not result.label and result.operands:
            result.label = next(name for name in ("y", "result", "output", "y′") if name not in self._names())
        return result, self.inputs

    def _names(self) -> set[str]:
        return {*self.numbers, *self.inputs, *self.results}

    def _parse(self) -> list[ast.stmt]:
        try:
            lines = ast.parse(self.formula).body
        except SyntaxError as error:
            where = f" at {error.text.strip()[:40]!r}" if error.text and error.text.strip() else ""
            raise UserError(f"this is no formula{where} ({error.msg:.60}); an example: tanh(a * b + c)") from None
        except (ValueError, RecursionError, MemoryError):
            raise UserError("this formula cannot be read: it has strange signs, or is nested too deeply") from None
        if not lines:
            raise UserError("the formula is empty; an example: tanh(a * b + c)")
        return lines

    def _assign(self, name: str, formula: ast.expr) -> Value:
        if name in self.inputs or name in self.results:
            raise UserError(f"{name} has a meaning already; give this result a name of its own")
        if name in self.numbers:
            raise UserError(f"{name} is computed here and given as {self.numbers[name]:g} too; choose one")
        result = self._build(formula, 0)
        if result.operation == "number":  # a = 2 is an input, said in the formula itself
            self.inputs[name] = result = Value(result.data)
        elif result.label:
            result = result * 1
        result.label = name
        self.results[name] = result
        return result

    def _build(self, node: ast.expr, depth: int) -> Value:
        if depth > _DEEPEST:
            raise UserError(f"the formula is nested more than {_DEEPEST} deep; name parts of it: e = a * b; e + c")
        match node:
            case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
                a, b = self._build(left, depth + 1), self._build(right, depth + 1)
                exponent = b.data if isinstance(operator, ast.Pow) and b.operation == "number" else b
                return self._compute(node, lambda: _OPERATORS[type(operator)](a, exponent))  # type: ignore[arg-type]
            case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as number)) if not isinstance(number, bool):
                return self._number(node, -number)
            case ast.UnaryOp(ast.USub(), operand):
                return -self._build(operand, depth + 1)
            case ast.UnaryOp(ast.UAdd(), operand):
                return self._build(operand, depth + 1)
            case ast.Constant(int() | float() as number) if not isinstance(number, bool):
                return self._number(node, number)
            case ast.Name(name):
                return self._name(name)
            case ast.Call(ast.Name(name), [operand], []) if name in _FUNCTIONS:
                inner = self._build(operand, depth + 1)
                return self._compute(node, lambda: _FUNCTIONS[name](inner))
            case ast.Call(ast.Attribute(operand, name), [], []) if name in _FUNCTIONS:
                inner = self._build(operand, depth + 1)
                return self._compute(node, lambda: _FUNCTIONS[name](inner))
            case ast.BinOp(op=ast.BitXor()):
                raise UserError(f"{self._quote(node)}: a power is written **, as in a ** 2")
        known = f"+ - * / **, brackets, numbers, names, {', '.join(_FUNCTIONS)}"
        raise UserError(f"{self._quote(node)} is not understood; a formula has {known}")

    def _compute(self, node: ast.expr, what: Callable[[], Value]) -> Value:
        try:
            result = what()
        except (ArithmeticError, ValueError) as error:
            raise UserError(f"{self._quote(node)} cannot be computed: {error}") from None
        if not math.isfinite(result.data):
            raise UserError(f"{self._quote(node)} comes to {result.data}, which is no finite number")
        return result

    def _number(self, node: ast.expr, number: float) -> Value:
        try:
            value = Value(number)
        except OverflowError:
            value = Value(math.inf)
        if not math.isfinite(value.data):
            raise UserError(f"{self._quote(node)} is larger than a float can hold")
        value.operation = "number"
        return value

    def _name(self, name: str) -> Value:
        if name in self.results:
            return self.results[name]
        if name in self.inputs:
            return self.inputs[name]
        if name in _FUNCTIONS:
            raise UserError(f"{name} is a function and wants something in brackets: {name}(x)")
        if name not in self.numbers:
            raise UserError(f"{name} has no number; give it one after the formula: {name}=2")
        self.inputs[name] = Value(self.numbers[name], name)
        return self.inputs[name]

    def _quote(self, node: ast.AST) -> str:
        text = ast.get_source_segment(self.formula, node) or ""
        return repr(text if len(text) <= 60 else f"{text[:57]}…")

"""`twofold neuron`: a formula, its gradients, and the chain rule that leads to them, step by step."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.output import note, print_json
from twofold.errors import UserError

if TYPE_CHECKING:
    from twofold.neuron.trace import Trace
    from twofold.neuron.value import Value

__all__ = ["neuron"]


def neuron(
    formula: Annotated[str, typer.Argument(
        metavar="FORMULA", show_default=False,
        help="Names, numbers, + - * / **, brackets, exp, log, relu, sigmoid, tanh; several lines with ; "
             "(in quotes, and where it begins with a minus in brackets: \"(-a) + b\").")],
    numbers: Annotated[list[str] | None, typer.Argument(
        metavar="[NAME=NUMBER]...", show_default=False, help="The numbers that the names stand for.")] = None,
    svg: Annotated[Path | None, typer.Option(
        "--svg", metavar="FILE", help="Draw the graph: every number, gradient and operation.")] = None,
    trace: Annotated[bool, typer.Option(help="Say for each step which rule was applied, with the numbers.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compute a formula and its gradients, and show the chain rule at work.

    \b
    twofold neuron "tanh(w1*x1 + w2*x2 + b)" x1=2 x2=0 w1=-3 w2=1 b=6.88
    twofold neuron "e = a*b; d = e + c; L = d*f" a=2 b=-3 c=10 f=-2 --svg graph.svg
    """
    from twofold.neuron.draw import draw
    from twofold.neuron.expression import build
    from twofold.neuron.trace import trace as trace_of

    given = _numbers(numbers or [])
    output, inputs = build(formula, given)
    if unused := [name for name in given if name not in inputs]:
        raise UserError(f"{', '.join(unused)} does not occur in the formula")
    steps = trace_of(output)
    output.backward()
    if svg is not None:
        draw(output).save(svg)
        note(f"drawing: {svg}")
    if as_json:
        print_json(_figures(formula, output, inputs, steps))
        return
    if trace and steps:
        print(f"{steps}\n")
    _show(output, inputs, steps)


def _numbers(pairs: list[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not equals or not name.strip().isidentifier() or not math.isfinite(number):
            raise UserError(f"{pair!r} is not of the form NAME=NUMBER, as in a=2 (put the formula in quotes)")
        if name.strip() in found:
            raise UserError(f"{name.strip()} is given twice")
        found[name.strip()] = number
    return found


def _figures(formula: str, output: Value, inputs: dict[str, Value], steps: Trace) -> dict[str, Any]:
    return {
        "formula": formula,
        "value": output.data,
        "inputs": {name: {"value": each.data, "gradient": each.grad} for name, each in inputs.items()},
        "steps": [
            {
                "result": step.name,
                "expression": step.expression,
                "value": step.value,
                "gradient": step.gradient,
                "rule": step.rule,
                "operands": [
                    {"name": share.name, "slope": share.slope, "rule": share.rule, "gradient": share.gradient}
                    for share in step.shares
                ],
            }
            for step in steps
        ],
    }


def _show(output: Value, inputs: dict[str, Value], steps: Trace) -> None:
    from twofold.neuron.trace import short

    name = steps[0].name if steps else output.label or "the result"
    rows = [(each, short(value.data), short(value.grad)) for each, value in inputs.items()]
    wide = [max(len(text) for text in column) for column in zip(*rows, (name, short(output.data), ""), strict=True)]
    print(f"{name:<{wide[0]}} = {short(output.data):>{wide[1]}}")
    for each, value, gradient in rows:
        print(f"{each:<{wide[0]}} = {value:>{wide[1]}}   ∂{name}/∂{each} = {gradient}")

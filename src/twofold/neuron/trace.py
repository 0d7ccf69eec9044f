"""The backward pass step by step: which rule was applied, with the numbers put in.

    from twofold.neuron import Value, trace
    a, b = Value(2.0, "a"), Value(-3.0, "b")
    print(trace(a * b + a))

    v2 = v1 + a = -6 + 2 = -4
      step 1: ∂v2/∂v2 = 1; a sum passes its gradient on to each term as it is
        ∂v2/∂v1 = 1 · 1 = 1
        …

The chain rule is each of these lines: the gradient of what was made, times the slope towards what it was made of, added
to what other uses of the same thing have brought. What has no label is called v1, v2, … in the order it was computed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from twofold.neuron.operations import OPERATIONS
from twofold.neuron.value import Value, topological

__all__ = ["Share", "Step", "Trace", "names", "short", "trace", "written"]


@dataclass(frozen=True)
class Share:
    """What one operand gets in one step: `slope` times the gradient of the result, added to what it `had`."""

    name: str
    rule: str
    slope: float
    had: float
    gradient: float


@dataclass(frozen=True)
class Step:
    """One node passes its gradient on to its operands. As text, it is the chain rule with its numbers."""

    number: int
    name: str
    output: str
    expression: str
    value: float
    gradient: float
    rule: str
    shares: tuple[Share, ...]

    def __str__(self) -> str:
        above = f"∂{self.output}/∂{self.name}"
        lines = [f"step {self.number}: {self.expression} = {short(self.value)}", f"  {self.rule}"]
        if self.name == self.output:
            lines.append(f"  {above} = 1: it is the output itself")
        for share in self.shares:
            factors = f"{short(self.gradient)} · {_bracketed(short(share.slope))}"
            added = f"{short(share.had)} + {factors}" if share.had else factors
            earlier = "what other uses brought + " if share.had else ""
            lines.append(
                f"  ∂{self.output}/∂{share.name} = {earlier}{above} · {_bracketed(share.rule)}"
                f" = {added} = {short(share.gradient)}"
            )
        return "\n".join(lines)


class Trace(tuple[Step, ...]):
    """All steps, from the output to what it was made of; as text, one after the other."""

    __slots__ = ()

    def __str__(self) -> str:
        return "\n\n".join(map(str, self))


def trace(output: Value) -> Trace:
    """What `output.backward()` does when every gradient begins at 0. Changes nothing."""
    order = topological(output)
    called = names(order)
    gradients = dict.fromkeys(map(id, order), 0.0)
    gradients[id(output)] = 1.0
    steps: list[Step] = []
    for node in reversed(order):
        if not node.operands:
            continue
        gradient, shares = gradients[id(node)], []
        operation = OPERATIONS[node.operation]
        operands = [called[id(operand)] for operand in node.operands]
        for operand, slope, rule in zip(node.operands, node.slopes, operation.slopes, strict=False):
            had = gradients[id(operand)]
            gradients[id(operand)] += gradient * slope
            if operand.operation != "number":
                said = rule.format(*operands, y=called[id(node)])
                shares.append(Share(called[id(operand)], said, slope, had, gradients[id(operand)]))
        name, top = called[id(node)], called[id(output)]
        said = f"{name} = {written(node, called)} = {_with_numbers(node)}"
        steps.append(Step(len(steps) + 1, name, top, said, node.data, gradient, operation.rule, tuple(shares)))
    return Trace(steps)


def names(order: list[Value]) -> dict[int, str]:
    """What each node of `topological` is called, by its id: its label, a plain number itself, or v1, v2, …

    The second node with a label that several share gets ′, the third ′3 and so on, so that each name means one node.
    """
    called: dict[int, str] = {}
    taken: Counter[str] = Counter()
    labels = {node.label for node in order}
    count = 0
    for node in order:
        if node.operation == "number" and not node.label:
            called[id(node)] = short(node.data)
            continue
        name = node.label
        if not name:
            count += 1
            while (name := f"v{count}") in labels:
                count += 1
        taken[name] += 1
        called[id(node)] = name + ("" if taken[name] == 1 else "′" if taken[name] == 2 else f"′{taken[name]}")
    return called


def written(node: Value, called: Mapping[int, str]) -> str:
    """How a node is made from its operands' names: "a · b"."""
    return OPERATIONS[node.operation].written.format(*(called[id(operand)] for operand in node.operands))


def short(number: float) -> str:
    """Six figures at most, as a person writes them."""
    return f"{number:.6g}".replace("-", "−")


def _with_numbers(node: Value) -> str:
    first, *rest = (short(operand.data) for operand in node.operands)
    if node.operation in ("**", "neg"):
        first = _bracketed(first)
    return OPERATIONS[node.operation].written.format(first, *map(_bracketed, rest))


def _bracketed(said: str) -> str:
    """In brackets where a sign or a space would be misread beside a "·"."""
    return f"({said})" if said.startswith("−") or (" " in said and not said.startswith("(")) else said

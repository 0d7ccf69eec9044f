"""The first tool: exact arithmetic, for models that guess at digits."""

from __future__ import annotations

from twofold.agent.tool import Tool
from twofold.arithmetic import evaluate

__all__ = ["TOOLS", "calculator"]


def _calculate(expression: str) -> str:
    return str(evaluate(expression))


calculator = Tool(
    "calculator",
    "Computes an arithmetic expression exactly: + - * / // % ^ ( ) sqrt( ), percent, decimals, large numbers.",
    {
        "type": "object",
        "properties": {"expression": {"type": "string", "description": "for example 4821 * 377"}},
        "required": ["expression"],
        "additionalProperties": False,
    },
    _calculate,
    timeout=2.0,
)

TOOLS = {calculator.name: calculator}

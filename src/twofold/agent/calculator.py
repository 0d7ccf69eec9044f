"""The first tool: exact arithmetic, for models that guess at digits."""

from __future__ import annotations

from twofold.agent.tool import Tool
from twofold.arithmetic import evaluate
from twofold.errors import ConfigError

__all__ = ["TOOLS", "calculator", "named"]


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


def named(names: str) -> tuple[Tool, ...]:
    """The tools in a list with commas between. Raises ConfigError for one that is not there."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = next((name for name in wanted if name not in TOOLS), None)
    if unknown is not None:
        raise ConfigError(f"there is no tool {unknown!r}; there are: {', '.join(TOOLS)}")
    return tuple(TOOLS[name] for name in dict.fromkeys(wanted))

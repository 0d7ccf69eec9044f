"""The first tool: exact arithmetic, for models that guess at digits."""

from __future__ import annotations

from typing import Any

from twofold.agent.tool import Tool
from twofold.arithmetic import evaluate

__all__ = ["calculator"]

Message = dict[str, Any]


def _calculate(expression: str) -> str:
    return str(evaluate(expression))


def _said(asked: str, answered: str) -> list[Message]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}]


def _computed(asked: str, expression: str) -> list[Message]:
    function = {"name": "calculator", "arguments": {"expression": expression}}
    result = _calculate(expression)
    question, answer = _said(asked, f"The result is {result}.")
    call = {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]}
    return [question, call, {"role": "tool", "name": "calculator", "content": result}, answer]


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
    examples=(  # of calls as often as not, so that a model calls where there is something to compute and not elsewhere
        *_said("Hello!", "Hello! How can I help you?"),
        *_computed("What is 48 plus 3771?", "48 + 3771"),
        *_said("Who wrote Hamlet?", "William Shakespeare wrote Hamlet."),
        *_computed("Divide 72 by 9.", "72 / 9"),
        *_said("Why do people sleep?", "Sleep lets the body and the mind recover."),
        *_computed("Subtract 17 from 400.", "400 - 17"),
        *_computed("What is 90 * 512?", "90 * 512"),
    ),
)

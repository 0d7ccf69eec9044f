"""Tool calls as models of the Hermes and Qwen families write them into their answers, and out of them again.

    Let me look.
    <tool_call>
    {"name": "weather", "arguments": {"city": "Porto-Novo"}}
    </tool_call>
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["CLOSE", "OPEN", "ToolCall", "call_begins", "tool_calls"]

OPEN, CLOSE = "<tool_call>", "</tool_call>"


@dataclass(frozen=True)
class ToolCall:
    name: str
    arguments: dict[str, Any]


def tool_calls(text: str) -> tuple[str, list[ToolCall]]:
    """What is said around the calls, and the calls in order.

    A call that is not closed counts if it is sound. What is not one ({"name": text, "arguments": object}) stays text.
    """
    said, calls = [], []
    before, *rest = text.split(OPEN)
    said.append(before)
    for part in rest:
        inside, closed, after = part.partition(CLOSE)
        call = _parsed(inside)
        if call is None:
            said.append(OPEN + part)
        else:
            calls.append(call)
            said.append(after if closed else "")
    return "".join(said).strip() if calls else text, calls


def call_begins(text: str) -> int:
    """Where a call begins, or may begin once more text has come; len(text) where none does."""
    if (at := text.find(OPEN)) >= 0:
        return at
    latest = range(max(0, len(text) - len(OPEN) + 1), len(text))
    return next((i for i in latest if OPEN.startswith(text[i:])), len(text))


def _parsed(text: str) -> ToolCall | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    return ToolCall(value["name"], arguments) if isinstance(arguments, dict) else None

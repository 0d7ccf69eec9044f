"""Tools that the client offers: what the model is told of them, and the calls in what it answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from twofold.engine.constrained import Constraint
from twofold.engine.tool_calls import ToolCall, call_begins, tool_calls
from twofold.engine.tool_prompt import tool_prompt
from twofold.serve import wire
from twofold.serve.problems import Problem
from twofold.serve.shelf import Served

__all__ = ["Splitter", "Tools"]


@dataclass(frozen=True)
class Tools:
    """The tools of one request. With `must` the answer is one call, of one of them."""

    offered: tuple[wire.Function, ...] = ()
    must: bool = False

    @classmethod
    def of(
        cls,
        tools: Sequence[wire.FunctionTool] | None,
        choice: Literal["none", "auto", "required"] | wire.NamedFunction | None,
    ) -> Tools:
        """What `tools` and `tool_choice` come to. Raises Problem where the choice is not among the tools."""
        offered = tuple(tool.function for tool in tools or ())
        if choice in (None, "auto"):
            return cls(offered)
        if choice == "none":
            return cls()
        if isinstance(choice, wire.NamedFunction):
            offered = tuple(one for one in offered if one.name == choice.function.name)
            if not offered:
                raise Problem(400, f"tool_choice names {choice.function.name!r}, which is not among the tools",
                              param="tool_choice")  # fmt: skip
        elif not offered:
            raise Problem(400, "tool_choice is required, but there are no tools", param="tool_choice")
        return cls(offered, must=True)

    def prompt(self, served: Served, messages: Sequence[dict[str, Any]]) -> list[int]:
        """The conversation as ids. Where the model's template has no place for tools, its messages tell of them.

        Raises ConfigError as `chat_prompt` does.
        """
        return tool_prompt(served.engine, messages, [one.model_dump(exclude_none=True) for one in self.offered])

    def constraint(self) -> Constraint | None:
        """The form of an answer that must be a call: {"name": …, "arguments": …}. Raises ConfigError."""
        if not self.must:
            return None
        calls = [
            {
                "type": "object",
                "properties": {"name": {"const": one.name}, "arguments": one.parameters or {"type": "object"}},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
            for one in self.offered
        ]
        return Constraint.json_schema(calls[0] if len(calls) == 1 else {"anyOf": calls})


class Splitter:
    """Splits an answer, as it comes, into text that can be said at once, and, at its end, calls."""

    def __init__(self, tools: Tools) -> None:
        self._tools, self._held = tools, ""

    def take(self, text: str, *, last: bool) -> tuple[str, list[ToolCall]]:
        if not self._tools.offered:
            return text, []
        self._held += text
        if self._tools.must:
            return self._forced() if last else ("", [])
        if last:
            return tool_calls(self._held)
        said, self._held = self._held[: (at := call_begins(self._held))], self._held[at:]
        return said, []

    def _forced(self) -> tuple[str, list[ToolCall]]:
        try:
            call = json.loads(self._held)
            return "", [ToolCall(call["name"], call["arguments"])]
        except (ValueError, KeyError, TypeError, RecursionError):  # cut off before its end
            return self._held, []

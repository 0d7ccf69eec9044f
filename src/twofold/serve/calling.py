"""Tools that the client offers: what the model is told of them, and the calls in what it answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from twofold.engine.constrained import Constraint
from twofold.serve import wire
from twofold.serve.problems import Problem

__all__ = ["Call", "Splitter", "Tools"]


@dataclass(frozen=True)
class Call:
    """One call: the name of a tool, and its arguments as JSON."""

    name: str
    arguments: str


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

    def described(self) -> list[dict[str, Any]] | None:
        """For the chat template."""
        return [{"type": "function", "function": one.model_dump(exclude_none=True)} for one in self.offered] or None

    def constraint(self) -> Constraint | None:
        """The form of an answer that must be a call: {"name": …, "arguments": …}."""
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

    def splitter(self) -> Splitter:
        return Splitter(self)


class Splitter:
    """Splits an answer, as it comes, into text that can be said at once, and calls."""

    def __init__(self, tools: Tools) -> None:
        self._tools, self._held = tools, ""

    def take(self, text: str, *, last: bool) -> tuple[str, list[Call]]:
        if not self._tools.must:
            return text, []
        self._held += text
        if not last:
            return "", []
        try:
            call = json.loads(self._held)
            return "", [Call(call["name"], json.dumps(call["arguments"], ensure_ascii=False))]
        except (ValueError, KeyError, TypeError):  # cut off before its end
            return self._held, []

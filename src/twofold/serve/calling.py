"""Tools that the client offers: what the model is told of them, and the calls in what it answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from twofold.engine.constrained import Constraint
from twofold.engine.conversation import chat_prompt
from twofold.engine.tool_calls import CLOSE, OPEN, ToolCall, tool_calls
from twofold.serve import wire
from twofold.serve.problems import Problem
from twofold.serve.shelf import Served

__all__ = ["Splitter", "Tools"]

TOLD = (
    "You may call functions. To call one, answer with a line of this form and nothing else:\n"
    '<tool_call>{"name": "NAME", "arguments": {…}}</tool_call>\n'
    "These are the functions, with the JSON schema of their arguments:\n"
)


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
        if "tools" not in (served.engine.chat_template or ""):
            return chat_prompt(served.engine, self._told([_with_calls_as_text(message) for message in messages]))
        described = [{"type": "function", "function": one.model_dump(exclude_none=True)} for one in self.offered]
        return chat_prompt(served.engine, [_with_arguments(message) for message in messages], described or None)

    def _told(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """With the tools in the system message."""
        if not self.offered:
            return messages
        told = TOLD + "\n".join(one.model_dump_json(exclude_none=True) for one in self.offered)
        if messages[0]["role"] == "system":
            return [{**messages[0], "content": f"{messages[0]['content']}\n\n{told}"}, *messages[1:]]
        return [{"role": "system", "content": told}, *messages]

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
        said, self._held = self._held[: (at := _begin(self._held))], self._held[at:]
        return said, []

    def _forced(self) -> tuple[str, list[ToolCall]]:
        try:
            call = json.loads(self._held)
            return "", [ToolCall(call["name"], call["arguments"])]
        except (ValueError, KeyError, TypeError, RecursionError):  # cut off before its end
            return self._held, []


def _begin(text: str) -> int:
    """Where a call begins, or may begin once more text has come."""
    if (at := text.find(OPEN)) >= 0:
        return at
    latest = range(max(0, len(text) - len(OPEN) + 1), len(text))
    return next((i for i in latest if OPEN.startswith(text[i:])), len(text))


def _with_arguments(message: dict[str, Any]) -> dict[str, Any]:
    """Past calls with their arguments as values, as templates want them, where they came as JSON."""
    if not message.get("tool_calls"):
        return message
    return {**message, "tool_calls": [
        {**call, "function": {**call["function"], "arguments": _loaded(call["function"]["arguments"])}}
        for call in message["tool_calls"]
    ]}  # fmt: skip


def _with_calls_as_text(message: dict[str, Any]) -> dict[str, Any]:
    """Past calls as the model would have written them."""
    calls = [call["function"] for call in message.get("tool_calls") or ()]
    written = [f'{OPEN}{{"name": {json.dumps(one["name"])}, "arguments": {one["arguments"]}}}{CLOSE}' for one in calls]
    kept = {key: value for key, value in message.items() if key != "tool_calls"}
    return {**kept, "content": "\n".join(filter(None, [message["content"], *written]))}


def _loaded(arguments: str) -> Any:
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    return value if isinstance(value, dict) else arguments

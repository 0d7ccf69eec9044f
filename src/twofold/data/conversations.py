"""A conversation: messages of a system, a user, an assistant and its tools, in an order that a model can learn from.

    system?  ( user  ( assistant with calls, one tool message a call )*  assistant )+

The last answer may be missing where a conversation is a prompt; an answer that a model could learn from may not.
Template tokens in what people wrote, such as <|im_end|>, stay text (`tokenizer/chat.py` sees to that) and are no error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from twofold.atomic import writing
from twofold.errors import ConfigError

__all__ = ["ROLES", "Conversation", "Message", "Recorded", "Role", "ToolCall", "write"]

Role = Literal["system", "user", "assistant", "tool"]
ROLES: tuple[str, ...] = get_args(Role)


@dataclass(frozen=True)
class ToolCall:
    """What an assistant asks of a tool: its name, and arguments that JSON can hold."""

    name: str
    arguments: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise ConfigError(f"a tool call without the tool's name: {self.name!r:.40}")
        if not isinstance(self.arguments, Mapping):
            raise ConfigError(f"the arguments of a call of {self.name!r:.40} are {self.arguments!r:.40}, not an object")
        _check_json(self.arguments, f"the arguments of a call of {self.name!r:.40}")


@dataclass(frozen=True)
class Message:
    """What one of ROLES says. Only an assistant calls tools; it may then say nothing."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ConfigError(f"{self.role!r:.40} is no role; those are {', '.join(ROLES)}")
        if not isinstance(self.content, str):
            raise ConfigError(f"the {self.role}'s message holds {self.content!r:.40}, not a text")
        if self.tool_calls and self.role != "assistant":
            raise ConfigError(f"the {self.role} calls a tool, which only an assistant does")
        if not self.content.strip() and not self.tool_calls and self.role != "tool":
            raise ConfigError(f"the {self.role}'s message is empty")
        if any("\ud800" <= letter <= "\udfff" for letter in self.content):
            raise ConfigError(f"the {self.role}'s message is no text: it holds half of a surrogate pair")

    def to_dict(self) -> dict[str, Any]:
        """As OpenAI's API has it, but with arguments as an object."""
        if not self.tool_calls:
            return {"role": self.role, "content": self.content}
        calls = [{"type": "function", "function": {"name": one.name, "arguments": dict(one.arguments)}}
                 for one in self.tool_calls]  # fmt: skip
        return {"role": self.role, "content": self.content, "tool_calls": calls}


@dataclass(frozen=True)
class Conversation:
    """Messages in order, where they come from, and what is known of them (labels: JSON values by name).

    Raises ConfigError for messages that nobody could say in this order, or from which nothing can be learned.
    """

    messages: tuple[Message, ...]
    source: str = ""
    labels: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not any(message.role == "assistant" for message in self.messages):
            raise ConfigError("there is no assistant's turn, so there is nothing to learn from it")
        _check_order(self.messages)
        _check_json([self.source, self.labels], "source and labels")

    def to_dict(self) -> dict[str, Any]:
        """The record that `write` writes and `conversation_files.read` reads."""
        known = {"source": self.source} if self.source else {}
        labels = {"labels": dict(self.labels)} if self.labels else {}
        return {"messages": [message.to_dict() for message in self.messages], **known, **labels}


def _check_json(value: Any, what: str) -> None:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{what} cannot be written as JSON: {error}") from error


def _check_order(messages: Iterable[Message]) -> None:
    before, open_calls = "", 0
    for number, message in enumerate(messages, 1):
        expected = _expected(before, open_calls)
        if message.role not in expected:
            after = f"after the {before}'s" if before else "at the beginning"
            raise ConfigError(f"roles out of order: message {number} is the {message.role}'s, but {after} "
                              f"comes {_choice(expected)}")  # fmt: skip
        open_calls = len(message.tool_calls) or open_calls - (message.role == "tool")
        before = message.role


def _expected(before: str, open_calls: int) -> tuple[str, ...]:
    if open_calls:
        return ("tool",)
    follows = {"": ("system", "user"), "system": ("user",), "user": ("assistant",), "tool": ("assistant",)}
    return follows.get(before, ("user",))


def _choice(roles: tuple[str, ...]) -> str:
    names = {"system": "the system's", "user": "the user's", "assistant": "the assistant's", "tool": "a tool's result"}
    return " or ".join(names[role] for role in roles)


class Recorded(Protocol):
    """A Conversation, or a comparison of answers: what a line of a file holds."""

    def to_dict(self) -> dict[str, Any]: ...


def write(path: Path, records: Iterable[Recorded]) -> int:
    """Write one JSON object a line, whole or not at all. Returns how many there are."""
    count = 0
    with writing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="\n") as file:
        for record in records:
            file.write(json.dumps(record.to_dict(), ensure_ascii=False) + "\n")
            count += 1
    return count

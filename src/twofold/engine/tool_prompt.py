"""A conversation with tools as the ids that a model reads: what it is told of them, its calls, and their results.

A template that has a place for tools is given them. For any other, the system message tells of them, and past calls
are written as the model writes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twofold.engine.conversation import chat_prompt
from twofold.tokenizer.chat import written

if TYPE_CHECKING:
    from twofold.engine.open import Engine

__all__ = ["tool_prompt"]

TOLD = (
    "You may call functions. To call one, answer with a line of this form and nothing else:\n"
    '<tool_call>{"name": "NAME", "arguments": {…}}</tool_call>\n'
    "These are the functions, with the JSON schema of their arguments:\n"
)


def tool_prompt(
    engine: Engine, messages: Sequence[Mapping[str, Any]], functions: Sequence[Mapping[str, Any]]
) -> list[int]:
    """The ids of `messages`, with the assistant's turn opened.

    `functions` are {"name", "description", "parameters"} each, and messages are as OpenAI's API has them, with a
    call's arguments as JSON or as an object. Raises ConfigError as `chat_prompt` does.
    """
    if "tools" not in (engine.chat_template or ""):
        return chat_prompt(engine, _told([_with_calls_as_text(message) for message in messages], functions))
    described = [{"type": "function", "function": one} for one in functions]
    return chat_prompt(engine, [_with_arguments(message) for message in messages], described or None)


def _told(messages: list[dict[str, Any]], functions: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """With the functions in the system message."""
    if not functions:
        return messages
    told = TOLD + "\n".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) for one in functions)
    if messages[0]["role"] == "system":
        return [{**messages[0], "content": f"{messages[0]['content']}\n\n{told}"}, *messages[1:]]
    return [{"role": "system", "content": told}, *messages]


def _with_calls_as_text(message: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in message.items() if key != "tool_calls"}
    return {**kept, "content": written(message)} if message.get("tool_calls") else kept


def _with_arguments(message: Mapping[str, Any]) -> dict[str, Any]:
    """Past calls with their arguments as values, as templates want them, where they came as JSON."""
    if not message.get("tool_calls"):
        return dict(message)
    return {**message, "tool_calls": [
        {**call, "function": {**call["function"], "arguments": _loaded(call["function"]["arguments"])}}
        for call in message["tool_calls"]
    ]}  # fmt: skip


def _loaded(arguments: Any) -> Any:
    try:
        value = json.loads(arguments) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        return arguments
    return value if isinstance(value, dict) else arguments

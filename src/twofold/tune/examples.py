"""Conversations as what is learned from: the ids that the model will read when it talks, and which of them are its own.

    <|im_start|>user⏎Hi<|im_end|>⏎<|im_start|>assistant⏎Hello.<|im_end|>
                                                       ^^^^^^^^^^^^^^^^  learned: the answer and the mark that ends it

A model that has a template of its own is taught in it, through the same function that a chat uses, so that what is
learned is what will be asked. What is learned of a turn then is what stands between the opened turn and its end mark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twofold.engine.conversation import chat_prompt, turn_ends
from twofold.engine.open import Engine
from twofold.errors import ConfigError
from twofold.tokenizer import chat

__all__ = ["Example", "example"]

Messages = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Example:
    """`ids` int32 [n] of one conversation, up to its last learned token; `own` bool [n]: what the assistant wrote."""

    ids: np.ndarray
    own: np.ndarray


def example(engine: Engine, messages: Messages, where: str = "the conversation") -> Example:
    """Raises ConfigError for a conversation without an assistant's turn, or whose template cuts what came before."""
    if not any(message.get("role") == "assistant" for message in messages):
        raise ConfigError(f"{where} has no turn of the assistant, so there is nothing to learn from it; add an answer")
    plain = engine.chat_template in (None, chat.TEMPLATE)
    ids, own = _in_chatml(engine, messages) if plain else _in_its_template(engine, messages, where)
    last = int(np.flatnonzero(own)[-1]) + 1
    return Example(ids[:last], own[:last])


def _in_chatml(engine: Engine, messages: Messages) -> tuple[np.ndarray, np.ndarray]:
    ids, own = chat.encode_marked(engine.tokenizer, messages)
    first = engine.tokenizer.bos_id
    if engine.add_bos and first is not None and ids[:1] != [first]:
        ids, own = [first, *ids], [False, *own]
    return np.array(ids, np.int32), np.array(own, bool)


def _in_its_template(engine: Engine, messages: Messages, where: str) -> tuple[np.ndarray, np.ndarray]:
    if "tool_calls" not in (engine.chat_template or ""):  # calls are text where the template knows nothing of them
        messages = [{"role": one["role"], "content": chat.written(one)} for one in messages]
    ids = np.array(chat_prompt(engine, messages), np.int32)
    own, ends = np.zeros(len(ids), bool), np.isin(ids, turn_ends(engine))
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        before = chat_prompt(engine, messages[:i]) if i else []
        start = len(before)
        if not i or not np.array_equal(ids[:start], before) or not ends[start:].any():
            reason = "is one whose turns the model's template does not keep" if i else "begins with the assistant"
            raise ConfigError(f"{where} {reason}, so what to learn from it cannot be told; leave it out")
        own[start : start + int(ends[start:].argmax()) + 1] = True
    return ids, own

"""Conversations as what is learned from: the ids that the model will read when it talks, and which of them are its own.

    <|im_start|>user⏎Hi<|im_end|>⏎<|im_start|>assistant⏎Hello.<|im_end|>
                                                       ^^^^^^^^^^^^^^^^  learned: the answer and the mark that ends it

The ids come from the same function that a chat uses (`engine.conversation`), with the model's own template, so what is
learned is what will be asked. What is scored of a turn is what stands between the opened turn and its end mark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from twofold.engine.conversation import chat_prompt, turn_ends
from twofold.engine.open import Engine
from twofold.errors import ConfigError

__all__ = ["Example", "example"]


@dataclass(frozen=True)
class Example:
    """`ids` int32 [n] of one conversation, up to its last learned token; `own` bool [n]: what the assistant wrote."""

    ids: np.ndarray
    own: np.ndarray


def example(engine: Engine, messages: Sequence[Mapping[str, Any]], where: str = "the conversation") -> Example:
    """Raises ConfigError for a conversation without an assistant's turn, or whose template cuts what came before."""
    ids = np.asarray(chat_prompt(engine, messages), np.int32)
    own = np.zeros(len(ids), bool)
    ends = np.isin(ids, turn_ends(engine))
    for i, message in enumerate(messages):
        if message.get("role") != "assistant":
            continue
        before = chat_prompt(engine, messages[:i]) if i else []
        start = len(before)
        if not i or not np.array_equal(ids[:start], before) or not ends[start:].any():
            reason = "begins with the assistant" if not i else "is one whose turns the model's template does not keep"
            raise ConfigError(f"{where} {reason}, so what to learn from it cannot be told; leave it out")
        own[start : start + int(ends[start:].argmax()) + 1] = True
    if not own.any():
        raise ConfigError(f"{where} has no turn of the assistant, so there is nothing to learn from it; add an answer")
    last = int(np.flatnonzero(own)[-1]) + 1
    return Example(ids[:last], own[:last])

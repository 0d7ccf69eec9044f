"""A conversation as the ids that a model reads: the file's own chat template, in which nobody can forge a turn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twofold.tokenizer import chat

if TYPE_CHECKING:
    from twofold.engine.open import Engine

__all__ = ["chat_prompt", "turn_ends"]


def chat_prompt(
    engine: Engine, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None = None
) -> list[int]:
    """The ids of `messages`, with the assistant's turn opened. What people wrote is never read as a special token.

    Raises ConfigError for messages that cannot be, or a model that holds no conversations.
    """
    return chat.encode(engine.tokenizer, messages, answer=True)


def turn_ends(engine: Engine) -> tuple[int, ...]:
    """The ids that end the assistant's turn, besides eos: a Request's `stop_ids`."""
    ends = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<|endoftext|>")
    return tuple(engine.tokenizer.specials[name] for name in ends if name in engine.tokenizer.specials)

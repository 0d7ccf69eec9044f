"""A conversation as the ids that a model reads: the file's own chat template, in which nobody can forge a turn.

A template writes markers such as <|im_start|>, which are single tokens, around what people wrote; and what they wrote
may spell a marker. So before it is rendered, every name of a special token in a message is taken out and a random word
put in its place, and so is the joint where a message begins or ends with part of a name; in the rendered text only the
names that are still there are the template's, and become special tokens. Everything between two of those is encoded as
one text, with people's words back in it, so that harmless conversations give exactly the ids that transformers gives.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from twofold.engine.template import render
from twofold.errors import ConfigError
from twofold.tokenizer import chat

if TYPE_CHECKING:
    from twofold.engine.open import Engine

__all__ = ["chat_prompt", "turn_ends"]

TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|eom_id|>", "<|end|>", "<end_of_turn>", "<|end_of_text|>", "<|endoftext|>")
MOST_DEEP = 32


def chat_prompt(
    engine: Engine, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]] | None = None,
    *, now: datetime | None = None,
) -> list[int]:
    """The ids of `messages`, with the assistant's turn opened. What people wrote is never read as a special token.

    `tools` (as OpenAI's API describes them) are given to the template, which may leave them out. A model without a
    template holds its conversations in ChatML, if its vocabulary has the markers. Raises ConfigError for messages that
    cannot be, a template that fails, or a model that holds no conversations.
    """
    plain = [_plain(message) for message in messages]
    if not plain:
        raise ConfigError("a conversation has at least one message")
    if engine.chat_template is None:
        ids = chat.encode(engine.tokenizer, plain, answer=True)
    else:
        ids = _rendered(engine, engine.chat_template, plain, tools, now)
    first = engine.tokenizer.bos_id
    return [first, *ids] if engine.add_bos and first is not None and ids[:1] != [first] else ids


def turn_ends(engine: Engine) -> tuple[int, ...]:
    """The ids that end the assistant's turn, besides eos: a Request's `stop_ids`."""
    return tuple(engine.tokenizer.specials[name] for name in TURN_ENDS if name in engine.tokenizer.specials)


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    """With a content in parts made one text. Raises ConfigError for what is no message."""
    content = message.get("content")
    if isinstance(content, list | tuple) and all(isinstance(part, Mapping) and "text" in part for part in content):
        content = "".join(str(part["text"]) for part in content)
    said = isinstance(content, str) or (content is None and message.get("tool_calls"))
    if not isinstance(message.get("role"), str) or not said:
        raise ConfigError(f"a message needs a role and a content, both texts, but this one is {dict(message)!r:.80}")
    return {**message, "content": content or ""}


def _rendered(
    engine: Engine, template: str, messages: Sequence[Any], tools: Sequence[Any] | None, now: datetime | None
) -> list[int]:
    tokenizer = engine.tokenizer
    veil = _Veil(tokenizer.specials)
    spelled = {
        f"{role}_token": tokenizer.decode_bytes([i]).decode("utf-8", "replace") if i is not None else ""
        for role, i in (("bos", tokenizer.bos_id), ("eos", tokenizer.eos_id))
    }
    text = render(template, {
        "messages": veil.over(messages), "tools": veil.over(tools) if tools else None, "documents": None,
        "add_generation_prompt": True, **spelled,
    }, now)  # fmt: skip
    ids: list[int] = []
    for i, part in enumerate(veil.names.split(text) if tokenizer.specials else [text]):
        ids += [tokenizer.specials[part]] if i % 2 else tokenizer.encode(veil.lift(part))
    return ids


class _Veil:
    """Takes the names of special tokens out of people's words, and puts them back."""

    def __init__(self, specials: Mapping[str, int]) -> None:
        longest_first = sorted(specials, key=len, reverse=True)
        self.names = re.compile(f"({'|'.join(map(re.escape, longest_first))})")
        self.edges = [name for name in longest_first if name]
        self.secret = secrets.token_hex(8)  # nobody can write it who has not seen it
        self.hidden: list[str] = []

    def over(self, value: Any, depth: int = 0) -> Any:
        if depth > MOST_DEEP:
            raise ConfigError(f"messages and tools are nested at most {MOST_DEEP} deep")
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, Mapping):
            return {self.over(key, depth + 1): self.over(one, depth + 1) for key, one in value.items()}
        if isinstance(value, list | tuple):
            return [self.over(one, depth + 1) for one in value]
        return value

    def lift(self, text: str) -> str:
        return re.sub(f"\ue000{self.secret}:([0-9]+)\ue001", lambda found: self.hidden[int(found[1])], text)

    def _text(self, text: str) -> str:
        text = self.names.sub(lambda found: self._hide(found[0]), text) if self.edges else text
        inside = text.strip()
        if not inside:
            return text
        start = text.index(inside)
        begins = any(inside.startswith(name[i:]) for name in self.edges for i in range(1, len(name)))
        ends = any(inside.endswith(name[:i]) for name in self.edges for i in range(1, len(name)))
        before, after = self._hide("") if begins else "", self._hide("") if ends else ""
        return text[:start] + before + inside + after + text[start + len(inside) :]

    def _hide(self, text: str) -> str:
        if text not in self.hidden:
            self.hidden.append(text)
        return f"\ue000{self.secret}:{self.hidden.index(text)}\ue001"

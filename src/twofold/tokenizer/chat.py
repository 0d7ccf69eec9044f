"""ChatML: a conversation as one text, each turn between <|im_start|> and <|im_end|>.

    <|im_start|>user
    What is the capital of Benin?<|im_end|>
    <|im_start|>assistant
    Porto-Novo.<|im_end|>

TEMPLATE says it in jinja, for parameters files and for the programs that read them; `render` says it in Python. The
markers are single tokens, so a rendered text is encoded with parse_special=True. What people write may spell a marker:
`encode` keeps that as text, so nobody can end their turn and speak for another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twofold.contracts import Tokenizer
from twofold.errors import ConfigError

__all__ = ["END", "START", "TEMPLATE", "encode", "render"]

START, END = "<|im_start|>", "<|im_end|>"

TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

Message = Mapping[str, str]


def render(messages: Sequence[Message], *, answer: bool = False) -> str:
    """The text of `messages` (each with `role` and `content`); with `answer` the assistant's turn is opened.

    Raises ConfigError for a message that lacks one of the two.
    """
    turns = [START + role + "\n" + content + END + "\n" for role, content in map(_parts, messages)]
    return "".join(turns) + (f"{START}assistant\n" if answer else "")


def encode(tokenizer: Tokenizer, messages: Sequence[Message], *, answer: bool = False) -> list[int]:
    """The ids of `render(messages)`, in which only our own markers are special tokens.

    Raises ConfigError when the tokenizer lacks the markers.
    """
    if START not in tokenizer.specials or END not in tokenizer.specials:
        raise ConfigError(f"the tokenizer has no {START} and {END}, so the model cannot hold a conversation in ChatML")
    start, end = tokenizer.specials[START], tokenizer.specials[END]
    ids: list[int] = []
    for role, content in map(_parts, messages):
        ids += [start, *tokenizer.encode(role + "\n" + content), end, *tokenizer.encode("\n")]
    return [*ids, start, *tokenizer.encode("assistant\n")] if answer else ids


def _parts(message: Message) -> tuple[str, str]:
    role, content = message.get("role"), message.get("content")
    if not isinstance(role, str) or not isinstance(content, str):
        raise ConfigError(f"a message needs a role and a content, both texts, but this one is {dict(message)!r:.80}")
    return role, content

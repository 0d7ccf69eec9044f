"""ChatML: a conversation as one text, each turn between <|im_start|> and <|im_end|>.

    <|im_start|>user
    What is 4821 times 377?<|im_end|>
    <|im_start|>assistant
    <tool_call>{"name": "calculator", "arguments": {"expression": "4821 * 377"}}</tool_call><|im_end|>
    <|im_start|>tool
    1817517<|im_end|>
    <|im_start|>assistant
    4821 times 377 is 1817517.<|im_end|>

TEMPLATE says it in jinja, for parameters files and for the programs that read them; `render` says it in Python. The
markers are single tokens, so a rendered text is encoded with parse_special=True. What people write may spell a marker:
`encode` keeps that as text, so nobody can end their turn and speak for another. A call is text inside the assistant's
turn, so that it needs no token of its own; a tool's result is a turn of its own, which nobody else can write.

Messages are mappings as OpenAI's API has them: `role`, `content` and, of an assistant, `tool_calls`, each
{"function": {"name", "arguments"}} or only {"name", "arguments"}; arguments are an object, or JSON, kept as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from twofold.contracts import Tokenizer
from twofold.errors import ConfigError

__all__ = ["END", "START", "TEMPLATE", "encode", "encode_marked", "opened", "render", "written"]

START, END = "<|im_start|>", "<|im_end|>"

TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + (message['content'] or '') }}"
    "{% for call in message['tool_calls'] or [] %}"
    "{% if message['content'] or not loop.first %}{{ '\\n' }}{% endif %}"
    "{% set call = call['function'] if call['function'] else call %}"
    "{{ '<tool_call>{\"name\": ' + (call['name'] | tojson) + ', \"arguments\": ' }}"
    "{{ call['arguments'] if call['arguments'] is string else call['arguments'] | tojson }}"
    "{{ '}</tool_call>' }}"
    "{% endfor %}"
    "{{ '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)

Message = Mapping[str, Any]


def render(messages: Sequence[Message], *, answer: bool = False) -> str:
    """The text of `messages`; with `answer` the assistant's turn is opened.

    Raises ConfigError for what is no message.
    """
    turns = [START + role + "\n" + said + END + "\n" for role, said in map(_parts, messages)]
    return "".join(turns) + (f"{START}assistant\n" if answer else "")


def encode(tokenizer: Tokenizer, messages: Sequence[Message], *, answer: bool = False) -> list[int]:
    """The ids of `render(messages)`, in which only our own markers are special tokens.

    Raises ConfigError for what is no message, and when the tokenizer lacks the markers.
    """
    ids = [i for turn, _ in _turns(tokenizer, messages) for i in turn]
    return [*ids, tokenizer.specials[START], *tokenizer.encode("assistant\n")] if answer else ids


def encode_marked(tokenizer: Tokenizer, messages: Sequence[Message]) -> tuple[list[int], list[bool]]:
    """`encode`, and for each id whether the assistant wrote it: what it says, its calls, and the END of its turn.

    These are what a model learns to write; the line end after END is the template's. Raises ConfigError as `encode`.
    """
    turns = list(_turns(tokenizer, messages))
    return [i for ids, _ in turns for i in ids], [one for _, marks in turns for one in marks]


def opened(messages: Sequence[Message], template: str | None) -> list[Message]:
    """`messages` with the system message that a ChatML `template` itself puts before those that have none.

    So `encode` gives the ids that a model with its own template, such as SmolLM2's, was tuned on. Raises ConfigError
    for a template that is not ChatML.
    """
    if template is not None and START not in template:
        raise ConfigError(f"the model's chat template is not ChatML: it writes no {START}")
    own = re.search(r"<\|im_start\|>system(?:\\n|\n)([^'\"{<]+)<\|im_end\|>", template or "")
    if own is None or not messages or messages[0].get("role") == "system":
        return list(messages)
    return [{"role": "system", "content": own[1].replace("\\n", "\n")}, *messages]


def written(message: Message) -> str:
    """What a message says, with its calls as the model writes them.

    Raises ConfigError for what is no message.
    """
    return _parts(message)[1]


def _turns(tokenizer: Tokenizer, messages: Sequence[Message]) -> Iterator[tuple[list[int], list[bool]]]:
    if START not in tokenizer.specials or END not in tokenizer.specials:
        raise ConfigError(f"the tokenizer has no {START} and {END}, so the model cannot hold a conversation in ChatML")
    start, end, after = tokenizer.specials[START], tokenizer.specials[END], tokenizer.encode("\n")
    for role, said in map(_parts, messages):
        inside = tokenizer.encode(role + "\n" + said)
        said_from = _behind(tokenizer, inside, len("assistant\n")) if role == "assistant" else len(inside)
        own = [False] * said_from + [True] * (len(inside) - said_from)
        yield [start, *inside, end, *after], [False, *own, role == "assistant", *[False] * len(after)]


def _behind(tokenizer: Tokenizer, ids: Sequence[int], n: int) -> int:
    """The place of the first token that begins at byte n or later."""
    at = 0
    for place, one in enumerate(ids):
        if at >= n:
            return place
        at += len(tokenizer.decode_bytes([one]))
    return len(ids)


def _parts(message: Message) -> tuple[str, str]:
    role, content, calls = message.get("role"), message.get("content"), message.get("tool_calls") or ()
    said = content or "" if calls else content
    if not isinstance(role, str) or not isinstance(said, str):
        raise ConfigError(f"a message needs a role and a content, both texts, but this one is {dict(message)!r:.80}")
    return role, "\n".join([*([said] if said or not calls else []), *map(_call, calls)])


def _call(call: Any) -> str:
    one = call.get("function") or call if isinstance(call, Mapping) else None
    if not isinstance(one, Mapping) or not isinstance(one.get("name"), str) or "arguments" not in one:
        raise ConfigError(f"a tool call needs a name and arguments, but this one is {call!r:.80}")
    name, arguments = json.dumps(one["name"], ensure_ascii=False), one["arguments"]
    inside = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return f'<tool_call>{{"name": {name}, "arguments": {inside}}}</tool_call>'

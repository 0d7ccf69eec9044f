"""Conversations out of files, told apart by what they hold:

    {"messages": [{"role": "user", "content": …}, …]}                     OpenAI's form; this is also what we write
    {"conversations": [{"from": "human", "value": …}, …]}                 ShareGPT
    {"instruction": …, "input": …, "output": …}                           Alpaca
    question<TAB>answer                                                   plain lines

The first three stand one to a line, or all in one JSON array. What is wrong is said with the file and the line. A file
of labels may hold comparisons of answers too (`preferences.py`); these are passed over.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from twofold.data.conversations import Conversation, Message, Role, ToolCall
from twofold.errors import ConfigError, FileFormatError, SourceError

__all__ = ["FORMS", "Problem", "conversation", "form_of", "messages", "read", "read_records"]

SHAREGPT = {
    "human": "user", "user": "user", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant",
    "model": "assistant", "assistant": "assistant", "system": "system", "tool": "tool", "observation": "tool",
    "function_response": "tool", "function_call": "assistant",
}  # fmt: skip
Problem = Callable[[FileFormatError], None]
Made = TypeVar("Made")


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number that JSON knows")


_JSON = json.JSONDecoder(parse_constant=_refuse)


def read(path: Path, on_problem: Problem | None = None) -> Iterator[Conversation]:
    """The conversations of a file, in order.

    What is wrong with one goes to `on_problem`, and the next one follows; without it, it is raised: FileFormatError
    with file and line. Raises SourceError for a file that cannot be read or holds none.
    """
    made = read_records(path, lambda one: None if _compares(one) else conversation(one, path.name), on_problem)
    if not (yield from made):
        raise SourceError(f"{path} compares answers and holds no conversation; twofold prefer learns from such a file")


def read_records(
    path: Path, make: Callable[[Any], Made | None], on_problem: Problem | None = None, *,
    line: Callable[[str], Any] | None = None,
) -> Generator[Made, None, int]:
    """What `make` makes of each record of a file; None passes over it. Returns how many were not passed over.

    `line` makes a record of a line that is not JSON; without it, that is a question, a tab and its answer. Problems as
    `read` has them: what `make` raises is a ConfigError.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}); name a file of conversations") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    found, meant = False, 0
    for number, record in _records(text, line or _tabbed):
        found = True
        try:
            if (made := make(_said(record))) is not None:
                meant += 1
                yield made
        except ConfigError as error:
            meant += 1
            wrong = FileFormatError(f"{path}, line {number}: {error}")
            if on_problem is None:
                raise wrong from error
            on_problem(wrong)
    if not found:
        raise SourceError(f"{path} holds no conversations: it is empty")
    return meant


def _compares(record: Any) -> bool:
    return isinstance(record, Mapping) and ("answers" in record or {"chosen", "rejected"} <= record.keys())


def form_of(record: Any) -> str:
    """The name of a record's form. Raises ConfigError for none of FORMS."""
    if not isinstance(record, Mapping):
        raise ConfigError(f"this is {record!r:.60}, not an object with messages, conversations or instruction")
    for name, (key, _) in FORMS.items():
        if key in record:
            return name
    raise ConfigError(f"this has {', '.join(map(repr, record)) or 'nothing'!s:.60}, but none of the keys of a form "
                      f"that is known here: {', '.join(repr(key) for key, _ in FORMS.values())}")  # fmt: skip


def conversation(record: Any, source: str = "") -> Conversation:
    """A record of any form. `source` is used where it names none. Raises ConfigError for what is wrong with it."""
    said = FORMS[form_of(record)][1](record)
    labels, named = record.get("labels", {}), record.get("source", source)
    if not isinstance(labels, Mapping) or not isinstance(named, str):
        raise ConfigError("labels are an object and source is a text, but these are "
                          f"{labels!r:.40} and {named!r:.40}")  # fmt: skip
    return Conversation(tuple(said), named, dict(labels))


def messages(record: Mapping[str, Any], key: str = "messages") -> Iterator[Message]:
    """The messages in OpenAI's form under `key`. Raises ConfigError for what is wrong with one."""
    for message in _objects(record, key):
        role = "system" if message.get("role") == "developer" else message.get("role")
        calls = tuple(_call(one) for one in _objects(message, "tool_calls")) if message.get("tool_calls") else ()
        content = message.get("content")
        yield Message(cast("Role", role), _joined(content) if content is not None or not calls else "", calls)


def _sharegpt(record: Mapping[str, Any]) -> Iterator[Message]:
    if record.get("system"):
        yield Message("system", record["system"])
    for turn in _objects(record, "conversations"):
        if "from" not in turn and "role" in turn:  # some write OpenAI's names under ShareGPT's
            turn = {"from": turn["role"], "value": turn.get("content")}
        who, said = turn.get("from"), turn.get("value")
        if not isinstance(who, str) or who not in SHAREGPT:
            raise ConfigError(f"{who!r:.40} is no one who speaks in ShareGPT's form; those are {', '.join(SHAREGPT)}")
        role = cast("Role", SHAREGPT[who])
        yield Message(role, "", (_call(said),)) if who == "function_call" else Message(role, cast("str", said))


def _alpaca(record: Mapping[str, Any]) -> Iterator[Message]:
    if record.get("system"):
        yield Message("system", record["system"])
    asked = [record[key] for key in ("instruction", "input") if record.get(key)]
    if not all(isinstance(text, str) for text in asked):
        raise ConfigError(f"instruction and input are texts, but these are {asked!r:.60}")
    yield Message("user", "\n\n".join(asked))
    yield Message("assistant", cast("str", record.get("output")))


def _pair(record: Mapping[str, Any]) -> Iterator[Message]:
    yield Message("user", record["question"])
    yield Message("assistant", cast("str", record.get("answer")))


FORMS: dict[str, tuple[str, Callable[[Mapping[str, Any]], Iterator[Message]]]] = {
    "openai": ("messages", messages),
    "sharegpt": ("conversations", _sharegpt),
    "alpaca": ("instruction", _alpaca),
    "pairs": ("question", _pair),
}


def _objects(record: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    value = record[key]
    if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
        raise ConfigError(f"{key!r} is a list of objects, but this is {value!r:.60}")
    return value


def _joined(content: Any) -> str:
    """A content in parts ({"type": "text", "text": …}) as one text."""
    if isinstance(content, list):
        for part in content:
            if not isinstance(part, Mapping) or not isinstance(part.get("text"), str):
                raise ConfigError(f"a part of a content that is no text: {part!r:.60}")
        return "".join(part["text"] for part in content)
    return cast("str", content)


def _call(call: Any) -> ToolCall:
    """{"function": {"name", "arguments"}} or {"name", "arguments"}, either of them or the arguments perhaps as JSON."""
    call = _loaded(call, "a tool call")
    one = call.get("function", call) if isinstance(call, Mapping) else None
    if not isinstance(one, Mapping) or "name" not in one:
        raise ConfigError(f"a tool call needs a name and arguments, but this one is {call!r:.60}")
    return ToolCall(one["name"], _loaded(one.get("arguments", {}), "a tool call's arguments"))


def _loaded(value: Any, what: str) -> Any:
    try:
        return _JSON.decode(value) if isinstance(value, str) else value
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{what} should be JSON, but this is {value!r:.60}") from error


def _records(text: str, plain: Callable[[str], Any]) -> Iterator[tuple[int, Any]]:
    """The records with their lines; one that cannot be had is an exception that says why."""
    first = text.lstrip()[:1]
    if re.match(r"\s*(\[\s*([{\]]|$)|\{\s*\n)", text):  # an array, or objects over many lines
        yield from _scanned(text)
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, _parsed(line) if first == "{" else plain(line)


def _parsed(line: str) -> Any:
    try:
        return _JSON.decode(line)
    except (ValueError, RecursionError) as error:
        return ConfigError(f"this is not JSON: {error}")


def _tabbed(line: str) -> Any:
    question, tab, answer = line.rstrip("\r").partition("\t")
    if not tab or "\t" in answer:
        found = f"{1 + answer.count(chr(9))} tabs" if tab else "no tab"
        return ConfigError(f"a line is a question, one tab and an answer, but this one has {found}: {line!r:.60}")
    return {"question": question, "answer": answer}


def _scanned(text: str) -> Iterator[tuple[int, Any]]:
    """JSON values, one after another or in an array. Behind one that is broken nothing can be found."""
    array = text.lstrip().startswith("[")
    at = text.index("[") + 1 if array else 0
    line, counted = 1, 0
    while True:
        while at < len(text) and (text[at].isspace() or (array and text[at] == ",")):
            at += 1
        line, counted = line + text.count("\n", counted, at), at
        if at == len(text) or (array and text[at] == "]"):
            if array and at == len(text):
                yield line, ConfigError("the JSON array that begins the file is never closed; the file is cut off")
            elif text[at + 1 :].strip():
                yield line, ConfigError("something follows the JSON array that begins the file")
            return
        try:
            record, at = _JSON.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            yield line, ConfigError(f"this is not JSON: {error}")
            return
        yield line, record


def _said(record: Any) -> Any:
    if isinstance(record, ConfigError):
        raise record
    return record

"""A suite of questions, as a small file in JSON or YAML that anyone can write.

    {"name": "a little of everything", "system": "Answer in a word.", "questions": [
      {"ask": "What is the capital of Benin?", "exact": "Porto-Novo"},
      {"ask": "Which cities does Benin govern from?", "contains": ["Porto-Novo", "Cotonou"]},
      {"ask": "Write a date.", "regex": "\\\\d{4}-\\\\d{2}-\\\\d{2}"},
      {"ask": "What is 12 * 34?", "number": 408, "within": 0},
      {"ask": "What is the capital of Atlantis?", "verifier": "unknown", "group": "made up"},
      {"ask": "The capital of France is", "choices": ["Rome", "Paris"], "right": 1}
    ]}

`ask` is a text, or messages as OpenAI's API has them. Questions of one `group` are also counted together.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import regex

from twofold.errors import FileFormatError, SourceError, require
from twofold.weights.strict_json import parse_object

__all__ = ["KINDS", "Question", "Suite", "read"]

KINDS = ("choices", "contains", "exact", "number", "regex", "verifier")
LARGEST = 64 << 20  # bytes of a file
KEYS = {"ask", "group", "right", "within", *KINDS}


@dataclass(frozen=True)
class Question:
    """`messages` are the conversation so far; what is `expected` depends on the kind.

    choices    the number of the right one, among `choices`
    exact      texts, of which the answer is one
    contains   texts, of which one is among the answer's words
    regex      a pattern that is found in the answer
    number     a number, of which the last number in the answer is `within` so much
    verifier   the name of a function that takes the answer

    A question that brings a `judge` is judged by that, and `expected` says in words what is right.
    """

    messages: tuple[Mapping[str, Any], ...]
    kind: str
    expected: Any
    choices: tuple[str, ...] = ()
    within: float = 0.0
    group: str = ""
    judge: Callable[[str], bool] | None = None

    @property
    def text(self) -> str:
        """What was asked last."""
        return str(self.messages[-1]["content"])


@dataclass(frozen=True)
class Suite:
    name: str
    questions: tuple[Question, ...]
    about: str = ""

    def some(self, n: int) -> Suite:
        """`n` of the questions, the same ones each time, in their order."""
        chosen = sorted(random.Random(0).sample(range(len(self.questions)), min(n, len(self.questions))))
        return replace(self, questions=tuple(self.questions[i] for i in chosen))


def read(path: Path) -> Suite:
    """The suite in a .json, .yaml or .yml file.

    Raises SourceError, FileFormatError that names the question, or MissingExtra.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}; a suite is almanac, arithmetic or a file") from error
    if len(raw) > LARGEST:
        raise FileFormatError(f"{path} has {len(raw)} bytes; a suite has at most {LARGEST}")
    file = _yaml(raw, path) if path.suffix.lower() in (".yaml", ".yml") else parse_object(raw, str(path))
    questions, system = file.get("questions"), file.get("system", "")
    if not isinstance(questions, list) or not questions or not isinstance(system, str):
        raise FileFormatError(f'{path} has no questions; a suite is {{"name": …, "questions": [{{"ask": …, …}}, …]}}')
    read_all = tuple(_question(one, system, f"{path}, question {i + 1}") for i, one in enumerate(questions))
    return Suite(str(file.get("name", path.stem)), read_all, str(file.get("about", "")))


def _yaml(raw: bytes, path: Path) -> dict[str, Any]:
    yaml = require("yaml", "train", "a suite in YAML")
    try:
        value = yaml.safe_load(raw)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise FileFormatError(f"{path} is not YAML that can be read: {error!s:.200}") from error
    if not isinstance(value, dict):
        raise FileFormatError(f"{path} holds a {type(value).__name__} where name and questions are meant")
    return value


def _question(one: Any, system: str, where: str) -> Question:
    if not isinstance(one, dict):
        raise FileFormatError(f"{where} is {one!r:.60}, not an object with ask and what is right")
    unknown = sorted(set(map(str, one)) - KEYS)
    if unknown:
        raise FileFormatError(f"{where} has {unknown[0]!r}, which is none of {', '.join(sorted(KEYS))}")
    kinds = [kind for kind in KINDS if kind in one]
    if len(kinds) != 1:
        raise FileFormatError(f"{where} needs one of {', '.join(KINDS)} to say what is right; it has {len(kinds)}")
    ask = one.get("ask")
    messages = [{"role": "user", "content": ask}] if isinstance(ask, str) else ask
    if not (isinstance(messages, list) and messages and all(map(_message, messages))):
        raise FileFormatError(f"{where} asks {ask!r:.60}; ask is a text, or messages with role and content")
    if system and messages[0]["role"] != "system":
        messages = [{"role": "system", "content": system}, *messages]
    within = one.get("within", 0)
    if not _number(within) or within < 0:
        raise FileFormatError(f"{where}: within is a distance, not {within!r:.40}")
    choices = tuple(map(str, one["choices"])) if isinstance(one.get("choices"), list) else ()
    return Question(tuple(messages), kinds[0], _expected(one, kinds[0], choices, where), choices, float(within),
                    str(one.get("group", "")))  # fmt: skip


def _expected(one: Mapping[str, Any], kind: str, choices: tuple[str, ...], where: str) -> Any:
    """What is right, checked. Raises FileFormatError."""
    value = one["right"] if kind == "choices" and "right" in one else one[kind]
    if kind == "choices":
        sound = len(choices) > 1 and all(choices) and isinstance(value, int) and 0 <= value < len(choices)
        if not sound:
            raise FileFormatError(f"{where}: choices are two texts or more, and right the number of one, from 0")
    elif kind in ("exact", "contains"):
        value = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
        if not value or not all(isinstance(text, str) and text.strip() for text in value):
            raise FileFormatError(f"{where}: {kind} is a text, or a list of texts, of which one is right")
    elif kind == "number":
        if not _number(value):
            raise FileFormatError(f"{where}: number is {value!r:.40}, which is none")
    elif kind == "regex":
        try:
            regex.compile(value)
        except (regex.error, TypeError, RecursionError) as error:
            raise FileFormatError(f"{where}: the regex {value!r:.60} is not sound: {error}") from error
    elif not isinstance(value, str):
        raise FileFormatError(f"{where}: verifier is a name, not {value!r:.40}")
    return value


def _message(one: Any) -> bool:
    return isinstance(one, dict) and set(one) == {"role", "content"} and all(isinstance(x, str) for x in one.values())


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")

"""Whether an answer is right, by rules that are simple enough to be told in a line each."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from fractions import Fraction

import regex

from twofold.data.almanac_chat.questions import refuses
from twofold.errors import ConfigError
from twofold.evals.questions import Question

__all__ = ["VERIFIERS", "is_right", "last_number", "plain"]

NUMBER = regex.compile(
    r"(?<![\w.])[-−]?(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,3}(?!\w))?"
)
PATIENCE = 1.0  # seconds for a pattern


def is_right(question: Question, answer: str, verifiers: Mapping[str, Callable[[str], bool]] | None = None) -> bool:
    """Judge a written answer (choices are not written). Raises ConfigError for a verifier that is not known."""
    expected = question.expected
    if question.judge is not None:
        return question.judge(answer)
    if question.kind == "exact":
        return plain(answer) in map(plain, expected)
    if question.kind == "contains":
        words = f" {plain(answer)} "
        return any(_among(plain(text), words) for text in expected)
    if question.kind == "regex":
        try:
            return regex.search(expected, answer, timeout=PATIENCE) is not None
        except TimeoutError:
            return False
    if question.kind == "number":
        found = last_number(answer)
        return found is not None and abs(found - _exact(expected)) <= _exact(question.within)
    known = {**VERIFIERS, **(verifiers or {})}
    if expected not in known:
        raise ConfigError(f"there is no verifier {expected!r:.40}; there are {', '.join(known)}")
    return bool(known[expected](answer))


def plain(text: str) -> str:
    """Without what is not meant: case, accents' spelling, spaces, and signs around it."""
    text = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return " ".join(text.split()).strip(" .,;:!?\"'`*_()[]")


def last_number(text: str) -> Fraction | None:
    """The last number in a text, as GSM8K's answers are read; commas between digits may group thousands."""
    found = NUMBER.findall(text)
    return Fraction(found[-1].replace(",", "").replace("−", "-")) if found else None


def _among(text: str, words: str) -> bool:
    """As whole words: Niger is not in Nigeria."""
    return regex.search(rf"(?<!\w){regex.escape(text)}(?!\w)", words) is not None


def _exact(value: float) -> Fraction:
    """0.1 as it is written, not as it is kept."""
    return Fraction(str(value))


def _is_json(answer: str) -> bool:
    try:
        json.loads(answer)
    except (ValueError, RecursionError):
        return False
    return True


VERIFIERS: dict[str, Callable[[str], bool]] = {
    "unknown": refuses,
    "known": lambda answer: bool(answer.strip()) and not refuses(answer),
    "json": _is_json,
}

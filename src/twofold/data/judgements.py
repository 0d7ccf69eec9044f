"""Who judged what, and how: what files of labels say of the same things, to see whether people agree.

A thing is a pair of answers to a prompt, or one answer. Which of two answers stood first on the page is nothing that
people agree on, so a judgement names the answer that was chosen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twofold.data.conversation_files import messages, read_records
from twofold.data.labels import digest
from twofold.errors import ConfigError, SourceError

__all__ = ["Judgement", "Judgements", "judgements"]

PAIRS, FLAGS = "comparisons", "flags"


@dataclass(frozen=True)
class Judgement:
    """`by` said `category` of the `thing`; `place` is where the chosen one of two stood: first, second, or ""."""

    kind: str
    thing: str
    by: str
    category: str
    place: str = ""


@dataclass(frozen=True)
class Judgements:
    """By kind, by thing, by who: the category. Of what one said twice, the last counts.

    `places`: how often each chose the one of two answers that stood first, and the one that stood second.
    """

    said: Mapping[str, Mapping[str, Mapping[str, str]]]
    places: Mapping[str, Mapping[str, int]]

    def labellers(self, kind: str) -> list[str]:
        return sorted({by for thing in self.said[kind].values() for by in thing})


def judgements(paths: Sequence[Path]) -> Judgements:
    """What all files say. Who is not named in a file is called as the file is.

    Raises SourceError, FileFormatError with file and line, and SourceError where nothing is judged.
    """
    said: dict[str, dict[str, dict[str, str]]] = {PAIRS: {}, FLAGS: {}}
    chosen: dict[tuple[str, str], str] = {}
    for path in paths:
        for one in read_records(path, lambda record, name=path.stem: _judgement(record, name)):  # type: ignore[misc]
            said[one.kind].setdefault(one.thing, {})[one.by] = one.category
            if one.kind == PAIRS:
                chosen[one.by, one.thing] = one.place
    if not any(said.values()):
        raise SourceError(f"{', '.join(map(str, paths))}: nothing is judged there; twofold label makes such files")
    places: dict[str, dict[str, int]] = {}
    for (by, _), place in chosen.items():
        if place:
            places.setdefault(by, {"first": 0, "second": 0})[place] += 1
    return Judgements(said, places)


def _judgement(record: Any, name: str) -> Judgement | None:
    if not isinstance(record, Mapping):
        raise ConfigError(f"this is {record!r:.60}, not a label")
    labels = record.get("labels") or {}
    if not isinstance(labels, Mapping):
        raise ConfigError(f"labels are an object, but this is {labels!r:.60}")
    by, verdict = str(labels.get("by", name)), labels.get("verdict", "")
    if "chosen" in record and verdict != "corrected":
        prompt, chosen, rejected = (tuple(messages(record, key)) for key in ("prompt", "chosen", "rejected"))
        first, second = sorted((digest(prompt, chosen), digest(prompt, rejected)))
        category = "one" if digest(prompt, chosen) == first else "other"
        return Judgement(PAIRS, first + second, by, category, verdict if verdict in ("first", "second") else "")
    if verdict == "both bad":
        prompt, answers = tuple(messages(record, "prompt")), list(_answers(record))
        return Judgement(PAIRS, "".join(sorted(digest(prompt, one) for one in answers)), by, verdict)
    if verdict == "good":
        return Judgement(FLAGS, digest(tuple(messages(record))), by, "good")
    if verdict == "bad" or (verdict == "corrected" and "chosen" in record):
        prompt = tuple(messages(record, "prompt"))
        answer = next(_answers(record)) if verdict == "bad" else tuple(messages(record, "rejected"))
        return Judgement(FLAGS, digest((*prompt, *answer)), by, "bad")
    return None


def _answers(record: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    answers = record.get("answers")
    if not isinstance(answers, list) or not answers:
        raise ConfigError(f"answers are a list, but this is {answers!r:.60}")
    for answer in answers:
        yield tuple(messages({"answer": answer}, "answer"))

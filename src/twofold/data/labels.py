"""What people say of answers, in a file that keeps it at once: one JSON object a line.

    verdict              of           what stands in the file
    first, second        two answers  {"prompt", "chosen", "rejected"}: `preferences.read`, twofold prefer
    both bad, skipped    two answers  {"prompt", "answers"}: kept and counted, learned from by nobody
    good                 an answer    {"messages"}: `conversation_files.read`, twofold finetune
    bad                  an answer    {"prompt", "answers"}
    corrected            an answer    a comparison, with the corrected one as the chosen; and a conversation with it
    written              no answer    {"messages"}

`labels` says of each who gave it (by), when, and of which task. What belongs to one verdict has one `entry`, by which
it is taken back. A line is on the disk before `LabelFile.add` returns; half a line, left by a process that died in the
middle of it, is cut off when the file is opened again.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args

from twofold.atomic import disk_full_is_named, writing
from twofold.data.conversations import Conversation, Message
from twofold.data.preferences import Messages, Preference, check
from twofold.errors import ConfigError, FileFormatError, UserError

__all__ = ["Given", "LabelFile", "Verdict", "check_name", "digest", "now"]

Given = Literal["first", "second", "both bad", "skipped", "good", "bad", "corrected", "written"]
ANSWERS = {"first": 2, "second": 2, "both bad": 2, "good": 1, "bad": 1, "corrected": 1, "written": 0}
TEXTS = ("corrected", "written")
SOURCE = "labels"
LONGEST_NAME = 64
Record = dict[str, Any]


def digest(*parts: Messages) -> str:
    """A name for messages, the same wherever they are the same."""
    said = [[message.to_dict() for message in part] for part in parts]
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def now() -> str:
    """The time, as labels have it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def check_name(by: str) -> None:
    """Raise ConfigError for what nobody who labels is called."""
    if not (0 < len(by) <= LONGEST_NAME and by.isprintable() and by.strip()):
        raise ConfigError(f"who labels is named in 1 to {LONGEST_NAME} letters, not {by!r:.80}")


@dataclass(frozen=True)
class Verdict:
    """What `by` says of `answers` to `prompt`, `when` (ISO 8601); `text` is what was written or corrected.

    `about` is kept as it is: the task, the model, the seconds that it took. Raises ConfigError for what cannot be.
    """

    given: Given
    prompt: Messages
    answers: tuple[Messages, ...]
    by: str
    when: str
    text: str = ""
    about: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if self.given not in get_args(Given):
            raise ConfigError(f"{self.given!r:.40} is no verdict; those are {', '.join(get_args(Given))}")
        check_name(self.by)
        if len(self.answers) != ANSWERS.get(self.given, len(self.answers)):
            raise ConfigError(f"{self.given!r} is said of {ANSWERS[self.given]} answers, not of {len(self.answers)}")
        if (self.given in TEXTS) != bool(self.text.strip()):
            raise ConfigError("an answer that is written or corrected has a text; write one, or skip")

    @property
    def whole(self) -> Messages:
        """The answer that was written. A correction is of the text, so the calls before it stay as they were."""
        calls = self.answers[0][:-1] if self.given == "corrected" else ()
        return (*calls, Message("assistant", self.text)) if self.text else ()

    def records(self, entry: str) -> list[Record]:
        """The lines that say it. Raises ConfigError where messages are not in an order that can be."""
        labels = {"entry": entry, "by": self.by, "when": self.when, "verdict": self.given, **(self.about or {})}
        whole = self.whole
        for answer in (*self.answers, *([whole] if whole else [])):
            check(self.prompt, answer)
        if self.given in ("first", "second"):
            chosen, rejected = self.answers if self.given == "first" else self.answers[::-1]
            return [Preference(self.prompt, chosen, rejected, SOURCE, labels).to_dict()]
        if self.given == "corrected":
            pair = Preference(self.prompt, whole, self.answers[0], SOURCE, labels)
            return [pair.to_dict(), Conversation((*self.prompt, *whole), SOURCE, labels).to_dict()]
        if self.given in ("good", "written"):
            return [Conversation((*self.prompt, *(whole or self.answers[0])), SOURCE, labels).to_dict()]
        for answer in self.answers:
            Conversation((*self.prompt, *answer), SOURCE, labels)  # is sound, or raises
        return [{"prompt": [one.to_dict() for one in self.prompt],
                 "answers": [[one.to_dict() for one in answer] for answer in self.answers],
                 "source": SOURCE, "labels": labels}]  # fmt: skip


class LabelFile:
    """The labels in a file, and more of them. Made where it is not there; one program writes it at a time.

    Raises UserError where it cannot be written, FileFormatError for a file with something else in it.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._lock = path, threading.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.open("ab").close()
            self._mend()
        except OSError as error:
            raise UserError(f"{path} cannot be written ({error.strerror}); name another file for the labels") from error
        self._entries = self._read()

    def add(self, verdict: Verdict) -> str:
        """Keep it, on the disk; gives its entry. Raises ConfigError, DiskFull."""
        entry = secrets.token_hex(8)
        records = verdict.records(entry)
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
        with self._lock, disk_full_is_named(self.path), self.path.open("ab", buffering=0) as file:
            before, left = file.tell(), memoryview(lines)
            try:
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise
            self._entries[entry] = records[0]["labels"]
        return entry

    def take_back(self, entry: str) -> Mapping[str, Any] | None:
        """Remove what was said in `entry`: its labels, or None where there is no such entry."""
        with self._lock:
            if entry not in self._entries:
                return None
            kept = [line for line, labels in self._lines() if labels.get("entry") != entry]
            with writing(self.path) as temporary:
                temporary.write_bytes(b"".join(kept))
            return self._entries.pop(entry)

    def entries(self, by: str) -> dict[str, Mapping[str, Any]]:
        """What `by` said, in order: labels by entry."""
        with self._lock:
            return {entry: labels for entry, labels in self._entries.items() if labels.get("by") == by}

    def _mend(self) -> None:
        """Cut off half a line at the end; a whole one that only lacks its line end is given it."""
        content = self.path.read_bytes()
        if not content or content.endswith(b"\n"):
            return
        last = content.rpartition(b"\n")[2]
        try:
            json.loads(last)
        except ValueError:
            os.truncate(self.path, len(content) - len(last))
            return
        with self.path.open("ab") as file:
            file.write(b"\n")

    def _read(self) -> dict[str, Mapping[str, Any]]:
        found: dict[str, Mapping[str, Any]] = {}
        for number, (_, labels) in enumerate(self._lines(), 1):
            found.setdefault(str(labels.get("entry", f"line {number}")), labels)
        return found

    def _lines(self) -> Iterator[tuple[bytes, Mapping[str, Any]]]:
        for number, line in enumerate(self.path.read_bytes().splitlines(keepends=True), 1):
            try:
                yield line, _labels(json.loads(line))
            except (ValueError, RecursionError) as error:
                raise FileFormatError(f"{self.path}, line {number}: this is no label; name another file") from error


def _labels(record: Any) -> Mapping[str, Any]:
    if not isinstance(record, dict) or not isinstance(record.get("labels", {}), dict):
        raise ValueError(record)
    return record.get("labels", {})

"""The run's log: one JSON object a line, appended as things happen, cut back to the checkpoint when a run resumes.

    {"event": "step", "step": 12, "loss": 5.31, …}
    {"event": "evaluation" | "sample" | "revision" | "machine" | "resumed", …}
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twofold.atomic import atomic_write, disk_full_is_named

__all__ = ["Journal"]


class Journal:
    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, event: str, **fields: Any) -> None:
        """Append one line. Raises DiskFull."""
        with disk_full_is_named(self.path), open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"event": event, **fields}) + "\n")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The whole lines so far; a last line cut short by a kill is passed over."""
        if not self.path.exists():
            return
        with open(self.path, encoding="utf-8") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [entry for entry in self if entry["event"] == kind]

    def cut(self, step: int) -> None:
        """Forget what was logged for `step` and later, except the plan's revisions: a resumed run writes it again."""
        kept = [json.dumps(entry) for entry in self if entry["event"] == "revision" or entry.get("step", -1) < step]
        atomic_write(self.path, "".join(line + "\n" for line in kept))

"""Where a run goes when nobody says: runs/NAME, or the unfinished run there that was begun with the same wishes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twofold.make.planning import Wishes

__all__ = ["run_folder"]


def run_folder(sources: Sequence[str], wishes: Wishes, parent: Path = Path("runs")) -> Path:
    """`parent`/NAME after the first source; NAME-2, NAME-3 … when that is taken by another or a finished run."""
    name = Path(sources[0].removeprefix("hf:")).name or "run"
    wanted = json.dumps(wishes.to_dict(), indent=1, sort_keys=True)
    for number in count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        begun = folder / "wishes.json"
        if not folder.exists():
            return folder
        if not (folder / "results.json").exists() and begun.exists() and begun.read_text(encoding="utf-8") == wanted:
            return folder
    raise AssertionError("count() has no end")

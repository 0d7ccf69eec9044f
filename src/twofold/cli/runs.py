"""Where a run goes when nobody says: runs/NAME, or the unfinished run there that was begun with the same wishes."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twofold.make.planning import Wishes
    from twofold.make.recipe import Recipe

__all__ = ["run_folder"]


def run_folder(wanted: Wishes | Recipe, parent: Path = Path("runs")) -> Path:
    """`parent`/NAME after the first source; NAME-2, NAME-3 … when that is taken by another or a finished run."""
    from twofold.make.planning import WISHES, written

    name = Path(wanted.sources[0].removeprefix("hf:")).name or "run"
    for number in count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        begun = folder / WISHES
        if not folder.exists():
            return folder
        finished = (folder / "results.json").exists()
        if not finished and begun.exists() and begun.read_text(encoding="utf-8") == written(wanted):
            return folder
    raise AssertionError("count() has no end")

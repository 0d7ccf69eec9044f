"""What a person or a program sees: results on standard output, progress on standard error, numbers with their units."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.units import duration, number, size

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "duration", "note", "number", "print_json", "size"]

PIPED_WIDTH = 120  # columns of a table when nobody's terminal says otherwise


def console(*, stderr: bool = False) -> Console:
    """A calm rich console: no highlighting, no emoji, and brackets in a text are only brackets."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(stderr=stderr, highlight=False, emoji=False, markup=False, width=width)


def note(text: str) -> None:
    """A line about what is going on, for whoever watches."""
    print(text, file=sys.stderr, flush=True)


def print_json(value: Any) -> None:
    """Write one JSON object to standard output; nan and inf become null, NumPy's numbers become Python's."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    print(json.dumps(_plain(value), indent=2, ensure_ascii=not utf8, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

"""What a person or a program sees: results on standard output, progress on standard error, numbers with their units."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["console", "duration", "number", "print_json", "size"]

PIPED_WIDTH = 120  # columns of a table when nobody's terminal says otherwise


def console(*, stderr: bool = False) -> Console:
    """A calm rich console: no highlighting, no emoji, and brackets in a text are only brackets."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPED_WIDTH
    return Console(stderr=stderr, highlight=False, emoji=False, markup=False, width=width)


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


def size(n_bytes: float) -> str:
    """Bytes in decimal units, three figures: 999 B, 1.50 kB, 93.2 MB, 350 GB."""
    return _scaled(n_bytes, ("B", "kB", "MB", "GB", "TB", "PB", "EB"), " ")


def number(count: float) -> str:
    """A count, three figures: 999, 16.4k, 6.82M, 175B."""
    return _scaled(count, ("", "k", "M", "B", "T", "Q"), "")


def duration(seconds: float) -> str:
    """0.31 s, 12 s, 4 min 05 s, 2 h 07 min, 3 d 04 h."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def _scaled(value: float, units: tuple[str, ...], gap: str) -> str:
    step = 0
    while abs(value) >= 999.5 and step < len(units) - 1:
        value, step = value / 1000, step + 1
    if step == 0 and value == int(value):
        return f"{int(value)}{gap}{units[0]}"
    figures = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:.{min(figures, 2)}f}{gap}{units[step]}"

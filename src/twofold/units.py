"""Numbers as a person reads them: three figures and a unit."""

from __future__ import annotations

import math

__all__ = ["duration", "metric", "number", "size"]


def size(n_bytes: float) -> str:
    """Bytes in decimal units, three figures: 999 B, 1.50 kB, 93.2 MB, 350 GB."""
    return metric(n_bytes, "B")


def metric(value: float, unit: str) -> str:
    """A quantity in decimal units, three figures: 76.7 MFLOP, 870 GFLOP/s."""
    return _scaled(value, tuple(prefix + unit for prefix in ("", "k", "M", "G", "T", "P", "E", "Z")), " ")


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

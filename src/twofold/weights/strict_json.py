"""JSON from strangers: a size limit, no repeated keys, no numbers that JSON lacks, and one kind of error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

from twofold.errors import FileFormatError

__all__ = ["parse_object", "read_object"]


def read_object(path: Path, limit: int) -> dict[str, Any]:
    """The object in a file of at most `limit` bytes. Raises FileFormatError."""
    try:
        if not path.is_file():
            raise FileFormatError(f"{path} is missing or is not a file")
        size = path.stat().st_size
        if size > limit:
            raise FileFormatError(f"{path} has {size} bytes; more than {limit} is not believable for such a file")
        return parse_object(path.read_bytes(), str(path))
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}") from error


def parse_object(text: str | bytes, where: str) -> dict[str, Any]:
    """Raises FileFormatError for anything but one JSON object."""
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError as error:
        raise FileFormatError(f"{where} is nested too deeply to be read") from error
    except ValueError as error:  # bad JSON, bad UTF-8, a number of thousands of digits, or one of ours
        raise FileFormatError(f"{where} is not JSON that can be read: {error!s:.200}") from error
    if not isinstance(value, dict):
        raise FileFormatError(f"{where} holds a JSON {type(value).__name__} where an object is meant")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key appears twice in one object")
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")

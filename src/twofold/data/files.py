"""A user's own files: found in a folder, unpacked, read by kind; what cannot be read is left out and says why."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from twofold.data.documents import Document, Kind, LeftOut
from twofold.data.normalise import decode
from twofold.errors import SourceError

__all__ = ["find", "fingerprint", "read"]

_PLAIN: dict[str, Kind] = {".txt": "prose", ".md": "docs"}


def read(path: Path, source: str) -> Iterator[Document | LeftOut]:
    """Every document of the file or folder, in the order of their names; what is left out comes as LeftOut."""
    for file, name in find(path):
        size = file.stat().st_size
        if file.suffix.lower() not in _PLAIN and path.is_dir():
            yield LeftOut(name, source, f"no text format that is read here: {file.suffix or 'no extension'}", size)
            continue
        try:
            yield Document(name, source, _PLAIN.get(file.suffix.lower(), "prose"), decode(file.read_bytes()))
        except SourceError as error:
            yield LeftOut(name, source, str(error), size)
        except OSError as error:
            yield LeftOut(name, source, f"unreadable: {error.strerror}", size)


def find(path: Path) -> list[tuple[Path, str]]:
    """The file itself, or every file below the folder, with its name relative to the folder, sorted by that."""
    if path.is_file():
        return [(path, path.name)]
    found = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    return sorted(((file, file.relative_to(path).as_posix()) for file in found), key=lambda pair: pair[1])


def fingerprint(path: Path) -> str:
    """A hash of the names and contents of every file."""
    total = hashlib.sha256()
    for file, name in find(path):
        try:
            with open(file, "rb") as handle:
                content = hashlib.file_digest(handle, "sha256").hexdigest()
        except OSError as error:
            content = str(error.errno)
        total.update(f"{name}\0{content}\0".encode("utf-8", "surrogateescape"))
    return total.hexdigest()

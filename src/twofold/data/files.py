"""A user's own files: found in a folder, unpacked, read by kind; what cannot be read is left out and says why."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from twofold.data.documents import Document, LeftOut
from twofold.data.formats import FORMATS
from twofold.data.parallel import ordered_map
from twofold.errors import SourceError, require

__all__ = ["Found", "find", "fingerprint", "read"]

_LARGEST = 2 << 30
Found = tuple[Path, str]  # a file, and its name relative to the folder that was asked for


def read(path: Path, source: str, field: str | None, workers: int) -> Iterator[Document | LeftOut]:
    """Every document of the file or folder, in the order of their names; what is left out comes as LeftOut.

    A single file that was named is read as plain text when its ending says nothing. Raises SourceError for a folder
    without files.
    """
    found = find(path)
    if not found:
        raise SourceError(f"the folder {path} holds no files; put some text into it "
                          f"({', '.join(FORMATS)}, and .gz or .zst of them)")
    work = partial(_read_files, source=source, field=field, named=path.is_file())
    yield from ordered_map(work, found, _size, sum(map(_size, found)), workers)


def find(path: Path) -> list[Found]:
    """The file itself, or every file below the folder but hidden ones, and folders that are closed to us, by name."""
    if not path.is_dir():
        return [(path, path.name)]
    found = []
    closed: list[OSError] = []
    for folder, below, names in os.walk(path, onerror=closed.append):
        below[:] = [name for name in below if not name.startswith(".")]
        found += [Path(folder, name) for name in names if not name.startswith(".")]
    found += [Path(error.filename) for error in closed]
    return sorted(((file, file.relative_to(path).as_posix()) for file in found), key=lambda pair: pair[1])


def fingerprint(path: Path) -> str:
    """A hash of the names and contents of every file."""
    total = hashlib.sha256()
    for file, name in find(path):
        content = "not a regular file"
        if file.is_file():
            try:
                with open(file, "rb") as handle:
                    content = hashlib.file_digest(handle, "sha256").hexdigest()
            except OSError as error:
                content = f"unreadable {error.errno}"
        total.update(f"{name}\0{content}\0".encode("utf-8", "surrogateescape"))
    return total.hexdigest()


def _read_files(found: list[Found], source: str, field: str | None, named: bool) -> list[Document | LeftOut]:
    return [item for file, name in found for item in _read_file(file, name, source, field, named)]


def _read_file(file: Path, name: str, source: str, field: str | None, named: bool) -> Iterator[Document | LeftOut]:
    name = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if file.is_dir():
        yield LeftOut(name, source, "unreadable: the folder cannot be opened")
        return
    suffixes = [suffix.lower() for suffix in file.suffixes]
    packed = suffixes.pop() if suffixes and suffixes[-1] in (".gz", ".zst") else ""
    parse = FORMATS.get(suffixes[-1] if suffixes else "", FORMATS[".txt"] if named else None)
    if parse is None:
        ending = (suffixes[-1] if suffixes else "no ending") + packed
        yield LeftOut(name, source, f"no format that is read here: {ending}", _size((file, name)))
        return
    try:
        for place, kind, text in parse(_unpack(file, packed), field):
            if isinstance(text, SourceError):
                yield LeftOut(name + place, source, str(text))
            else:
                yield Document(name + place, source, kind, text)
    except SourceError as error:
        yield LeftOut(name, source, str(error), _size((file, name)))
    except OSError as error:
        yield LeftOut(name, source, f"unreadable: {error.strerror or error}", _size((file, name)))


def _unpack(file: Path, packed: str) -> bytes:
    """The file's bytes, uncompressed, at most _LARGEST of them. Raises SourceError."""
    if not file.is_file():
        raise SourceError("no regular file: a broken link, a device or a pipe")
    with open(file, "rb") as raw:
        if packed == ".gz":
            return _read_all(gzip.GzipFile(fileobj=raw), (gzip.BadGzipFile, zlib.error, EOFError))
        if packed == ".zst":
            zstandard = require("zstandard", "train", "reading .zst files")
            unpacked = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
            return _read_all(unpacked, (zstandard.ZstdError,))
        return _read_all(raw, ())


def _read_all(stream: Any, damage: tuple[type[Exception], ...]) -> bytes:
    data = bytearray()
    try:
        while chunk := stream.read(1 << 20):
            data += chunk
            if len(data) > _LARGEST:
                raise SourceError(f"too large: more than {_LARGEST >> 30} GiB unpacked; split it")
    except damage as error:
        raise SourceError(f"damaged: {error}") from error
    return bytes(data)


def _size(found: Found) -> int:
    try:
        return found[0].stat().st_size
    except OSError:
        return 0

"""GGUF, the parameters file: a header, metadata by key, a table of tensors, then the tensors' bytes.

    "GGUF"  u32 version  u64 n_tensors  u64 n_keys
    n_keys ×     key, u32 type, value         a string is u64 length + UTF-8, an array u32 type + u64 count + items
    n_tensors ×  name, u32 n_dims, u64 dims…, u32 type, u64 offset    dims innermost first, offset from the data
    padding to general.alignment (32 unless it says otherwise), then the data

Format: the GGUF specification of the ggml project, versions 2 and 3, little-endian. A file may come from a stranger:
every length, count, dimension and offset is checked against the file's size before anything is allocated for it.
"""

from __future__ import annotations

import itertools
import math
import mmap
import os
import reprlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from twofold.atomic import writing
from twofold.errors import FileFormatError
from twofold.weights.quants import TYPES, Storage, dequantise, quantise

__all__ = ["GGUF", "TensorInfo", "read", "typed", "write"]

T = TypeVar("T")
D = TypeVar("D")

MAGIC = b"GGUF"
ALIGNMENT = 32
HEADER_LIMIT = 32 << 20  # bytes of metadata and table; the largest vocabularies in use take about 15 MiB
MOST_ENTRIES = 1 << 16  # keys, and tensors; the largest models in use have some thousands
STRING, ARRAY, BOOL = 8, 9, 7
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", BOOL: "?", 10: "Q", 11: "q", 12: "d"}
LAYOUTS = {code: struct.Struct("<" + code) for code in SCALARS.values()}
DTYPES = {number: np.dtype("<" + code if code not in "?Bb" else code) for number, code in SCALARS.items()}
TYPE_OF_DTYPE = {dtype: number for number, dtype in DTYPES.items()}
TYPE_NAMES = {storage.id: storage.name for storage in TYPES.values()}
SMALLEST_KEY, SMALLEST_TENSOR = 8 + 4 + 1, 8 + 4 + 8 + 4 + 8  # bytes that one entry takes at least


@dataclass(frozen=True)
class TensorInfo:
    """Where a tensor lies. `shape` is outermost first, as in NumPy; `offset` counts from the start of the file."""

    name: str
    shape: tuple[int, ...]
    type: str
    offset: int
    n_bytes: int


class GGUF:
    """An open file. Tensors are mapped, not read, until `array` is asked for one."""

    def __init__(
        self, path: Path, version: int, metadata: dict[str, Any], tensors: dict[str, TensorInfo], data: mmap.mmap
    ) -> None:
        self.path, self.version, self.metadata, self.tensors, self._data = path, version, metadata, tensors, data

    def blocks(self, name: str) -> np.ndarray:
        """The stored blocks of a tensor, 1-D, as they lie in the file."""
        info = self.tensors[name]
        layout = TYPES[info.type].layout
        return np.frombuffer(self._data, layout, info.n_bytes // layout.itemsize, info.offset)

    def array(self, name: str) -> np.ndarray:
        """A tensor as float32. An F32 tensor is a read-only view of the file."""
        info = self.tensors[name]
        return dequantise(self.blocks(name), info.type).reshape(info.shape)


def read(path: str | os.PathLike[str]) -> GGUF:
    """Open and check a file. Raises FileFormatError that says what is wrong and at which byte."""
    path = Path(path)
    if not path.is_file():
        raise FileFormatError(f"{path} is not a file; a parameters file is one .gguf file")
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < 24:
                raise FileFormatError(f"{path} has {size} bytes, fewer than any GGUF file; it is empty or cut off")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}") from error
    cursor = _Cursor(path, data)
    version, n_tensors, n_keys = _read_start(cursor)
    metadata = _read_metadata(cursor, n_keys)
    return GGUF(path, version, metadata, _read_table(cursor, n_tensors, metadata), data)


def typed(metadata: Mapping[str, Any], key: str, kind: type[T], default: D, where: str) -> T | D:
    """The value of a key, of exactly the type asked for, or the default. Raises FileFormatError."""
    value = metadata.get(key)
    if value is not None and type(value) is not kind:
        raise FileFormatError(f"{where}: {key} is {reprlib.repr(value)} where a value of type {kind.__name__} is meant")
    return default if value is None else value


class _Cursor:
    """A place in the header that never steps outside it."""

    def __init__(self, path: Path, data: mmap.mmap) -> None:
        self.path, self.data, self.at, self.size = path, data, 0, len(data)
        self.end = min(self.size, HEADER_LIMIT)

    def wrong(self, what: str, at: int | None = None) -> FileFormatError:
        where = self.at if at is None else at
        return FileFormatError(f"{self.path} is not a sound GGUF file: at byte {where}, {what}; get or export it again")

    def need(self, n_bytes: int, what: str) -> None:
        if n_bytes > self.end - self.at:
            if n_bytes <= self.size - self.at:
                raise self.wrong(f"{what} reaches past the {HEADER_LIMIT >> 20} MiB that a header may take")
            raise self.wrong(f"{what} needs {n_bytes} bytes where {self.size - self.at} are left")

    def scalar(self, code: str, what: str) -> Any:
        layout = LAYOUTS[code]
        if layout.size > self.end - self.at:
            self.need(layout.size, what)
        (value,) = layout.unpack_from(self.data, self.at)
        self.at += layout.size
        return value

    def string(self, what: str) -> str:
        length = self.scalar("Q", what)
        self.need(length, what)
        raw = self.data[self.at : self.at + length]
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise self.wrong(f"{what} is not UTF-8") from error
        self.at += length
        return text

    def strings(self, count: int, what: str) -> list[str]:
        """As many strings in a row; the checks of `string`, without its calls."""
        unpack, data, at, end = LAYOUTS["Q"].unpack_from, self.data, self.at, self.end
        found = []
        for _ in range(count):
            start = at + 8
            stop = start + unpack(data, at)[0] if start <= end else end + 1
            if stop > end:
                break
            try:
                found.append(data[start:stop].decode("utf-8"))
            except UnicodeDecodeError:
                break
            at = stop
        self.at = at
        return found if len(found) == count else [self.string(what)]  # which says what is wrong with it

    def count(self, number: int, smallest: int, what: str) -> int:
        """A count of things that take at least `smallest` bytes each; they must fit in what is left."""
        self.need(number * smallest, f"a list of {number} {what}")
        return number


def _read_start(cursor: _Cursor) -> tuple[int, int, int]:
    magic = cursor.data[:4]
    if magic != MAGIC:
        raise FileFormatError(
            f"{cursor.path} begins with {magic!r} where a GGUF file begins with {MAGIC!r}; "
            "a model in Hugging Face's format is named by its folder"
        )
    cursor.at = 4
    version = cursor.scalar("I", "the version")
    if version in (2 << 24, 3 << 24):
        raise FileFormatError(f"{cursor.path} is a big-endian GGUF file; only little-endian ones are read")
    if version not in (2, 3):
        raise FileFormatError(f"{cursor.path} is GGUF version {version}; versions 2 and 3 are read, so convert it anew")
    n_tensors, n_keys = cursor.scalar("Q", "the number of tensors"), cursor.scalar("Q", "the number of keys")
    cursor.count(n_keys, SMALLEST_KEY, "keys")
    cursor.count(n_tensors, SMALLEST_TENSOR, "tensors")
    if max(n_keys, n_tensors) > MOST_ENTRIES:
        raise cursor.wrong(f"{n_keys} keys and {n_tensors} tensors are claimed, and no model has {MOST_ENTRIES}")
    return version, n_tensors, n_keys


def _read_metadata(cursor: _Cursor, n_keys: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for _ in range(n_keys):
        start = cursor.at
        key = cursor.string("a key")
        if key in metadata:
            raise cursor.wrong(f"the key {key[:80]!r} appears twice", start)
        metadata[key] = _read_value(cursor, cursor.scalar("I", "a type"), f"the value of {key[:80]!r}")
    return metadata


def _read_value(cursor: _Cursor, number: int, what: str) -> Any:
    if number == STRING:
        return cursor.string(what)
    if number == ARRAY:
        return _read_array(cursor, what)
    if number not in SCALARS:
        raise cursor.wrong(f"{what} has the unknown type {number}")
    return cursor.scalar(SCALARS[number], what)


def _read_array(cursor: _Cursor, what: str) -> list[str] | np.ndarray:
    """A list of strings, or an array of numbers in the file's own dtype."""
    number, count = cursor.scalar("I", "an item type"), cursor.scalar("Q", "an item count")
    if number == STRING:
        return cursor.strings(cursor.count(count, 8, "strings"), what)
    if number == ARRAY:
        raise cursor.wrong(f"{what} is an array of arrays, which no GGUF reader takes")
    if number not in SCALARS:
        raise cursor.wrong(f"{what} has items of the unknown type {number}")
    dtype = DTYPES[number]
    cursor.count(count, dtype.itemsize, "numbers")
    items = np.frombuffer(cursor.data, "u1" if number == BOOL else dtype, count, cursor.at)
    cursor.at += items.nbytes
    return items != 0 if number == BOOL else items.copy()


def _read_table(cursor: _Cursor, n_tensors: int, metadata: dict[str, Any]) -> dict[str, TensorInfo]:
    alignment = metadata.get("general.alignment", ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1) or alignment > cursor.size:
        raise cursor.wrong(f"general.alignment is {alignment!r}, which is not a power of two below the file's size")
    entries: dict[str, tuple[int, tuple[int, ...], Storage, int]] = {}
    for _ in range(n_tensors):
        start = cursor.at
        name = cursor.string("a tensor's name")
        if name in entries:
            raise cursor.wrong(f"the tensor {name[:80]!r} appears twice", start)
        entries[name] = (start, *_read_entry(cursor, name[:80], alignment))
    base = -(-cursor.at // alignment) * alignment
    tensors: dict[str, TensorInfo] = {}
    for name, (start, shape, storage, offset) in entries.items():
        n_bytes = storage.n_bytes(math.prod(shape))
        if offset + n_bytes > cursor.size - base:
            raise cursor.wrong(
                f"the tensor {name[:80]!r} takes {n_bytes} bytes from {base + offset} on, but the file ends at "
                f"{cursor.size}", start,
            )
        tensors[name] = TensorInfo(name, shape, storage.name, base + offset, n_bytes)
    in_order = sorted(tensors.values(), key=lambda info: info.offset)
    for before, after in itertools.pairwise(in_order):
        if before.offset + before.n_bytes > after.offset:
            raise cursor.wrong(f"the tensors {before.name[:80]!r} and {after.name[:80]!r} overlap", after.offset)
    return tensors


def _read_entry(cursor: _Cursor, name: str, alignment: int) -> tuple[tuple[int, ...], Storage, int]:
    n_dims = cursor.scalar("I", "a number of dimensions")
    if not 1 <= n_dims <= 4:
        raise cursor.wrong(f"the tensor {name!r} has {n_dims} dimensions where 1 to 4 are possible")
    shape = tuple(cursor.scalar("Q", "a dimension") for _ in range(n_dims))[::-1]
    if 0 in shape or math.prod(shape) >= 1 << 63:
        raise cursor.wrong(f"the tensor {name!r} has the impossible shape {shape}")
    number = cursor.scalar("I", "a tensor's type")
    if number not in TYPE_NAMES:
        known = ", ".join(TYPES)
        raise FileFormatError(
            f"{cursor.path}: the tensor {name!r} is stored as GGML type {number}, which is not read here; "
            f"make the file anew in one of {known}"
        )
    storage = TYPES[TYPE_NAMES[number]]
    if shape[-1] % storage.block:
        raise cursor.wrong(f"the tensor {name!r} has rows of {shape[-1]}, which blocks of {storage.block} do not fill")
    offset = cursor.scalar("Q", "a tensor's offset")
    if offset % alignment:
        raise cursor.wrong(f"the tensor {name!r} lies at offset {offset}, which is not a multiple of {alignment}")
    return shape, storage, offset


def write(
    path: str | os.PathLike[str],
    metadata: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    types: Mapping[str, str],
) -> None:
    """Write a file beside and rename it into place; one tensor is in memory at a time.

    metadata: bool, int (u32, or wider where it must be), float (f32), str, a list of str, or a NumPy scalar or 1-D
    array, whose dtype is kept. tensors: float32; `types` gives each one's storage by name. Raises ConfigError where a
    number does not fit its storage, DiskFull where the disk is full.
    """
    table, offset = [], 0
    for name, array in tensors.items():
        storage = TYPES[types[name]]
        table += [_string(name), struct.pack("<I", array.ndim), struct.pack(f"<{array.ndim}Q", *array.shape[::-1])]
        table += [struct.pack("<IQ", storage.id, offset)]
        offset += _padded(storage.n_bytes(array.size))
    keys = [_string(key) + _value(value) for key, value in metadata.items()]
    header = b"".join([MAGIC, struct.pack("<IQQ", 3, len(tensors), len(metadata)), *keys, *table])
    with writing(path) as temporary, open(temporary, "wb") as file:
        file.write(header.ljust(_padded(len(header)), b"\0"))
        for name, array in tensors.items():
            blocks = quantise(array, types[name])
            file.write(blocks.data.cast("B") if blocks.size else b"")
            file.write(bytes(_padded(blocks.nbytes) - blocks.nbytes))


def _padded(n_bytes: int) -> int:
    return -(-n_bytes // ALIGNMENT) * ALIGNMENT


def _string(text: str) -> bytes:
    raw = text.encode("utf-8")
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Any) -> bytes:
    """A value with its type before it."""
    if isinstance(value, str):
        return struct.pack("<I", STRING) + _string(value)
    if isinstance(value, list):
        return struct.pack("<IIQ", ARRAY, STRING, len(value)) + b"".join(map(_string, value))
    if isinstance(value, np.ndarray):
        number = TYPE_OF_DTYPE[value.dtype.newbyteorder("<")]
        return struct.pack("<IIQ", ARRAY, number, value.size) + value.astype(DTYPES[number]).tobytes()
    if isinstance(value, np.generic):
        number = TYPE_OF_DTYPE[value.dtype.newbyteorder("<")]
        return struct.pack("<I", number) + np.asarray(value, DTYPES[number]).tobytes()
    if isinstance(value, bool):
        return _value(np.bool_(value))
    if isinstance(value, float):
        return _value(np.float32(value))
    return _value(np.uint32(value) if 0 <= value < 1 << 32 else np.uint64(value) if value >= 0 else np.int64(value))

"""safetensors, the file format of Hugging Face folders: a JSON table, then the tensors' bytes.

    u64 n   n bytes of JSON: {name: {"dtype", "shape", "data_offsets": [from, to]}}   data

Format: the safetensors README. Offsets count from the data; the tensors fill it without holes or overlaps. Every
length and offset is checked before it is used, and nothing but numbers can be in such a file.
"""

from __future__ import annotations

import json
import math
import mmap
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twofold.atomic import writing
from twofold.errors import FileFormatError
from twofold.weights.gguf import TensorInfo
from twofold.weights.quants import TYPES, dequantise, quantise
from twofold.weights.strict_json import parse_object

__all__ = ["SafeTensors", "read", "write"]

HEADER_LIMIT = 16 << 20  # bytes; the headers of the largest models in use take under 1 MiB
WIDTHS = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1,
    "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip


class SafeTensors:
    """An open file; tensors are mapped, not read."""

    def __init__(self, path: Path, tensors: dict[str, TensorInfo], data: mmap.mmap, about: dict[str, str]) -> None:
        self.path, self.tensors, self.about, self._data = path, tensors, about, data

    def array(self, name: str) -> np.ndarray:
        """A tensor as float32; F32 is a read-only view. Raises FileFormatError when it does not hold floats."""
        info = self.tensors[name]
        if info.type not in TYPES:
            raise FileFormatError(f"{self.path}: {name!r:.80} holds {info.type}; weights must be F32, F16 or BF16")
        blocks = np.frombuffer(self._data, TYPES[info.type].layout, math.prod(info.shape), info.offset)
        return dequantise(blocks, info.type).reshape(info.shape)


def read(path: Path) -> SafeTensors:
    """Open and check a file. Raises FileFormatError that says what is wrong."""
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < 8:
                raise FileFormatError(f"{path} has {size} bytes, too few for safetensors; it is empty or cut off")
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise FileFormatError(f"{path} cannot be read: {error.strerror}") from error
    (length,) = struct.unpack_from("<Q", data)
    if length > min(size - 8, HEADER_LIMIT):
        raise FileFormatError(f"{path} claims a header of {length} bytes in a file of {size}; it is damaged or cut off")
    header = parse_object(data[8 : 8 + length], f"the header of {path}")
    about = header.pop("__metadata__", {})
    if not isinstance(about, dict) or not all(isinstance(value, str) for value in about.values()):
        raise FileFormatError(f"{path}: __metadata__ is not a table of texts")
    start = 8 + length
    tensors = {name: _entry(name, entry, start, size, path) for name, entry in header.items()}
    at = start
    for info in sorted(tensors.values(), key=lambda info: info.offset):
        if info.offset != at:
            raise FileFormatError(f"{path}: {info.name!r:.80} begins at byte {info.offset} where {at} is expected")
        at += info.n_bytes
    if at != size:
        raise FileFormatError(f"{path}: the tensors end at byte {at} and the file at {size}; it is damaged or cut off")
    return SafeTensors(path, tensors, data, about)


def _entry(name: str, entry: Any, start: int, size: int, path: Path) -> TensorInfo:
    where = f"{path}: the table's entry for {name!r:.80}"
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise FileFormatError(f"{where} does not say dtype, shape and data_offsets, and these only")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in WIDTHS:
        raise FileFormatError(f"{where} has the dtype {dtype!r:.40}; these are read: {', '.join(WIDTHS)}")
    if not _naturals(shape) or len(shape) > 8:
        raise FileFormatError(f"{where} has the impossible shape {shape!r:.80}")
    if not _naturals(offsets) or len(offsets) != 2 or not 0 <= offsets[0] <= offsets[1] <= size - start:
        raise FileFormatError(f"{where} has offsets {offsets!r:.80} in {size - start} bytes of data")
    n_bytes = offsets[1] - offsets[0]
    if math.prod(shape) * WIDTHS[dtype] != n_bytes:
        raise FileFormatError(f"{where} has {n_bytes} bytes, which {dtype} {shape!r:.80} does not fill")
    return TensorInfo(name, tuple(shape), dtype, start + offsets[0], n_bytes)


def _naturals(value: Any) -> bool:
    """A list of whole numbers that 64 bits can hold."""
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 1 << 63 for item in value)


def write(
    path: Path, tensors: Mapping[str, np.ndarray], types: Mapping[str, str], about: Mapping[str, str] | None = None
) -> None:
    """Write a file beside and rename it into place; `types` gives each tensor's storage: F32, F16 or BF16.

    `about` goes into the file's __metadata__.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt", **(about or {})}}
    at = 0
    for name, array in tensors.items():
        end = at + TYPES[types[name]].n_bytes(array.size)
        header[name] = {"dtype": types[name], "shape": list(array.shape), "data_offsets": [at, end]}
        at = end
    raw = json.dumps(header, separators=(",", ":")).encode()
    raw = raw.ljust(-(-len(raw) // 8) * 8)
    with writing(path) as temporary, open(temporary, "wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        for name, array in tensors.items():
            file.write(quantise(array, types[name]).data.cast("B"))

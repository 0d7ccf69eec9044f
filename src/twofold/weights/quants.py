"""How numbers are stored in a parameters file: whole floats, halves, and blocks of small integers with shared scales.

    F32, F16, BF16      one number each; BF16 is the upper half of a float32, rounded to nearest even
    Q8_0, Q4_0, Q5_0    x = d · q                 32 numbers share the scale d
    Q4_1, Q5_1          x = d · q + m             … and the minimum m
    Q4_K, Q5_K          x = (d · s) q − (m · t)   256 numbers in 8 parts; 6-bit s and t a part share d and m
    Q6_K                x = (d · s) q             256 numbers in 16 parts; 8-bit s a part

All of them are read; the first three and Q8_0 are written. Block layouts: the GGML source, ggml-common.h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from twofold.errors import ConfigError

__all__ = ["TYPES", "WRITABLE", "Storage", "dequantise", "quantise"]

Blocks = np.ndarray[Any, np.dtype[Any]]
STEP = 1 << 17  # numbers turned at a time, so that the temporaries stay in the cache


@dataclass(frozen=True)
class Storage:
    """A type of the file format: its number there, how many numbers a block holds, how a block lies in bytes."""

    name: str
    id: int
    block: int
    layout: np.dtype[Any]

    def n_bytes(self, numbers: int) -> int:
        return numbers // self.block * self.layout.itemsize


def _storage(name: str, number: int, block: int, *fields: Any) -> Storage:
    return Storage(name, number, block, np.dtype(list(fields) if block > 1 else fields[0]))


_D, _M = ("d", "<f2"), ("m", "<f2")

TYPES = {
    storage.name: storage
    for storage in (
        _storage("F32", 0, 1, "<f4"),
        _storage("F16", 1, 1, "<f2"),
        _storage("Q4_0", 2, 32, _D, ("q", "u1", 16)),
        _storage("Q4_1", 3, 32, _D, _M, ("q", "u1", 16)),
        _storage("Q5_0", 6, 32, _D, ("high", "<u4"), ("q", "u1", 16)),
        _storage("Q5_1", 7, 32, _D, _M, ("high", "<u4"), ("q", "u1", 16)),
        _storage("Q8_0", 8, 32, _D, ("q", "i1", 32)),
        _storage("Q4_K", 12, 256, _D, _M, ("scales", "u1", 12), ("q", "u1", 128)),
        _storage("Q5_K", 13, 256, _D, _M, ("scales", "u1", 12), ("high", "u1", 32), ("q", "u1", 128)),
        _storage("Q6_K", 14, 256, ("q", "u1", 128), ("high", "u1", 64), ("scales", "i1", 16), _D),
        _storage("BF16", 30, 1, "<u2"),
    )
}
WRITABLE = ("F32", "BF16", "F16", "Q8_0")


def dequantise(blocks: Blocks, name: str) -> np.ndarray:
    """The float32 numbers in a 1-D array of blocks (dtype TYPES[name].layout). F32 comes back without a copy."""
    if name == "F32":
        return blocks.astype(np.float32, copy=False)
    size = TYPES[name].block
    numbers = np.empty(len(blocks) * size, np.float32)
    step = STEP // size
    with np.errstate(all="ignore"):  # a stranger's scales may be NaN or infinite; so are the numbers then
        for start in range(0, len(blocks), step):
            part = blocks[start : start + step]
            numbers[start * size : (start + len(part)) * size] = _READ[name](part).reshape(-1)
    return numbers


def quantise(numbers: np.ndarray, name: str) -> Blocks:
    """Float32 numbers (a multiple of the block) as blocks.

    Raises ConfigError when a number is too large or not finite and the type cannot hold it.
    """
    numbers = np.ascontiguousarray(numbers, np.float32).reshape(-1)
    return _WRITE[name](numbers)


def _float(column: np.ndarray) -> np.ndarray:
    return column.astype(np.float32)


def _nibbles(q: np.ndarray) -> np.ndarray:
    """[n, w] bytes → [n, 2w]: the low halves first, then the high ones."""
    return np.concatenate((q & 15, q >> 4), axis=-1)


def _fifth_bit(high: np.ndarray) -> np.ndarray:
    return ((high[:, None] >> np.arange(32, dtype=np.uint32)) & 1).astype(np.uint8) << 4


def _six_bit_scales(scales: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Twelve bytes → eight scales and eight minima: six bits each, of which the last four of each lie in pieces."""
    a, b, c = scales[:, 0:4], scales[:, 4:8], scales[:, 8:12]
    s = np.concatenate((a & 63, (c & 15) | (a >> 6 << 4)), axis=-1)
    t = np.concatenate((b & 63, (c >> 4) | (b >> 6 << 4)), axis=-1)
    return _float(s), _float(t)


def _parts(block: Blocks) -> np.ndarray:
    """[n, 128] bytes → [n, 8, 32]: each run of 32 bytes holds two parts, low halves and high halves."""
    return _nibbles(block["q"].reshape(-1, 4, 32)).reshape(-1, 8, 32)


def _scaled_parts(block: Blocks, q: np.ndarray) -> np.ndarray:
    s, t = _six_bit_scales(block["scales"])
    d, m = _float(block["d"])[:, None] * s, _float(block["m"])[:, None] * t
    return d[..., None] * _float(q) - m[..., None]


def _read_q5_k(block: Blocks) -> np.ndarray:
    bits = (block["high"][:, None, :] >> np.arange(8, dtype=np.uint8)[:, None]) & 1
    return _scaled_parts(block, _parts(block) | bits << 4)


def _read_q6_k(block: Blocks) -> np.ndarray:
    low = _nibbles(block["q"].reshape(-1, 2, 64)).reshape(-1, 2, 4, 32)
    pairs = (block["high"].reshape(-1, 2, 1, 32) >> np.array([0, 2, 4, 6], np.uint8)[:, None]) & 3
    q = _float(low | pairs << 4) - 32
    d = _float(block["d"])[:, None] * _float(block["scales"])
    return d[..., None] * q.reshape(-1, 16, 16)


def _read_scaled(block: Blocks, q: np.ndarray) -> np.ndarray:
    return _float(block["d"])[:, None] * q


def _read_shifted(block: Blocks, q: np.ndarray) -> np.ndarray:
    return _float(block["d"])[:, None] * q + _float(block["m"])[:, None]


_READ: dict[str, Callable[[Blocks], np.ndarray]] = {
    "F16": _float,
    "BF16": lambda half: (half.astype(np.uint32) << 16).view(np.float32),
    "Q8_0": lambda block: _read_scaled(block, _float(block["q"])),
    "Q4_0": lambda block: _read_scaled(block, _float(_nibbles(block["q"])) - 8),
    "Q5_0": lambda block: _read_scaled(block, _float(_nibbles(block["q"]) | _fifth_bit(block["high"])) - 16),
    "Q4_1": lambda block: _read_shifted(block, _float(_nibbles(block["q"]))),
    "Q5_1": lambda block: _read_shifted(block, _float(_nibbles(block["q"]) | _fifth_bit(block["high"]))),
    "Q4_K": lambda block: _scaled_parts(block, _parts(block)),
    "Q5_K": _read_q5_k,
    "Q6_K": _read_q6_k,
}


def _write_f16(numbers: np.ndarray) -> Blocks:
    with np.errstate(over="ignore"):
        halves = numbers.astype("<f2")
    if np.isinf(halves).sum() > np.isinf(numbers).sum():
        raise ConfigError(f"F16 ends at 65504 and one here is {_largest(numbers):g}; choose BF16, which reaches 3e38")
    return halves


def _write_bf16(numbers: np.ndarray) -> Blocks:
    bits = numbers.view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    quiet = (bits >> 16) | 0x40  # a NaN keeps its sign and stays a NaN whatever its low bits were
    return np.where(np.isnan(numbers), quiet, rounded).astype("<u2")


def _write_q8_0(numbers: np.ndarray) -> Blocks:
    rows = numbers.reshape(-1, 32)
    top = np.abs(rows).max(axis=1)
    if not np.all(top <= 127 * 65504):  # catches NaN too
        raise ConfigError(f"Q8_0 holds finite numbers up to 8.3e6 and one here is {_largest(numbers):g}; choose BF16")
    d = top / np.float32(127)
    inverse = np.divide(1, d, out=np.zeros_like(d), where=d >= np.finfo(np.float32).tiny)
    scaled = rows * inverse[:, None]
    blocks = np.empty(len(rows), TYPES["Q8_0"].layout)
    blocks["d"] = d
    blocks["q"] = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))  # ties away from zero, as C's roundf
    return blocks


def _largest(numbers: np.ndarray) -> float:
    return float(numbers[np.argmax(np.where(np.isnan(numbers), np.inf, np.abs(numbers)))])


_WRITE: dict[str, Callable[[np.ndarray], Blocks]] = {
    "F32": lambda numbers: numbers.astype("<f4", copy=False),
    "F16": _write_f16,
    "BF16": _write_bf16,
    "Q8_0": _write_q8_0,
}

"""Numbers as pictures: ink for an image, two colours around nothing for weights; as PNG, and as characters.

PNG: https://www.w3.org/TR/png-3/, with the one filter that is none.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["AGAINST", "FOR", "data_uri", "ink", "png", "sheet", "signed", "smaller"]

RGBA = NDArray[np.uint8]  # [height, width, 4]

# Orange speaks for the neuron, blue against it: told apart by people who are blind to red or green.
FOR, AGAINST = (217, 95, 2), (34, 113, 181)


def ink(values: NDArray[np.floating[Any]], colour: tuple[int, int, int] = (28, 27, 25)) -> RGBA:
    """A square image of values from 0 to 1 in one colour; 0 lets the page through."""
    return _tinted(np.clip(_square(values), 0, 1), np.array(colour, np.uint8))


def signed(values: NDArray[np.floating[Any]], most: float | None = None) -> RGBA:
    """A square image of weights: 0 lets the page through, `most` either way (by default the largest) is full colour."""
    square = _square(values)
    most = float(np.abs(square).max()) if most is None else most
    share = np.clip(np.abs(square) / most, 0, 1) if most > 0 else np.zeros_like(square)
    return _tinted(share, np.where(square[..., None] > 0, np.array(FOR, np.uint8), np.array(AGAINST, np.uint8)))


def png(picture: RGBA) -> bytes:
    """The picture as a PNG file."""
    height, width, _ = picture.shape
    rows = np.concatenate([np.zeros((height, 1), np.uint8), picture.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )


def data_uri(picture: RGBA) -> str:
    """The picture as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png(picture)).decode("ascii")


def sheet(pictures: Sequence[RGBA], columns: int = 8, scale: int = 3, gap: int = 6) -> RGBA:
    """Pictures of one size beside and below each other, each pixel `scale` pixels wide."""
    height, width = (scale * size + gap for size in pictures[0].shape[:2])
    rows = -(-len(pictures) // columns)
    whole = np.zeros((rows * height - gap, min(columns, len(pictures)) * width - gap, 4), np.uint8)
    for i, picture in enumerate(pictures):
        top, left = i // columns * height, i % columns * width
        large = picture.repeat(scale, axis=0).repeat(scale, axis=1)
        whole[top : top + height - gap, left : left + width - gap] = large
    return whole


def smaller(values: NDArray[np.floating[Any]], side: int) -> NDArray[np.floating[Any]]:
    """A square image averaged over blocks, until it is at most `side` high. [side, side]"""
    square = _square(values)
    block = max(1, math.ceil(len(square) / side))
    spare = -len(square) % block
    padded = np.pad(square, ((0, spare), (0, spare)))
    blocks = padded.reshape(len(padded) // block, block, len(padded) // block, block)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _square(values: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    side = math.isqrt(values.size)
    return values.reshape(side, side)


def _tinted(share: NDArray[np.floating[Any]], colour: RGBA) -> RGBA:
    picture = np.empty((*share.shape, 4), np.uint8)
    picture[..., :3] = colour
    picture[..., 3] = np.round(255 * share)
    return picture

"""A drawing as a network knows digits: the strokes of a pen become 28 × 28 numbers, as MNIST's images were made.

    scaled, in its proportions, into 20 × 20; gray where an edge falls between pixels;
    moved by whole pixels, so that the centre of its mass falls into pixel (14, 14) of 28 × 28, counted from 0

LeCun et al. 1998, "Gradient-based learning applied to document recognition", section III.A. A network that never saw
a digit in a corner cannot read one there: what it is asked must be made as what it learned from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twofold.errors import UserError

__all__ = ["centre_of_mass", "image", "render"]

SIZE, BOX = 28, 20  # pixels a side: the image, and the longer side of the ink
PEN = 1.5  # half of a stroke's width, in pixels: MNIST's ones are three pixels wide
EVEN = 1e-3  # pixels, so that what is drawn evenly, with its mass between two pixels, does not jump while it is drawn
SMALLEST = 0.1  # of the pad: what is smaller is a dot, and is not made larger than one


def image(strokes: Sequence[Sequence[Sequence[float]]], size: int = SIZE) -> np.ndarray:
    """[size, size], 0 paper to 1 ink, of strokes: each a list of points (x, y), from 0 to 1 across the pad and down it.

    A stroke of one point is a dot. Without any all is paper. Images smaller than MNIST's are filled to their edges, as
    scikit-learn's are. Raises UserError for what is no point.
    """
    lines = [_points(stroke) for stroke in strokes if len(stroke)]
    if not lines:
        return np.zeros((size, size))
    every = np.concatenate(lines)
    low, high = every.min(axis=0), every.max(axis=0)
    box = round(BOX * size / SIZE) if size >= BOX else size
    pen = PEN * box / BOX
    scale = (box - 2 * pen - 1) / max(float((high - low).max()), SMALLEST)  # 1: the pixel over which ink fades
    lines = [(line - (low + high) / 2) * scale + size / 2 for line in lines]
    if box == size:
        return render(lines, pen, size)
    moved = size // 2 - np.floor(centre_of_mass(render(lines, pen, size)) + EVEN)
    return render([line + moved for line in lines], pen, size)


def render(lines: Sequence[np.ndarray], radius: float, size: int = SIZE) -> np.ndarray:
    """[size, size]: ink within `radius` of the lines ([n, 2] each, in pixels), fading over the pixel at its edge."""
    begins = np.concatenate([line[: max(1, len(line) - 1)] for line in lines])
    along = np.concatenate([line[min(1, len(line) - 1) :] for line in lines]) - begins
    centres = np.arange(size) + 0.5
    x, y = centres[None, :] - begins[:, :1], centres[None, :] - begins[:, 1:]  # [segments, size]
    dots = (y * along[:, 1:])[:, :, None] + (x * along[:, :1])[:, None, :]
    t = np.clip(dots / np.maximum((along**2).sum(axis=1), 1e-12)[:, None, None], 0, 1)
    right, down = x[:, None, :] - t * along[:, 0, None, None], y[:, :, None] - t * along[:, 1, None, None]
    distance = np.sqrt((right**2 + down**2).min(axis=0))
    return np.clip(radius + 0.5 - distance, 0, 1)


def centre_of_mass(picture: np.ndarray) -> np.ndarray:
    """(x, y) in pixels from the upper left corner, of a picture that is not all paper."""
    centres = np.arange(len(picture)) + 0.5
    return np.array([picture.sum(axis=0) @ centres, picture.sum(axis=1) @ centres]) / picture.sum()


def _points(stroke: Sequence[Sequence[float]]) -> np.ndarray:
    try:
        points = np.asarray(stroke, dtype=np.float64)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or not (np.abs(points) <= 1).all() or points.min() < 0:
        raise UserError("a stroke is a list of points [x, y], each from 0 to 1: across the pad, and down it")
    return points

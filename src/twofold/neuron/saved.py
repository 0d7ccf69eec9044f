"""A network in one .npz file: its arrays, what it is, and how it came to be. Pickle is never read.

    about        JSON: the kind of network, its choices, and whatever lineage one gives it
    p0, p1, …    the parameters, in the order of `network.parameters`
"""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twofold.atomic import writing
from twofold.errors import FileFormatError
from twofold.neuron.convolution import ConvolutionalNetwork
from twofold.neuron.network import Array, Network

__all__ = ["AnyNetwork", "load", "load_arrays", "save"]

AnyNetwork = Network | ConvolutionalNetwork

FORMAT = "twofold digits 1"
_MOST = 1 << 28  # bytes; the lecture's network has 104 kB


def save(path: str | os.PathLike[str], network: AnyNetwork, lineage: Mapping[str, Any] | None = None,
         extra: Mapping[str, Array] | None = None) -> None:  # fmt: skip
    """Write beside and rename into place. `lineage` is kept as JSON, `extra` arrays under their names."""
    if isinstance(network, ConvolutionalNetwork):
        about: dict[str, Any] = {"kind": "convolutional", "side": network.side, "pools": list(network.pools)}
    else:
        about = {"kind": "dense", "activation": network.activation, "loss": network.loss}
    about = {"format": FORMAT, **about, "lineage": dict(lineage or {})}
    arrays = {f"p{i}": parameter for i, parameter in enumerate(network.parameters)}
    with writing(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, allow_pickle=False, about=np.array(json.dumps(about)), **arrays, **(extra or {}))


def load(path: str | os.PathLike[str]) -> tuple[AnyNetwork, dict[str, Any]]:
    """The network and its lineage. Raises FileFormatError for a file that is not what `save` writes, ConfigError for
    parameters that don't fit each other."""
    arrays = load_arrays(path)
    about = _about(path, arrays)
    found = [arrays[f"p{i}"] for i in range(sum(name[:1] == "p" and name[1:].isdigit() for name in arrays))
             if f"p{i}" in arrays]  # fmt: skip
    if len(found) < 2 or len(found) % 2 or any(each.dtype.kind != "f" or not np.isfinite(each).all() for each in found):
        raise FileFormatError(f"{path}: its parameters are not pairs of finite numbers; train the network again")
    weights, biases = found[::2], found[1::2]
    network: AnyNetwork
    if about.get("kind") == "convolutional":
        side, pools = about.get("side"), about.get("pools")
        if not isinstance(side, int) or not isinstance(pools, list) or len(pools) != len(weights) - 1 or not all(
                isinstance(pool, int) and pool > 0 for pool in pools):  # fmt: skip
            raise FileFormatError(f"{path}: side {side!r} and pools {pools!r} cannot be")
        network = ConvolutionalNetwork(side, weights[:-1], biases[:-1], tuple(pools), weights[-1], biases[-1])
    elif about.get("kind") == "dense":
        network = Network(weights, biases, str(about.get("activation")), str(about.get("loss")))
    else:
        raise FileFormatError(f"{path} holds a network of the kind {about.get('kind')!r}, which is not known here")
    return network, about["lineage"]


def load_arrays(path: str | os.PathLike[str]) -> dict[str, Array]:
    """Every array in an .npz file by its name. Raises FileFormatError for one that is damaged, pickled or too large."""
    try:
        with zipfile.ZipFile(Path(path)) as parts:
            size = sum(part.file_size for part in parts.infolist())
        if size > _MOST:
            raise FileFormatError(f"{path} would unpack to {size:,} bytes; a network of digits is far smaller")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError as error:
        raise FileFormatError(f"there is no file {path}") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        raise FileFormatError(f"{path} is not a network that was saved here, or it is damaged: {error}") from error


def _about(path: str | os.PathLike[str], arrays: Mapping[str, Array]) -> dict[str, Any]:
    try:
        about = json.loads(str(arrays["about"]))
        if about["format"] == FORMAT and isinstance(about["lineage"], dict):
            return dict(about)
        reason = f"its format is {about['format']!r:.60}"
    except (KeyError, TypeError, ValueError) as error:
        reason = f"it does not say what it is ({error})"
    raise FileFormatError(f"{path} is not a network that was saved here: {reason}; this reads {FORMAT!r}")

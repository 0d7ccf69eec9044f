"""Adapters: what LoRA learned of a model, as a small safetensors file that knows which model it belongs to.

    blocks.0.attn.W_Q.A [r, in]   blocks.0.attn.W_Q.B [out, r] …     W -> W + scale · B A
    in the file's __metadata__: twofold.base, the SHA-256 of the parameters file; twofold.scale

No torch is needed, so that a merged model can be had wherever a model runs.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from twofold.errors import ConfigError, FileFormatError
from twofold.tokenizer.chat import TEMPLATE
from twofold.weights import safetensors
from twofold.weights.parameters import Parameters

__all__ = ["ADAPTER", "Adapter", "fingerprint", "load", "merged", "save"]

ADAPTER = "adapter.safetensors"


@dataclass(frozen=True)
class Adapter:
    """`matrices`: name of the weight -> (A [r, in], B [out, r]); `base`: SHA-256 of the file that it was learned on."""

    base: str
    scale: float
    matrices: dict[str, tuple[np.ndarray, ...]]


def fingerprint(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a parameters file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save(path: str | os.PathLike[str], adapter: Adapter) -> None:
    tensors = {f"{name}.{letter}": part for name, parts in adapter.matrices.items()
               for letter, part in zip("AB", parts, strict=True)}  # fmt: skip
    about = {"twofold.base": adapter.base, "twofold.scale": repr(float(adapter.scale))}
    safetensors.write(Path(path), tensors, dict.fromkeys(tensors, "F32"), about)


def load(path: str | os.PathLike[str]) -> Adapter:
    """Raises FileFormatError for a file that is no adapter of ours."""
    file = safetensors.read(Path(path))
    try:
        scale = float(file.about["twofold.scale"])
        base = file.about["twofold.base"]
    except (KeyError, ValueError) as error:
        raise FileFormatError(f"{path} does not say which model it belongs to, so it is no adapter of ours") from error
    if not math.isfinite(scale):
        raise FileFormatError(f"{path} has the scale {scale}; it is damaged")
    names = sorted({name.rsplit(".", 1)[0] for name in file.tensors})
    expected = {f"{name}.{letter}" for name in names for letter in "AB"}
    if not names or expected != set(file.tensors):
        raise FileFormatError(f"{path} does not hold an A and a B for each matrix, so it is no adapter of ours")
    return Adapter(base, scale, {name: (file.array(f"{name}.A"), file.array(f"{name}.B")) for name in names})


def merged(parameters: Parameters, adapter: Adapter, base: str) -> Parameters:
    """The model with the adapter in its weights, and the template that it was taught in.

    `base` is the fingerprint of the file that `parameters` came from.

    Raises ConfigError when the adapter belongs to another model.
    """
    if adapter.base != base:
        raise ConfigError(
            f"the adapter was learned on another model, the file {adapter.base[:12]}…, and this one is {base[:12]}…; "
            "give the parameters file that it was trained from"
        )
    state = dict(parameters.state)
    for name, (a, b) in adapter.matrices.items():
        weight = state.get(name)
        if weight is None or a.ndim != 2 or b.ndim != 2 or (len(b), len(a), a.shape[1]) != (
            len(weight), b.shape[1], weight.shape[-1]):  # fmt: skip
            raise ConfigError(f"the adapter's {name} is {b.shape} by {a.shape}, which does not fit this model")
        state[name] = weight + np.float32(adapter.scale) * (b @ a)
    return replace(parameters, state=state, chat_template=parameters.chat_template or TEMPLATE)

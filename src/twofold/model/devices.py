"""Devices and float types by name."""

from __future__ import annotations

import os

import torch

from twofold.errors import ConfigError

__all__ = ["DTYPES", "pick_device"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(wanted: str = "auto") -> torch.device:
    """`auto` takes CUDA, then Apple's GPU, then the CPU. Raises ConfigError for a device that is not there."""
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if present[name]))
    kind = wanted.split(":")[0]
    if not present.get(kind, False):
        raise ConfigError(
            f"the device {wanted!r} is not available here (available: "
            f"{', '.join(name for name, there in present.items() if there)}); use --device auto"
        )
    if kind == "cuda" and wanted == "cuda" and "LOCAL_RANK" in os.environ:
        wanted = f"cuda:{os.environ['LOCAL_RANK']}"
    return torch.device(wanted)

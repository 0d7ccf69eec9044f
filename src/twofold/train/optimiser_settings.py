"""The optimiser's numbers: which kind, the peak learning rates, and how much of the past it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from twofold.errors import ConfigError

__all__ = ["OptimiserSettings"]


@dataclass(frozen=True)
class OptimiserSettings:
    """Learning rates are peaks; the schedule scales all of them together. `block`: see muon.py."""

    kind: Literal["muon", "adamw"] = "muon"
    lr: float = 0.02
    embedding_lr: float = 0.07
    unembedding_lr: float = 0.008
    gain_lr: float = 0.01
    beta1: float = 0.8
    beta2: float = 0.95
    momentum: float = 0.95
    block: int = 64
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in ("muon", "adamw"):
            raise ConfigError(f"optimiser {self.kind!r} is not one of muon, adamw")
        for name in ("lr", "embedding_lr", "unembedding_lr", "gain_lr"):
            if not 0 < getattr(self, name) < 10:
                raise ConfigError(f"{name}={getattr(self, name)} is not a learning rate; use one between 0 and 10")

"""The shape of a decoder transformer: one small frozen record that covers GPT-2, Llama, Qwen3 and attention-only.

    family         positions  norm   mlp      bias  qk_norm  tied
    gpt2           learned    layer  gelu     yes   no       yes
    llama          rotary     rms    swiglu   no    no       either
    qwen3          rotary     rms    swiglu   no    yes      either
    arcee          rotary     rms    relu2    no    no       either
    twofold        anything else: the same file format, run by run.py only

The first four are architectures that llama.cpp and transformers know by these names.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from twofold.errors import ConfigError

__all__ = ["ModelConfig"]

Positions = Literal["learned", "rotary", "none"]
Norm = Literal["layer", "rms"]
Mlp = Literal["gelu", "swiglu", "relu2", "none"]

_CHOICES = {
    "positions": ("learned", "rotary", "none"),
    "norm": ("layer", "rms"),
    "mlp": ("gelu", "swiglu", "relu2", "none"),
}


@dataclass(frozen=True)
class ModelConfig:
    """Sizes. `d_head` of 0 means d_model / n_heads, `n_kv_heads` of 0 means n_heads, `d_ff` of 0 the family's usual."""

    vocab_size: int
    n_layers: int
    d_model: int
    n_heads: int
    context: int = 256
    n_kv_heads: int = 0
    d_head: int = 0
    d_ff: int = 0
    positions: Positions = "rotary"
    norm: Norm = "rms"
    mlp: Mlp = "swiglu"
    bias: bool = False
    qk_norm: bool = True
    tied: bool = False
    rope_base: float = 10000.0
    norm_eps: float = 1e-6

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                raise ConfigError(f"{name}={getattr(self, name)!r} is not one of {', '.join(allowed)}")
        for name in ("vocab_size", "d_model", "n_heads", "context"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("n_layers", "n_kv_heads", "d_head", "d_ff"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}={getattr(self, name)} must not be negative")
        if not self.d_head and self.d_model % self.n_heads:
            nearest = max(1, self.d_model // self.n_heads) * self.n_heads
            raise ConfigError(
                f"d_model={self.d_model} is not a multiple of n_heads={self.n_heads}; "
                f"the nearest below that is: {nearest} (or name d_head)"
            )
        derived = {
            "d_head": self.d_head or self.d_model // self.n_heads,
            "n_kv_heads": self.n_kv_heads or self.n_heads,
            "d_ff": 0 if self.mlp == "none" else self.d_ff or self._usual_d_ff(),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)
        if self.n_heads % self.n_kv_heads:
            raise ConfigError(
                f"n_heads={self.n_heads} is not a multiple of n_kv_heads={self.n_kv_heads}; "
                "each key-value head serves the same number of query heads"
            )
        if self.positions == "rotary" and self.d_head % 2:
            raise ConfigError(f"d_head={self.d_head} is odd; rotary positions turn channels in pairs, so make it even")

    def _usual_d_ff(self) -> int:
        if self.mlp == "swiglu":  # the gate is a third matrix: 8/3 d keeps the parameters of 4 d
            return -(-8 * self.d_model // 3 // 64) * 64
        return 4 * self.d_model

    @property
    def architecture(self) -> str:
        """The name that llama.cpp and transformers know this shape by, or `twofold`."""
        llama_like = self.positions == "rotary" and self.norm == "rms" and not self.bias
        if self.n_layers == 0:
            return "twofold"
        if llama_like and self.mlp == "swiglu":
            return "qwen3" if self.qk_norm else "llama"
        if llama_like and self.mlp == "relu2" and not self.qk_norm:
            return "arcee"
        if (
            self.positions == "learned" and self.norm == "layer" and self.mlp == "gelu" and self.bias
            and self.tied and not self.qk_norm and self.n_kv_heads == self.n_heads
            and self.d_head * self.n_heads == self.d_model
        ):
            return "gpt2"
        return "twofold"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

"""One block: attention moves information between positions, the MLP works on it in place.

    x = x + attention(norm(x));   x = x + mlp(norm(x))
"""

from __future__ import annotations

from jaxtyping import Bool, Float
from torch import Tensor, nn

from twofold.model.attention import Attention
from twofold.model.config import ModelConfig
from twofold.model.mlp import MLP
from twofold.model.norm import make_norm
from twofold.model.tap import Tap, untouched

__all__ = ["Block"]


class Block(nn.Module):
    tap: Tap | None = None

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.ln1 = make_norm(config.norm, config.d_model, config.norm_eps, config.bias)
        self.attn = Attention(config)
        self.ln2 = None if config.mlp == "none" else make_norm(
            config.norm, config.d_model, config.norm_eps, config.bias
        )
        self.mlp = None if config.mlp == "none" else MLP(config)

    def forward(
        self,
        x: Float[Tensor, "b s d"],
        table: tuple[Tensor, Tensor] | None = None,
        cache: dict[str, Tensor] | None = None,
        visible: Bool[Tensor, "b 1 s s"] | None = None,
    ) -> Float[Tensor, "b s d"]:
        tap = self.tap or untouched
        x = tap("hook_resid_pre", x)
        x = x + tap("hook_attn_out", self.attn(self.ln1(x), table, cache, visible))
        if self.mlp is not None and self.ln2 is not None:
            x = tap("hook_resid_mid", x)
            x = x + tap("hook_mlp_out", self.mlp(self.ln2(x)))
        return tap("hook_resid_post", x)

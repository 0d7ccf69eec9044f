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

__all__ = ["Block"]


class Block(nn.Module):
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
        x = x + self.attn(self.ln1(x), table, cache, visible)
        return x if self.mlp is None or self.ln2 is None else x + self.mlp(self.ln2(x))

"""How much the paths through none, one, two … attention layers are worth, in nats.

    run 1         save the patterns (and the norms' scales)
    run 2         with those frozen, every layer's output is saved and zeros are added in its stead: order 0
    run n         frozen again, the previous run's outputs are added: order n − 2

With patterns frozen a model without MLPs is linear, so that each run lets one more layer of heads into the sum; the
last one's loss is the model's own. Elhage et al. 2021, "Term Importance Analysis".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Int
from torch import Tensor

from twofold.errors import ConfigError
from twofold.model.decoder import Decoder
from twofold.model.tap import Act
from twofold.model.watching import recording, tapped

__all__ = ["term_importance"]


@torch.no_grad()
def term_importance(model: Decoder, rows: Int[Tensor, "b s1"]) -> list[float]:
    """Mean nats per token with paths of order 0, 1, … n_layers; differences of neighbours are what an order is worth.

    Raises ConfigError for a model with MLPs, which no freezing makes linear.
    """
    if model.config.mlp != "none":
        raise ConfigError("the importance of terms is defined for models of attention alone; this one has MLPs")
    ids, targets = rows[:, :-1], rows[:, 1:]
    layers = model.config.n_layers
    patterns = ["*.hook_pattern"] if layers else []
    with recording(model, *patterns, "*.hook_scale") as first:
        model(ids)
    frozen: dict[str, Act] = {name: lambda value, name: first[name] for name in first if "_norm." not in name}
    before: dict[str, Tensor] = {}
    nats = []
    for _ in range(layers + 1):
        now: dict[str, Tensor] = {}
        with tapped(model, {**frozen, **({"blocks.*.hook_attn_out": _swap(now, before)} if layers else {})}):
            nats.append(float(F.cross_entropy(model(ids).flatten(0, 1), targets.flatten())))
        before = now
    return nats


def _swap(now: dict[str, Tensor], before: dict[str, Tensor]) -> Act:
    """Keep what is written, and give what the run before wrote, or zeros."""

    def act(value: Tensor, name: str) -> Tensor:
        now[name] = value
        return before.get(name, torch.zeros_like(value))

    return act

"""LoRA by surgery: where a matrix of the blocks stood, a LowRank stands, which holds it frozen and learns an addition.

    wrap(model, rank=8)                 W -> W + (alpha / rank) B A, and nothing but A and B learns
    adapter_of(model, …) -> Adapter     what was learned, small
    merge(model)                        the matrices again, with what was learned in them

Hu et al. 2021, arXiv:2106.09685. The ends (embedding, unembedding) and the norms stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from twofold.errors import ConfigError
from twofold.model.decoder import Decoder
from twofold.model.linear import LowRank
from twofold.weights.adapters import Adapter

__all__ = ["TARGETS", "adapter_of", "low_ranks", "merge", "wrap"]

TARGETS = ("W_Q", "W_K", "W_V", "W_O", "W_in", "W_gate", "W_out")


def wrap(model: Decoder, rank: int, alpha: float = 0.0, seed: int = 0, targets: tuple[str, ...] = TARGETS) -> Decoder:
    """Freeze the model and let low-rank additions to `targets` learn; `alpha` of 0 is twice the rank.

    Raises ConfigError for a rank that no matrix has, or for names of which none is in the model.
    """
    widest = max(model.config.d_model, model.config.d_ff, model.config.d_head * model.config.n_heads)
    if not 1 <= rank <= widest:
        raise ConfigError(f"rank={rank} must be from 1 to {widest}, the model's widest; 8 is usual")
    if any(low_ranks(model)):
        raise ConfigError("the model holds adapters already; merge them first")
    generator = torch.Generator().manual_seed(seed)
    model.requires_grad_(False)
    found = [(module, name) for block in model.blocks for module in block.modules()
             for name, _ in list(module.named_parameters(recurse=False)) if name in targets]  # fmt: skip
    if not found:
        raise ConfigError(f"none of {', '.join(targets)} is in the model; these can learn: {', '.join(TARGETS)}")
    for module, name in found:
        weight = getattr(module, name)
        delattr(module, name)
        module.add_module(name, LowRank(weight, rank, (alpha or 2 * rank) / rank, generator))
    return model


def low_ranks(model: Decoder) -> Iterator[tuple[str, LowRank]]:
    """Every addition by the name of the matrix that it belongs to."""
    return ((name, module) for name, module in model.named_modules() if isinstance(module, LowRank))


def adapter_of(model: Decoder, base: str) -> Adapter:
    """What the additions have learned, for the model whose file has the SHA-256 `base`."""
    matrices, scale = {}, 0.0
    for name, one in low_ranks(model):
        scale = one.scale
        matrices[name] = tuple(part.detach().float().cpu().numpy() for part in (one.A, one.B))
    return Adapter(base, scale, matrices)


@torch.no_grad()
def merge(model: Decoder) -> Decoder:
    """Put W + scale · B A where W and its addition stood. All parameters can learn again."""
    for name, one in list(low_ranks(model)):
        *path, leaf = name.split(".")
        owner = model.get_submodule(".".join(path))
        delattr(owner, leaf)
        whole = one.W.float() + one.scale * (one.B @ one.A)
        owner.register_parameter(leaf, nn.Parameter(whole.to(one.W.dtype)))
    return model.requires_grad_(True)

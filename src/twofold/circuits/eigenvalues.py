"""What eigenvalues say of a head: does it raise the token that it looks at, does it look for what was before?

    positivity    Re(Σλ) / Σ|λ|, from −1 to 1
    copying       of W_U W_OV W_E [v, v]: a token that is looked at raises its own logit
    matching      of W_Eᵀ W_QK(later) W_OV(earlier) W_E: the later head looks for what the earlier one moved there

Elhage et al. 2021, "Copying" and "Analyzing the Induction Heads". λ(AB) = λ(BA) leaves an e × e matrix. Induction heads
are at the top right of (matching, copying). Evidence, not proof: a head can copy without it, and the reverse.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from twofold.circuits.factored import FactoredMatrix
from twofold.circuits.matrices import Heads, embedding, heads, unembedding
from twofold.model.decoder import Decoder

__all__ = ["copying", "matching", "positivity"]


def positivity(eigenvalues: Tensor) -> Float[Tensor, "*stack"]:
    """Re(Σλ) / Σ|λ| over the last axis; 0 where all are 0."""
    size = eigenvalues.abs().sum(-1)
    return eigenvalues.real.sum(-1) / torch.where(size > 0, size, torch.ones_like(size))


@torch.no_grad()
def copying(model: Decoder, them: Heads | None = None) -> Float[Tensor, " n"]:
    """Of every head, numbered as in Heads. All heads share the one d × d matrix W_E W_U, so that it is worth making."""
    them = heads(model) if them is None else them
    around = embedding(model) @ unembedding(model)
    return positivity(torch.linalg.eigvals(them.W_V @ around @ them.W_O))


@torch.no_grad()
def matching(model: Decoder, later: tuple[int, int], earlier: tuple[int, int]) -> float:
    """Of two heads, each as (layer, head)."""
    them, tokens = heads(model), embedding(model)
    reads, wrote = them.QK[them.number(*later)], them.OV[them.number(*earlier)]
    both: FactoredMatrix = tokens.T @ (reads @ wrote) @ tokens
    return float(positivity(both.eigenvalues()))

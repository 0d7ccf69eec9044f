"""How much a later head reads of what an earlier one wrote: through its queries, its keys or its values.

    Q   ‖W_QKᵀ(later) W_OV(earlier)‖ / (‖W_QK(later)‖ ‖W_OV(earlier)‖)
    K   ‖W_QK(later) W_OV(earlier)‖ / (…)
    V   ‖W_OV(later) W_OV(earlier)‖ / (‖W_OV(later)‖ ‖W_OV(earlier)‖)                              Frobenius' norms

Elhage et al. 2021, "Two-Layer Attention-Only Transformers". Random matrices of these shapes are not at 0 but near
1/√d, so the mean of such is what a score is compared with, and their spread says what is chance. The first published
figure computed ‖W_K W_O W_V W_Qᵀ‖: a cyclic shift keeps trace and eigenvalues, but not the norm.

A norm does not change when what stands outside is replaced by a triangle with the same Gram matrix: with
W_Q W_Qᵀ = R_QᵀR_Q and W_V W_Vᵀ = R_VᵀR_V, ‖W_Qᵀ (W_K W_O) W_V‖ = ‖(R_Q W_K)(W_O R_Vᵀ)‖. So all pairs are one product of
two stacks, and the sums of squares of its e × e tiles; no d × d matrix is formed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from twofold.circuits.factored import FactoredMatrix
from twofold.circuits.matrices import Heads, heads
from twofold.model.decoder import Decoder

__all__ = ["KINDS", "Chance", "Compositions", "chance", "composition", "compositions"]

KINDS = ("Q", "K", "V")
DRAWS = 30
_NOTHING = 1e-30


@dataclass(frozen=True)
class Chance:
    """Mean and standard deviation of the score of random matrices of the same shapes."""

    mean: float
    deviation: float


@dataclass(frozen=True)
class Compositions:
    """scores[kind][later, earlier], numbered as in Heads; NaN where `earlier` does not come before `later`."""

    scores: dict[str, Float[Tensor, "n n"]]
    chance: Chance
    names: list[str]

    def above_chance(self, kind: str) -> Float[Tensor, "n n"]:
        return self.scores[kind] - self.chance.mean

    def strongest(self, k: int) -> list[tuple[str, str, str, float]]:
        """The k pairs furthest above chance: (kind, later, earlier, score less chance)."""
        found = []
        for kind in self.scores:
            excess = self.above_chance(kind).nan_to_num(nan=-torch.inf)
            values, places = excess.flatten().topk(min(k, excess.numel()))
            n = len(self.names)
            found += [(kind, self.names[at // n], self.names[at % n], value)
                      for value, at in zip(values.tolist(), places.tolist(), strict=True) if value > -torch.inf]
        return sorted(found, key=lambda one: -one[3])[:k]


def composition(reader: FactoredMatrix, writer: FactoredMatrix) -> Float[Tensor, "*stack"]:
    """‖reader · writer‖ / (‖reader‖ ‖writer‖) of one pair, 0 of nothing; for Q-composition the reader is W_QKᵀ."""
    return (reader @ writer).norm() / (reader.norm() * writer.norm()).clamp(min=_NOTHING)


@torch.no_grad()
def compositions(model: Decoder, them: Heads | None = None, seed: int = 0) -> Compositions:
    """All pairs of heads in which one comes in an earlier layer; `them` are the model's heads, if they are at hand.

    Raises ConfigError for a model without layers.
    """
    them = heads(model) if them is None else them
    _, e, d = them.W_Q.shape
    writes = them.W_O @ _triangle(them.W_V).mT
    writes = writes / them.OV.norm().clamp(min=_NOTHING)[:, None, None]
    readers = {"Q": (them.W_K, them.W_Q), "K": (them.W_Q, them.W_K), "V": (them.W_O.mT, them.W_V)}
    scores = {}
    for kind, (outside, inside) in readers.items():
        size = FactoredMatrix(outside.mT, inside).norm().clamp(min=_NOTHING)
        reads = _triangle(outside) @ inside / size[:, None, None]
        scores[kind] = _tiles(reads, writes, them.n_heads)
    return Compositions(scores, chance(d, e, seed), them.names)


def _triangle(matrix: Float[Tensor, "n e d"]) -> Float[Tensor, "n e e"]:
    """R with RᵀR = M Mᵀ: as much as M from outside, as far as norms go. Of a rank below e, it is off by 1e-6."""
    wide = matrix.double()
    gram = wide @ wide.mT
    size = gram.diagonal(dim1=-2, dim2=-1).mean(-1).clamp(min=_NOTHING)[:, None, None]
    floor = 1e-12 * size * torch.eye(gram.shape[-1], dtype=gram.dtype, device=gram.device)
    return torch.linalg.cholesky(gram + floor).mT.to(matrix.dtype)


def _tiles(
    reads: Float[Tensor, "n e d"], writes: Float[Tensor, "n d e"], n_heads: int
) -> Float[Tensor, "n n"]:
    """The norm of every product of one that reads with one that wrote in an earlier layer."""
    n, e, d = reads.shape
    found = torch.full((n, n), float("nan"), dtype=reads.dtype, device=reads.device)
    wide = writes.permute(1, 0, 2).reshape(d, n * e)
    for low in range(n_heads, n, n_heads):
        product = reads[low : low + n_heads].reshape(-1, d) @ wide[:, : low * e]
        squares = product.view(n_heads, e, low, e).square_().sum((1, 3))
        found[low : low + n_heads, :low] = squares.sqrt()
    return found


def chance(d: int, e: int, seed: int = 0, draws: int = DRAWS) -> Chance:
    """The score of products of Gaussian matrices: the same for Q, K and V, whose shapes are the same."""
    generator = torch.Generator().manual_seed(seed)
    values = []
    for _ in range(draws):
        left, inner, outer, right = (torch.randn(e, d, generator=generator) for _ in range(4))
        values.append(float(composition(FactoredMatrix(left.mT, inner), FactoredMatrix(outer.mT, right))))
    spread = torch.tensor(values)
    return Chance(float(spread.mean()), float(spread.std()))

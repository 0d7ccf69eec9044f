"""The space of embeddings: what is near to what, and whether differences mean anything.

    neighbours    by cosine
    analogy       a is to b as c is to ?      the nearest to b − a + c, the three left out

Mikolov et al. 2013, arXiv:1301.3781. The known flaw (Rogers et al. 2017; Linzen 2016, arXiv:1606.07736): leaving the
three out, the answer is often just the nearest to c, whatever a and b were. So it is measured how often an analogy
holds, how often with the difference of a pair that has nothing to do with it, and how often the nearest to c does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from twofold.errors import ConfigError
from twofold.intervals import wilson
from twofold.model.decoder import Decoder

__all__ = ["Analogies", "Share", "analogies", "analogy", "neighbours", "projection"]


@dataclass(frozen=True)
class Share:
    right: int
    of: int

    @property
    def share(self) -> float:
        return self.right / self.of if self.of else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Of 95 %, as if the analogies were drawn one by one; those that share a pair are not."""
        return wilson(self.right, self.of)


@dataclass(frozen=True)
class Analogies:
    """`holds` with the right difference, `unrelated` with that of two tokens drawn by chance, `nearest` to c alone."""

    holds: Share
    unrelated: Share
    nearest: Share


@torch.no_grad()
def neighbours(model: Decoder, token: int, k: int = 10) -> list[tuple[int, float]]:
    """The k nearest other tokens, with the cosine."""
    near = _near(_unit(model), model.W_E[_checked(model, token)], [token])
    top = near.topk(min(k, len(near) - 1))
    return list(zip(top.indices.tolist(), top.values.tolist(), strict=True))


@torch.no_grad()
def analogy(model: Decoder, a: int, b: int, c: int, k: int = 5) -> list[tuple[int, float]]:
    """The k nearest to b − a + c, the three left out, with the cosine."""
    E = model.W_E
    for one in (a, b, c):
        _checked(model, one)
    top = _near(_unit(model), E[b] - E[a] + E[c], [a, b, c]).topk(min(k, len(E) - 3))
    return list(zip(top.indices.tolist(), top.values.tolist(), strict=True))


@torch.no_grad()
def analogies(model: Decoder, pairs: Sequence[tuple[int, int]], seed: int = 0) -> Analogies:
    """Every two pairs of one relation, (man, woman) with (king, queen), both ways. Needs two pairs at least."""
    if len(pairs) < 2:
        raise ConfigError(f"{len(pairs)} pairs make no analogy; give at least two, such as king:queen man:woman")
    for pair in pairs:
        for one in pair:
            _checked(model, one)
    unit, E = _unit(model), model.W_E
    generator = torch.Generator().manual_seed(seed)
    right = {"holds": 0, "unrelated": 0, "nearest": 0}
    n = 0
    for a, b in pairs:
        for c, d in pairs:
            if c in (a, b) or d in (a, b, c):
                continue
            n += 1
            x, y = torch.randint(len(E), (2,), generator=generator).tolist()
            asked = {"holds": E[b] - E[a] + E[c], "unrelated": E[y] - E[x] + E[c], "nearest": E[c]}
            for name, vector in asked.items():
                right[name] += int(_near(unit, vector, [a, b, c]).argmax()) == d
    return Analogies(*(Share(right[name], n) for name in ("holds", "unrelated", "nearest")))


@torch.no_grad()
def projection(model: Decoder, tokens: Sequence[int]) -> tuple[Float[Tensor, "n 2"], float]:
    """These tokens along the two directions in which they differ most (PCA), and the share of variance that is seen."""
    rows = model.W_E[torch.as_tensor(list(tokens))]
    if len(rows) < 3:
        raise ConfigError(f"a projection of {len(rows)} tokens shows nothing; give at least three")
    U, S, _ = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)
    return U[:, :2] * S[:2], float(S[:2].square().sum() / S.square().sum().clamp(min=1e-30))


def _unit(model: Decoder) -> Float[Tensor, "v d"]:
    return F.normalize(model.W_E, dim=-1)


def _near(unit: Float[Tensor, "v d"], vector: Float[Tensor, " d"], out: Sequence[int]) -> Float[Tensor, " v"]:
    """Cosines with all tokens; those that are left out are at -inf."""
    cosines = unit @ F.normalize(vector, dim=0)
    cosines[list(out)] = -torch.inf
    return cosines


def _checked(model: Decoder, token: int) -> int:
    if not 0 <= token < model.config.vocab_size:
        raise ConfigError(f"the token {token} is not in the model's vocabulary of {model.config.vocab_size}")
    return token

"""The space of embeddings: what is near to what, and whether differences mean anything.

    neighbours    by cosine
    analogy       a is to b as c is to ?      the nearest to b − a + c, the three left out
    projection    onto the first two rows of Vᵀ, where the rows less their mean are U S Vᵀ

Mikolov et al. 2013, arXiv:1301.3781. The known flaw (Rogers et al. 2017; Linzen 2016, arXiv:1606.07736): leaving the
three out, the answer is often just the nearest to c, whatever a and b were. So it is measured how often an analogy
holds, how often with the difference of a pair that has nothing to do with it, and how often the nearest to c does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from twofold.errors import ConfigError
from twofold.intervals import wilson
from twofold.model.decoder import Decoder

__all__ = ["Analogies", "Share", "analogies", "analogy", "nearest", "neighbours", "projection", "ranks"]


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
def nearest(model: Decoder, tokens: Sequence[int], k: int = 10) -> tuple[Int[Tensor, "n k"], Float[Tensor, "n k"]]:
    """The k nearest others of each token, from the nearest on, and their cosines.

    Raises ConfigError for a token that there is not.
    """
    rows = model.W_E[[_checked(model, one) for one in tokens]]
    top = _near(_unit(model), rows, [[one] for one in tokens]).topk(min(k, len(model.W_E) - 1))
    return top.indices, top.values


def neighbours(model: Decoder, token: int, k: int = 10) -> list[tuple[int, float]]:
    """The k nearest other tokens, with the cosine."""
    ids, cosines = nearest(model, [token], k)
    return list(zip(ids[0].tolist(), cosines[0].tolist(), strict=True))


@torch.no_grad()
def analogy(model: Decoder, a: int, b: int, c: int, k: int = 5) -> list[tuple[int, float]]:
    """The k nearest to b − a + c, the three left out, with the cosine."""
    cosines = _near(_unit(model), _steps(model, [(a, b, c)]), [[a, b, c]])[0]
    top = cosines.topk(min(k, len(cosines) - len({a, b, c})))
    return list(zip(top.indices.tolist(), top.values.tolist(), strict=True))


@torch.no_grad()
def ranks(model: Decoder, a: int, b: int, c: int, d: int) -> tuple[int, int]:
    """Which place d has among all tokens but a, b and c, from 1: by nearness to b − a + c, and to c alone.

    Raises ConfigError for a token that there is not, and for a d that is left out.
    """
    if _checked(model, d) in (a, b, c):
        raise ConfigError(f"the token {d} is one of the three of the question, which are left out of its answers")
    asked = torch.cat([_steps(model, [(a, b, c)]), model.W_E[[c]]])
    cosines = _near(_unit(model), asked, [[a, b, c]] * 2)
    with_step, alone = ((cosines > cosines[:, d, None]).sum(-1) + 1).tolist()
    return with_step, alone


@torch.no_grad()
def analogies(model: Decoder, pairs: Sequence[tuple[int, int]], seed: int = 0) -> Analogies:
    """Every two pairs of one relation, (man, woman) with (king, queen), both ways. Needs two pairs at least."""
    if len(pairs) < 2:
        raise ConfigError(f"{len(pairs)} pairs make no analogy; give at least two, such as king:queen man:woman")
    for pair in pairs:
        for one in pair:
            _checked(model, one)
    asked = [(a, b, c, d) for a, b in pairs for c, d in pairs if not (c in (a, b) or d in (a, b, c))]
    if not asked:
        return Analogies(*[Share(0, 0)] * 3)
    unit, three = _unit(model), [one[:3] for one in asked]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(unit), (len(asked), 2), generator=generator).tolist()
    given = {
        "holds": _steps(model, three), "nearest": model.W_E[[c for _, _, c in three]],
        "unrelated": _steps(model, [(x, y, c) for (x, y), (_, _, c) in zip(drawn, three, strict=True)]),
    }  # fmt: skip
    wanted = torch.tensor([d for *_, d in asked], device=unit.device)
    right = {name: int((_near(unit, vectors, three).argmax(-1) == wanted).sum()) for name, vectors in given.items()}
    return Analogies(*(Share(right[name], len(asked)) for name in ("holds", "unrelated", "nearest")))


@torch.no_grad()
def projection(model: Decoder, tokens: Sequence[int]) -> tuple[Float[Tensor, "n 2"], float]:
    """These tokens along the two directions in which they differ most (PCA), and the share of variance that is seen.

    Each direction's sign is any. Raises ConfigError for fewer than three tokens, and for one that there is not.
    """
    if len(tokens) < 3:
        raise ConfigError(f"a projection of {len(tokens)} tokens shows nothing; give at least three")
    rows = model.W_E[[_checked(model, one) for one in tokens]]
    U, S, _ = torch.linalg.svd(rows - rows.mean(0), full_matrices=False)
    return U[:, :2] * S[:2], float(S[:2].square().sum() / S.square().sum().clamp(min=1e-30))


def _unit(model: Decoder) -> Float[Tensor, "v d"]:
    return F.normalize(model.W_E, dim=-1)


def _near(
    unit: Float[Tensor, "v d"], vectors: Float[Tensor, "n d"], out: Sequence[Sequence[int]]
) -> Float[Tensor, "n v"]:
    """Each vector's cosines with all tokens; those that are left out of its row are at -inf."""
    return (F.normalize(vectors, dim=-1) @ unit.mT).scatter(1, torch.tensor(out, device=unit.device), -torch.inf)


def _steps(model: Decoder, three: Sequence[tuple[int, int, int]]) -> Float[Tensor, "n d"]:
    """b − a + c of each."""
    a, b, c = (model.W_E[[_checked(model, one) for one in column]] for column in zip(*three, strict=True))
    return b - a + c


def _checked(model: Decoder, token: int) -> int:
    if not 0 <= token < model.config.vocab_size:
        raise ConfigError(f"the token {token} is not in the model's vocabulary of {model.config.vocab_size}")
    return token

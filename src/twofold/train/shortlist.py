"""A shortlist of the vocabulary: most of a step's work is the unembedding, and most of that work is about rare tokens.

    Z = sum_frequent exp z_j + (R / m) sum_drawn exp z_j,   loss = mean of log Z - z_target

The frequent tokens are always scored; of the R rare ones m are drawn afresh each step and stand for all of them, and
the target is scored exactly, whatever it is (Bengio & Senécal 2008, "Adaptive importance sampling"; Jean et al. 2015,
arXiv:1412.2007). Z is unbiased, its logarithm nearly. The end of a run sees the whole vocabulary, which takes away
what noise and bias have left; so does every sixteenth step, which tells how long such steps take.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from twofold.train.shortlist_settings import ShortlistSettings

__all__ = ["Candidates", "Shortlist", "surprise_on_shortlist"]


@dataclass(frozen=True)
class Candidates:
    """`ids`: the frequent tokens, then those drawn, each of which stands for exp(log_weight) rare ones."""

    ids: Int[Tensor, " k"]
    n_frequent: int
    log_weight: float
    rare: Bool[Tensor, " v"]


class Shortlist:
    """`draw(step)` is a pure function of the counts, the settings and the seed; the same on every process."""

    def __init__(self, counts: Float[Tensor, " v"], settings: ShortlistSettings, seed: int) -> None:
        order = counts.argsort(descending=True, stable=True)
        n_frequent = round(settings.frequent * len(order))
        self.frequent, self.others = order[:n_frequent], order[n_frequent:]
        self.drawn = min(len(self.others), round(settings.drawn * len(order)))
        self.rare = torch.ones(len(order), dtype=torch.bool, device=counts.device)
        self.rare[self.frequent] = False
        self.seed = seed

    def draw(self, step: int) -> Candidates | None:
        """None where there is nothing to draw."""
        if not self.drawn:
            return None
        generator = torch.Generator().manual_seed(1_000_003 * self.seed + step)
        chosen = torch.randperm(len(self.others), generator=generator)[: self.drawn].to(self.others.device)
        ids = torch.cat((self.frequent, self.others[chosen]))
        return Candidates(ids, len(self.frequent), math.log(len(self.others) / self.drawn), self.rare)


def surprise_on_shortlist(
    hidden: Float[Tensor, "b s d"], W_U: Float[Tensor, "v d"], targets: Int[Tensor, "b s"],
    ids: Int[Tensor, " k"], n_frequent: int, log_weight: float, rare: Bool[Tensor, " v"],
) -> Float[Tensor, ""]:
    """Mean cross-entropy, estimated on `ids`. A target that was drawn counts as itself and not for others."""
    stream, target = hidden.flatten(0, 1), targets.flatten()
    logits = F.linear(stream, W_U[ids].to(hidden.dtype)).float()
    drawn = logits[:, n_frequent:] + log_weight
    drawn = drawn.masked_fill(ids[n_frequent:] == target[:, None], float("-inf"))
    log_z = torch.cat((logits[:, :n_frequent], drawn), 1).logsumexp(-1)
    own = (stream.float() * W_U[target].to(hidden.dtype).float()).sum(-1)
    return (torch.where(rare[target], torch.logaddexp(log_z, own), log_z) - own).mean()

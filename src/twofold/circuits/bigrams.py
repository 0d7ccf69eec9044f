"""The bigram table: what a model says of the next token from the last one alone, by its direct path.

    T = W_U W_E        through the last norm, as the model itself does it: W_U norm(W_E[a])

Elhage et al. 2021, "Zero-Layer Transformers": a model without layers can do no better than log P(b | a), so its table
is held against the counts of a corpus. In deeper models the direct path learns what the layers leave of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from twofold.circuits.lens import logits_of
from twofold.model.decoder import Decoder

__all__ = ["Bigrams", "bigram_logits", "compare"]

_ROWS = 512  # of v logits each, that exist at a time


@dataclass(frozen=True)
class Bigrams:
    """Nats per token over a corpus' pairs: of the direct path, at best (the counts' own), and without a context.

    `explained` is how far the direct path is from the latter to the former: 1 is the bigram model, 0 knows no pairs.
    """

    direct: float
    best: float
    unigram: float

    @property
    def explained(self) -> float:
        return (self.unigram - self.direct) / (self.unigram - self.best) if self.unigram > self.best else 0.0


@torch.no_grad()
def bigram_logits(model: Decoder, tokens: Tensor | None = None) -> Float[Tensor, "n v"]:
    """The direct path's scores after each of `tokens`, or after every token: then v × v numbers."""
    return logits_of(model, model.W_E if tokens is None else model.W_E[tokens])


@torch.no_grad()
def compare(model: Decoder, counts: Float[Tensor, "v v"]) -> Bigrams:
    """With how often each token follows each other one in a corpus, a table of one token's followers a row."""
    total, direct, best = counts.sum(), 0.0, 0.0
    for rows in torch.arange(len(counts)).split(_ROWS):
        part = counts[rows]
        direct -= float((part * bigram_logits(model, rows).log_softmax(-1)).sum() / total)
        shares = part / part.sum(1, keepdim=True).clamp(min=1e-30)
        best -= float(torch.special.xlogy(part, shares).sum() / total)
    overall = counts.sum(0) / total
    return Bigrams(direct, best, -float(torch.special.xlogy(overall, overall).sum()))

"""What finetuning minimises: the surprise at the assistant's own tokens, and at nobody else's.

    loss = sum over learned tokens of -log softmax(logits)[token] / (learned tokens of the step)

Only where something is learned is the vocabulary scored, which for a large vocabulary is most of what it would cost;
and in most steps of a small model only a part of it (train/shortlist.py).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from twofold.model.decoder import Decoder
from twofold.model.packed import packed
from twofold.train.shortlist import Candidates, surprise_on_shortlist
from twofold.tune.batches import AnswerBatch

__all__ = ["AnswerLoss", "surprise"]

AT_ONCE = 1024  # positions whose scores over the vocabulary exist at a time


def surprise(
    hidden: Float[Tensor, "n d"], W_U: Float[Tensor, "v d"], targets: Int[Tensor, " n"], temperature: float = 1.0
) -> Float[Tensor, " n"]:
    """-log softmax(logits / temperature)[target], in nats. The softmax is float32; scores that would take much memory
    are made again for the gradient."""
    if len(hidden) <= AT_ONCE:
        return _scored(hidden, W_U, targets, temperature)
    parts = zip(hidden.split(AT_ONCE), targets.split(AT_ONCE), strict=True)
    return torch.cat([checkpoint(_scored, h, W_U, t, temperature, use_reentrant=False) for h, t in parts])


def _scored(hidden: Tensor, W_U: Tensor, targets: Tensor, temperature: float) -> Tensor:
    logits = F.linear(hidden, W_U.to(hidden.dtype)).float()
    return F.cross_entropy(logits if temperature == 1 else logits / temperature, targets, reduction="none")


class AnswerLoss:
    """A batch to its part of the mean loss in nats; `compiled` builds machine code for one block, which all share."""

    def __init__(self, model: Decoder, dtype: torch.dtype = torch.float32, compiled: bool = False) -> None:
        self.model, self.dtype = model, dtype
        if compiled:
            for block in model.blocks:
                block.compile(dynamic=False)

    def __call__(self, batch: AnswerBatch, candidates: Candidates | None = None) -> Float[Tensor, ""]:
        hidden = self.model.hidden(batch.ids[:, :-1], self.dtype, packed=packed(batch.texts))[batch.learned]
        targets = batch.ids[:, 1:][batch.learned]
        if candidates is None:
            return surprise(hidden, self.model.W_U, targets).sum() / batch.per_part
        mean = surprise_on_shortlist(hidden[None], self.model.W_U, targets[None], **vars(candidates))
        return mean * len(targets) / batch.per_part

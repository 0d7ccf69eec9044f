"""Begin where a bigram model ends: fit embedding and unembedding to the corpus' pair counts before the first step.

With zero output projections the whole model is `W_U norm(W_E)`, a zero-layer transformer, which approaches the bigram
log-likelihood (Elhage et al. 2021, "Zero-Layer Transformers"). Its loss over all N tokens needs only the v × v table
of counts C:

    loss = sum_a [ C_a · logsumexp(logits_a) - sum_b C_ab logits_ab ] / N,   logits_a = W_U norm(W_E[a])

so one step on the whole corpus costs as much as v tokens, where the model would read millions to learn the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from twofold.model.decoder import Decoder

__all__ = ["bigram_counts", "bigram_loss", "fit_bigrams"]


def bigram_counts(streams: Iterable[np.ndarray], vocab_size: int, weights: Iterable[float]) -> Float[Tensor, "v v"]:
    """How often each token follows each other one, each stream's counts times its weight."""
    counts = np.zeros(vocab_size * vocab_size, np.float32)
    for stream, weight in zip(streams, weights, strict=True):
        ids = stream.astype(np.int64)
        pairs = np.bincount(ids[:-1] * vocab_size + ids[1:], minlength=vocab_size * vocab_size)
        counts += weight * pairs.astype(np.float32)
    return torch.from_numpy(counts.reshape(vocab_size, vocab_size))


def bigram_loss(
    model: Decoder, counts: Float[Tensor, "v v"], dtype: torch.dtype = torch.float32
) -> Float[Tensor, ""]:
    """Mean nats per token of the model without its blocks, over a corpus with these pair counts."""
    logits = F.linear(model.ln_final(model.W_E.to(dtype)), model.W_U.to(dtype)).float()
    from_each = counts.sum(1)
    return ((from_each * logits.logsumexp(1)).sum() - (counts * logits).sum()) / from_each.sum()


def fit_bigrams(
    model: Decoder, counts: Float[Tensor, "v v"], steps: int, lr: float = 0.05,
    dtype: torch.dtype = torch.float32, tell: Callable[[int, float], None] | None = None,
) -> float:
    """Full-batch AdamW on W_E and W_U; returns the last loss in nats per token."""
    trained = [model.W_E] if model.config.tied else [model.W_E, model.W_U]
    optimiser = torch.optim.AdamW(trained, lr=lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    value = float("nan")
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = lr * min(1.0, (step + 1) / 5) * (1 - step / steps)
        loss = bigram_loss(model, counts, dtype)
        loss.backward()
        optimiser.step()
        model.zero_grad(set_to_none=True)
        value = float(loss.detach())
        if tell:
            tell(step, value)
    return value

"""Begin where a bigram model ends: fit embedding and unembedding to the corpus' pair counts before the first step.

With zero output projections the whole model is `W_U norm(W_E)`, a zero-layer transformer, which approaches the bigram
log-likelihood (Elhage et al. 2021, "Zero-Layer Transformers"). Its loss over all N tokens needs only the v × v table
of counts C:

    loss = sum_a [ C_a · logsumexp(logits_a) - sum_b C_ab logits_ab ] / N,   logits_a = W_U norm(W_E[a])

so one step on the whole corpus costs as much as v tokens, where the model would read millions to learn the same.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from twofold.model.decoder import Decoder

__all__ = ["bigram_counts", "bigram_loss", "fit_bigrams"]

_ROWS = 512


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
    """Mean nats per token of the model without its blocks, over a corpus with these pair counts.

    Leaves the loss's gradients in W_E and W_U (and the last norm), added to what is there. A v × v table of scores is
    far larger than any cache, so it is made some rows at a time, and each is forgotten with its gradient taken.
    """
    stream = model.ln_final(model.W_E.to(dtype))
    hidden, head = stream.detach(), model.W_U.detach().to(dtype)
    d_hidden, d_head = torch.empty_like(hidden), torch.zeros_like(model.W_U)
    from_each, total = counts.sum(1, keepdim=True), counts.sum()
    loss = torch.zeros((), device=counts.device)
    for rows in torch.arange(len(counts), device=counts.device).split(_ROWS):
        low, high = int(rows[0]), int(rows[-1]) + 1
        logits = F.linear(hidden[low:high], head).float()
        log_p = logits.log_softmax(-1)
        loss -= (counts[low:high] * log_p).sum()
        d_logits = (log_p.exp_().mul_(from_each[low:high]).sub_(counts[low:high]) / total).to(dtype)
        d_hidden[low:high] = d_logits @ head
        d_head += (d_logits.mT @ hidden[low:high]).float()
    stream.backward(d_hidden)
    model.W_U.grad = d_head if model.W_U.grad is None else model.W_U.grad + d_head
    return loss / total


def fit_bigrams(
    model: Decoder, counts: Float[Tensor, "v v"], steps: int, lr: float = 0.05, dtype: torch.dtype = torch.float32
) -> float:
    """Full-batch AdamW on W_E and W_U; returns the last loss in nats per token."""
    trained = [model.W_E] if model.config.tied else [model.W_E, model.W_U]
    optimiser = torch.optim.AdamW(trained, lr=lr, betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    loss = torch.zeros(())
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = lr * min(1.0, (step + 1) / 5) * (1 - step / steps)
        loss = bigram_loss(model, counts, dtype)
        optimiser.step()
        model.zero_grad(set_to_none=True)
    return float(loss)

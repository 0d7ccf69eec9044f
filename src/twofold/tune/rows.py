"""Texts of their own in a row each, padded at the end, and what a model says of their tokens.

    ids [b, s + 1]    own [b, s]: whether token t + 1 is one that counts       padding is id 0 and counts nowhere

Attention looks back only, so that what stands behind a text changes nothing of it and needs no mask.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from twofold.model.decoder import Decoder
from twofold.tune.examples import Example
from twofold.tune.losses import surprise

__all__ = ["log_p_at", "padded", "token_log_p"]


def padded(examples: Sequence[Example], device: str = "cpu") -> tuple[Int[Tensor, "b s1"], Bool[Tensor, "b s"]]:
    """`ids` and `own` of the texts, as long as the longest of them."""
    longest = max(len(one.ids) for one in examples)
    ids, own = np.zeros((len(examples), longest), np.int64), np.zeros((len(examples), longest), bool)
    for row, one in enumerate(examples):
        ids[row, : len(one.ids)], own[row, : len(one.own)] = one.ids, one.own
    return torch.from_numpy(ids).to(device), torch.from_numpy(own[:, 1:]).to(device)


def token_log_p(
    model: Decoder, ids: Int[Tensor, "b s1"], own: Bool[Tensor, "b s"], dtype: torch.dtype = torch.float32,
    temperature: float = 1.0,
) -> Float[Tensor, "b s"]:
    """log p of each token that counts, given all before it; 0 elsewhere. Float32, by softmax(logits / temperature)."""
    return log_p_at(model.hidden(ids[:, :-1], dtype), model.W_U, ids, own, temperature)


def log_p_at(
    hidden: Float[Tensor, "b s d"], W_U: Float[Tensor, "v d"], ids: Int[Tensor, "b s1"], own: Bool[Tensor, "b s"],
    temperature: float = 1.0,
) -> Float[Tensor, "b s"]:
    """The same from the stream. Only what counts is scored."""
    found = -surprise(hidden[own], W_U, ids[:, 1:][own], temperature)
    return found.new_zeros(own.shape).masked_scatter(own, found)

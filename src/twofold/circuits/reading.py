"""A text as a model reads it here: one row of ids, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from twofold.contracts import Tokenizer
from twofold.errors import ConfigError
from twofold.model.decoder import Decoder

__all__ = ["read", "row"]


def read(model: Decoder, tokenizer: Tokenizer, text: str, add_bos: bool = True) -> Int[Tensor, "1 s"]:
    """bos, where there is one and it is wanted, and the text's tokens. Raises ConfigError for one that is too long."""
    ids = tokenizer.encode(text)
    first = tokenizer.bos_id if add_bos or not ids else None
    return row(model, ids if first is None else [first, *ids])


def row(model: Decoder, ids: Sequence[int]) -> Int[Tensor, "1 s"]:
    """Raises ConfigError for ids that are none, too many or not of this vocabulary."""
    context, vocabulary = model.config.context, model.config.vocab_size
    if not ids:
        raise ConfigError("there is nothing to read: the text is empty")
    if len(ids) > context:
        raise ConfigError(f"the text is {len(ids)} tokens long and the model's context is {context}; shorten the text")
    if wrong := [i for i in ids if not 0 <= i < vocabulary]:
        raise ConfigError(f"the token {wrong[0]} is not in the model's vocabulary of {vocabulary}")
    return torch.tensor([list(ids)], device=model.W_E.device)

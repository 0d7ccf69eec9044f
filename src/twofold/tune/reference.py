"""The model as it was before it began to learn: what comparisons and rewards keep it near to.

With low-rank additions that is the same model without them; otherwise a frozen copy, made when this is.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from twofold.model.decoder import Decoder
from twofold.tune.lora import low_ranks
from twofold.tune.rows import token_log_p

__all__ = ["Reference"]


class Reference:
    """To be made before a checkpoint is taken up. `log_p` is `token_log_p` of the model as it was, without gradients.

    A copy holds its matrices in `dtype`.
    """

    def __init__(self, model: Decoder, dtype: torch.dtype = torch.float32) -> None:
        self.model, self.dtype, self.wrapped = model, dtype, any(low_ranks(model))
        if not self.wrapped:
            self.model = copy.deepcopy(model).requires_grad_(False)
            for parameter in self.model.parameters():
                if parameter.ndim == 2:
                    parameter.data = parameter.data.to(dtype)

    @torch.no_grad()
    def log_p(self, ids: Int[Tensor, "b s1"], own: Bool[Tensor, "b s"], temperature: float = 1.0
              ) -> Float[Tensor, "b s"]:  # fmt: skip
        with _without_additions(self.model):
            return token_log_p(self.model, ids, own, self.dtype, temperature)


@contextmanager
def _without_additions(model: Decoder) -> Iterator[None]:
    scales = [(one, one.scale) for _, one in low_ranks(model)]
    try:
        for one, _ in scales:
            one.scale = 0.0
        yield
    finally:
        for one, scale in scales:
            one.scale = scale

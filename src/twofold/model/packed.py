"""Several texts in one row, each as if it stood alone: positions begin anew, and nobody sees into another's text.

    row      a a a a b b c c c      text 0 0 0 0 1 1 2 2 2      position 0 1 2 3 0 1 0 1 2
    position i sees j where text(i) = text(j) and j <= i
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

__all__ = ["Packed", "packed"]


@dataclass(frozen=True)
class Packed:
    positions: Int[Tensor, "b s"]
    visible: Bool[Tensor, "b 1 s s"]


def packed(texts: Int[Tensor, "b s"]) -> Packed:
    """From the number of the text that each token belongs to; a text's tokens stand together."""
    s = texts.shape[1]
    place = torch.arange(s, device=texts.device)
    begins = torch.ones_like(texts, dtype=torch.bool)
    begins[:, 1:] = texts[:, 1:] != texts[:, :-1]
    start = torch.where(begins, place, 0).cummax(1).values
    same = texts[:, :, None] == texts[:, None, :]
    return Packed(place - start, (same & (place[:, None] >= place)).unsqueeze(1))

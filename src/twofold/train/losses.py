"""What pretraining minimises: the surprise at the next token, in nats.

    loss = mean over positions of -log softmax(logits)[next token]
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from twofold.model.decoder import Decoder

__all__ = ["NextTokenLoss", "surprise"]


def surprise(
    hidden: Float[Tensor, "b s d"], W_U: Float[Tensor, "v d"], targets: Int[Tensor, "b s"]
) -> Float[Tensor, ""]:
    """Mean cross-entropy, the softmax in float32 whatever the dtype of the stream."""
    logits = F.linear(hidden, W_U.to(hidden.dtype)).float()
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class NextTokenLoss:
    """Rows [b, s + 1] of token ids to their mean loss.

    `compiled` builds machine code for one block and for the head: all blocks share one shape, so the
    compiler sees one of each, however deep the model. The model's parameters keep their names.
    """

    def __init__(self, model: Decoder, dtype: torch.dtype = torch.float32, compiled: bool = False) -> None:
        self.model, self.dtype = model, dtype
        self.surprise = torch.compile(surprise, dynamic=False) if compiled else surprise
        if compiled:
            for block in model.blocks:
                block.compile(dynamic=False)

    def __call__(self, rows: Int[Tensor, "b s1"]) -> Float[Tensor, ""]:
        hidden = self.model.hidden(rows[:, :-1], self.dtype)
        return self.surprise(hidden, self.model.W_U, rows[:, 1:])

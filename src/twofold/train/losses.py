"""What pretraining minimises: the surprise at the next token, in nats.

    loss = mean over positions of -log softmax(logits)[next token]

or its estimate on a shortlist of the vocabulary (shortlist.py).
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from twofold.model.decoder import Decoder, initialise
from twofold.train.shortlist import Candidates, surprise_on_shortlist

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
        self.model, self.dtype, self.compiled = model, dtype, compiled
        self.surprise = torch.compile(surprise, dynamic=False) if compiled else surprise
        self.estimate = torch.compile(surprise_on_shortlist, dynamic=False) if compiled else surprise_on_shortlist
        if compiled:
            for block in model.blocks:
                block.compile(dynamic=False)

    def compile_now(self, rows: Int[Tensor, "b s1"], candidates: Candidates | None = None) -> None:
        """Build the code for batches like these on a throwaway model of one block; the real one is left alone."""
        if self.compiled:
            scratch = Decoder(replace(self.model.config, n_layers=min(1, self.model.config.n_layers))).to(rows.device)
            twin = copy(self)
            twin.model = initialise(scratch, 0)
            for block in scratch.blocks:
                block.compile(dynamic=False)
            twin(rows).backward()
            if candidates:
                twin(rows, candidates).backward()

    def __call__(self, rows: Int[Tensor, "b s1"], candidates: Candidates | None = None) -> Float[Tensor, ""]:
        hidden = self.model.hidden(rows[:, :-1], self.dtype)
        if candidates is None:
            return self.surprise(hidden, self.model.W_U, rows[:, 1:])
        return self.estimate(hidden, self.model.W_U, rows[:, 1:], **vars(candidates))

"""Comparisons: a better and a worse answer to the same question, as losses.

    Bradley-Terry   P(chosen beats rejected) = sigmoid(r_chosen - r_rejected);   loss = -log P
    DPO             the same with r = beta log(p(answer) / p_reference(answer)), so that no reward is learned apart

Bradley & Terry 1952; Christiano et al. 2017, arXiv:1706.03741; Rafailov et al. 2023, arXiv:2305.18290, equation 7.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from twofold.errors import ConfigError
from twofold.model.decoder import Decoder
from twofold.model.packed import packed

__all__ = ["RewardHead", "answer_log_p", "bradley_terry", "dpo_loss"]


def bradley_terry(chosen: Float[Tensor, " b"], rejected: Float[Tensor, " b"]) -> Float[Tensor, ""]:
    """Mean -log of the probability that the chosen one wins, by the rewards of both."""
    return -F.logsigmoid(chosen - rejected).mean()


def dpo_loss(
    chosen: Float[Tensor, " b"], rejected: Float[Tensor, " b"],
    reference_chosen: Float[Tensor, " b"], reference_rejected: Float[Tensor, " b"], beta: float = 0.1,
) -> Float[Tensor, ""]:
    """From sums of log p of each answer, by the model that learns and by the one that it began as."""
    if not beta > 0:
        raise ConfigError(f"beta={beta} must be above 0; 0.1 is usual")
    return bradley_terry(beta * (chosen - reference_chosen), beta * (rejected - reference_rejected))


def answer_log_p(
    model: Decoder, ids: Int[Tensor, "b s1"], texts: Int[Tensor, "b s"], learned: Bool[Tensor, "b s"],
    dtype: torch.dtype = torch.float32,
) -> Float[Tensor, " b"]:
    """The sum of log p of each row's learned tokens; rows hold one conversation each and padding (text -1)."""
    hidden = model.hidden(ids[:, :-1], dtype, packed=packed(texts))
    scores = F.linear(hidden[learned], model.W_U.to(dtype)).float()
    log_p = -F.cross_entropy(scores, ids[:, 1:][learned], reduction="none")
    rows = learned.nonzero()[:, 0]
    return log_p.new_zeros(len(ids)).index_add(0, rows, log_p)


class RewardHead(nn.Module):
    """A reward for what was read so far: one linear function of the stream at a row's last token. Zero at first."""

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(d_model))

    def forward(self, hidden: Float[Tensor, "b s d"], last: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
        at_last = hidden[torch.arange(len(hidden), device=hidden.device), last]
        return at_last.float() @ self.w

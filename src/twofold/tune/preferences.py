"""Comparisons: a better and a worse answer to the same question, as losses.

    Bradley-Terry   P(chosen beats rejected) = sigmoid(r_chosen - r_rejected);   loss = -log P
    DPO             the same with r = beta log(p(answer) / p_reference(answer)), so that no reward is learned apart

Bradley & Terry 1952; Christiano et al. 2017, arXiv:1706.03741; Rafailov et al. 2023, arXiv:2305.18290, equation 7.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from twofold.errors import ConfigError

__all__ = ["bradley_terry", "dpo_loss"]


def bradley_terry(
    chosen: Float[Tensor, " b"], rejected: Float[Tensor, " b"], centre: float = 0.0
) -> Float[Tensor, ""]:
    """Mean -log of the probability that the chosen one wins, by the rewards of both.

    Only their difference matters to that; `centre` times (r_chosen + r_rejected)² keeps them around nought.
    """
    loss = -F.logsigmoid(chosen - rejected).mean()
    return loss + centre * ((chosen + rejected) ** 2).mean() if centre else loss


def dpo_loss(
    chosen: Float[Tensor, " b"], rejected: Float[Tensor, " b"],
    reference_chosen: Float[Tensor, " b"], reference_rejected: Float[Tensor, " b"], beta: float = 0.1,
) -> Float[Tensor, ""]:
    """From sums of log p of each answer, by the model that learns and by the one that it began as."""
    if not beta > 0:
        raise ConfigError(f"beta={beta} must be above 0; 0.1 is usual")
    return bradley_terry(beta * (chosen - reference_chosen), beta * (rejected - reference_rejected))

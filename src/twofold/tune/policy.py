"""What on-policy learning is made of: advantages, the clipped objective, the distance to a reference, values.

    GRPO   A = (r - mean of the group) / (std of the group + 1e-4), the same for every token of an answer
    PPO    A_t = sum over l of (gamma lambda)^l delta_(t+l),   delta_t = r_t + gamma V_(t+1) - V_t   (GAE)
    both   -min(rho A, clip(rho, 1 - low, 1 + high) A),   rho = p(token) / p_old(token)
    KL     exp(d) - d - 1 with d = log p_reference - log p:  unbiased, and never below nought

Schulman et al. 2016, arXiv:1506.02438 (GAE); 2017, arXiv:1707.06347 (PPO); 2020, "Approximating KL Divergence";
Shao et al. 2024, arXiv:2402.03300 (GRPO); Yu et al. 2025, arXiv:2503.14476 (DAPO: one mean over all tokens);
Liu et al. 2025, arXiv:2503.20783 (Dr. GRPO: neither the group's spread nor an answer's length divides).
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from twofold.errors import ConfigError

__all__ = [
    "NORMALISATIONS", "Normalisation", "advantages_by_gae", "clipped_objective", "clipped_value", "divergence",
    "group_advantages", "token_weights", "whitened",
]  # fmt: skip

Normalisation = Literal["dapo", "grpo", "dr_grpo"]
NORMALISATIONS: tuple[str, ...] = get_args(Normalisation)
_LEAST = 1e-4  # added to a spread before it divides


def group_advantages(rewards: Float[Tensor, "p g"], scaled: bool = True) -> Float[Tensor, "p g"]:
    """How much better than the other answers to its prompt each is, in standard deviations of them if `scaled`.

    Answers that were all rewarded alike teach nothing: 0. Raises ConfigError for groups of one.
    """
    if rewards.shape[1] < 2:
        raise ConfigError("a group of one answer has nothing to be compared with; give 2 or more, 8 is usual")
    centred = rewards - rewards.mean(1, keepdim=True)
    return centred / (rewards.std(1, keepdim=True) + _LEAST) if scaled else centred


def token_weights(own: Bool[Tensor, "b s"], normalisation: Normalisation, longest: int) -> Float[Tensor, "b s"]:
    """What each of the model's own tokens counts in the loss of a whole step, whatever parts that is cut into.

    dapo      1 / tokens of the step            each token alike
    grpo      1 / (answers · tokens of its own) each answer alike, so that a token of a long one counts less
    dr_grpo   1 / (answers · `longest`)         each token alike, whatever the others' lengths
    """
    if normalisation == "dapo":
        return own.float() / own.sum().clamp(min=1)
    if normalisation == "grpo":
        return own.float() / (len(own) * own.sum(1, keepdim=True).clamp(min=1))
    return own.float() / (len(own) * longest)


def clipped_objective(
    log_p: Float[Tensor, "*n"], old: Float[Tensor, "*n"], advantages: Float[Tensor, "*n"], low: float = 0.2,
    high: float = 0.2,
) -> Float[Tensor, "*n"]:
    """To be minimised. Its gradient ends where a token is already `high` likelier (or `low` less) than it was."""
    ratio = (log_p - old).exp()
    return -torch.min(ratio * advantages, ratio.clamp(1 - low, 1 + high) * advantages)


def divergence(log_p: Float[Tensor, "*n"], reference: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Of each drawn token, what it says of KL(policy to reference), in nats."""
    gap = reference - log_p
    return gap.exp() - gap - 1


def advantages_by_gae(
    rewards: Float[Tensor, "b s"], values: Float[Tensor, "b s"], own: Bool[Tensor, "b s"], gamma: float = 1.0,
    decay: float = 0.95,
) -> tuple[Float[Tensor, "b s"], Float[Tensor, "b s"]]:
    """Advantages, and the returns that values are taught: advantages + values. 0 where a token is not the model's own.

    The model's own tokens follow one another whatever stands between them (a tool's result is no choice of its);
    after the last of them nothing is to come.
    """
    advantages = torch.zeros_like(values)
    ahead, value_ahead = values.new_zeros(len(values)), values.new_zeros(len(values))
    for t in reversed(range(values.shape[1])):
        mine = own[:, t]
        surprise = rewards[:, t] + gamma * value_ahead - values[:, t]
        ahead = torch.where(mine, surprise + gamma * decay * ahead, ahead)
        advantages[:, t] = torch.where(mine, ahead, advantages[:, t])
        value_ahead = torch.where(mine, values[:, t], value_ahead)
    return advantages, (advantages + values) * own


def whitened(advantages: Float[Tensor, "b s"], own: Bool[Tensor, "b s"]) -> Float[Tensor, "b s"]:
    """With mean 0 and spread 1 over the model's own tokens, and 0 elsewhere."""
    chosen = advantages[own]
    spread = chosen.std() if len(chosen) > 1 else chosen.new_zeros(())
    return (advantages - chosen.mean()) / (spread + _LEAST) * own


def clipped_value(
    values: Float[Tensor, "*n"], old: Float[Tensor, "*n"], returns: Float[Tensor, "*n"], clip: float = 0.2
) -> Float[Tensor, "*n"]:
    """Half the squared error, of the value or of one that moved at most `clip`: whichever is the larger."""
    near = old + (values - old).clamp(-clip, clip)
    return 0.5 * torch.max((values - returns) ** 2, (near - returns) ** 2)

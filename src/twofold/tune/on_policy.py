"""On-policy learning: the model answers, answers are rewarded, and what did better than expected becomes likelier.

    experience(number) = prompts -> answers of the model as it is -> rewards -> advantages, one to each drawn token
    loss               = sum over drawn tokens of weight · (clipped objective + beta · KL to the reference)

An experience serves `updates` steps. With one, the model that learns is the model that wrote, and the objective's
gradient is the plain policy gradient; the ratio is then 1. PPO adds a value to each token (Head), which says what to
expect; its KL is a part of the reward (Ouyang et al. 2022, arXiv:2203.02155). The formulas are in policy.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from twofold.errors import ConfigError
from twofold.model.decoder import Decoder
from twofold.tune import policy
from twofold.tune.examples import Example
from twofold.tune.head import WithHead
from twofold.tune.reference import Reference
from twofold.tune.reinforce_settings import PolicySettings
from twofold.tune.rows import log_p_at, padded
from twofold.tune.seen import Seen

T = TypeVar("T", Tensor, Tensor | None)

__all__ = ["Experience", "Experiences", "PolicyLoss", "appraised", "decoder_of", "log_p_and_values"]


@dataclass(frozen=True)
class Experience:
    """Rows of answers; `weights` are of the whole experience, and what they sum to does not hang on how it is cut.

    `old` None: the model that wrote them is the one that learns. `values` and `returns` are PPO's.
    """

    ids: Int[Tensor, "b s1"]
    own: Bool[Tensor, "b s"]
    weights: Float[Tensor, "b s"]
    advantages: Float[Tensor, "b s"]
    reference: Float[Tensor, "b s"]
    old: Float[Tensor, "b s"] | None = None
    values: Float[Tensor, "b s"] | None = None
    returns: Float[Tensor, "b s"] | None = None
    share: float = 1.0

    def part(self, k: int, parts: int) -> Experience:
        """The k-th of `parts`, no longer than its longest row; weighed so that the mean over parts is the loss."""
        size = len(self.ids) // parts
        rows = slice(k * size, (k + 1) * size)
        longest = 1 + int(self.own[rows].any(0).nonzero().max()) if self.own[rows].any() else 1

        def cut(table: T) -> T:
            return None if table is None else table[rows, :longest]

        return replace(
            self, ids=self.ids[rows, : longest + 1], own=self.own[rows, :longest], advantages=cut(self.advantages),
            weights=self.weights[rows, :longest] * parts, reference=cut(self.reference), old=cut(self.old),
            values=cut(self.values), returns=cut(self.returns), share=self.share / parts,
        )  # fmt: skip


def decoder_of(model: nn.Module) -> Decoder:
    return model.decoder if isinstance(model, WithHead) else model  # type: ignore[return-value]


def log_p_and_values(
    model: nn.Module, ids: Int[Tensor, "b s1"], own: Bool[Tensor, "b s"], dtype: torch.dtype, temperature: float
) -> tuple[Float[Tensor, "b s"], Float[Tensor, "b s"] | None]:
    """Of each drawn token its log p, and, of a model with a head, what was to be expected before it was drawn."""
    decoder = decoder_of(model)
    hidden = decoder.hidden(ids[:, :-1], dtype)
    values = model.head(hidden) * own if isinstance(model, WithHead) else None
    return log_p_at(hidden, decoder.W_U, ids, own, temperature), values


def appraised(
    examples: Sequence[Example], rewards: Float[np.ndarray, "p g"], model: nn.Module, reference: Reference,
    settings: PolicySettings, dtype: torch.dtype = torch.float32, device: str = "cpu",
) -> Experience:
    """Answers, all of a prompt's in a row, with what they were rewarded, as what a step learns from."""
    ids, own = padded(examples, device)
    table = torch.from_numpy(np.asarray(rewards, np.float32)).to(device)
    if table.numel() != len(ids):
        raise ConfigError(f"{table.numel()} rewards do not fit {len(ids)} answers")
    weights = policy.token_weights(own, settings.normalisation, settings.longest)
    known = _in_parts(reference.log_p, ids, own, settings)
    if settings.algorithm == "grpo":
        each = policy.group_advantages(table, settings.scaled).reshape(-1, 1)
        old = None
        if settings.updates > 1:
            old = _in_parts(_without_gradient(model, dtype), ids, own, settings)
        return Experience(ids, own, weights, each * own, known, old)
    old = _in_parts(_without_gradient(model, dtype), ids, own, settings)
    values = _in_parts(_without_gradient(model, dtype, values=True), ids, own, settings)
    per_token = -settings.beta * (old - known) * own
    ends = own.shape[1] - 1 - own.flip(1).float().argmax(1)  # the last drawn token of each row
    per_token[torch.arange(len(own), device=own.device), ends] += table.reshape(-1) * own.any(1)
    advantages, returns = policy.advantages_by_gae(per_token, values, own, settings.gamma, settings.decay)
    return Experience(ids, own, weights, policy.whitened(advantages, own), known, old, values, returns)


def _without_gradient(model: nn.Module, dtype: torch.dtype, values: bool = False) -> Callable[..., Tensor]:
    @torch.no_grad()
    def compute(ids: Tensor, own: Tensor, temperature: float) -> Tensor:
        found = log_p_and_values(model, ids, own, dtype, temperature)[int(values)]
        assert found is not None
        return found

    return compute


def _in_parts(compute: Callable[..., Tensor], ids: Tensor, own: Tensor, settings: PolicySettings) -> Tensor:
    """As many rows at a time as a step takes, so that no more memory is needed."""
    size = max(1, len(ids) // settings.accumulate)
    found = [compute(ids[at : at + size], own[at : at + size], settings.temperature) for at in range(0, len(ids), size)]
    return torch.cat(found)


class Experiences:
    """Parts of steps. `collect(number)` makes experience `number` with the model as it is when that is first asked for;
    it serves `updates` steps, in `accumulate` parts each."""

    def __init__(self, collect: Callable[[int], Experience], updates: int = 1, accumulate: int = 1) -> None:
        self.collect, self.updates, self.parts = collect, updates, accumulate
        self._number = -1
        self._experience: Experience | None = None

    def at(self, part: int) -> Experience:
        step, k = divmod(part, self.parts)
        number = step // self.updates
        if self._experience is None or number != self._number:
            self._number, self._experience = number, self.collect(number)
        return self._experience.part(k, self.parts)


class PolicyLoss:
    """`seen`, of a step: kl, in nats an answer, by what was drawn; clipped, the share of tokens beyond the clip;
    of PPO, how wrong the values were."""

    def __init__(self, model: nn.Module, settings: PolicySettings, dtype: torch.dtype = torch.float32) -> None:
        self.model, self.settings, self.dtype, self.seen = model, settings, dtype, Seen()

    def __call__(self, batch: Experience) -> Float[Tensor, ""]:
        settings = self.settings
        log_p, values = log_p_and_values(self.model, batch.ids, batch.own, self.dtype, settings.temperature)
        old = log_p.detach() if batch.old is None else batch.old
        each = policy.clipped_objective(log_p, old, batch.advantages, settings.clip, settings.clip_high)
        if settings.algorithm == "grpo" and settings.beta:
            each = each + settings.beta * policy.divergence(log_p, batch.reference)
        if values is not None and batch.values is not None and batch.returns is not None:
            wrong = policy.clipped_value(values, batch.values, batch.returns, settings.value_clip)
            each = each + settings.value_weight * wrong
            self.seen.add(value_error=(wrong * batch.own).sum() / batch.own.sum().clamp(min=1))
        with torch.no_grad():
            ratio = (log_p - old).exp()
            beyond = ((ratio < 1 - settings.clip) | (ratio > 1 + settings.clip_high)) & batch.own
            drawn = batch.own.sum().clamp(min=1)
            self.seen.add(kl=((log_p - batch.reference) * batch.own).sum(1).mean(), clipped=beyond.sum() / drawn)
        return (batch.weights * each).sum()

"""Comparisons: the losses against their definitions, and what they push where."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from twofold.errors import ConfigError
from twofold.tune.preferences import RewardHead, answer_log_p, bradley_terry, dpo_loss

from .test_packing import FAMILIES, decoder, examples


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64).float()


def test_who_knows_nothing_pays_the_logarithm_of_two():
    zero = numbers(0.0, 0.0)
    assert bradley_terry(zero, zero).item() == pytest.approx(math.log(2))
    assert dpo_loss(numbers(-5, -7), numbers(-9, -2), numbers(-5, -7), numbers(-9, -2)).item() == pytest.approx(
        math.log(2))  # fmt: skip


def test_bradley_terry_is_the_cross_entropy_of_a_coin_with_the_logistic_of_the_difference():
    chosen, rejected = numbers(1.5, -2.0, 30.0), numbers(0.5, 1.0, -30.0)
    expected = np.mean([-math.log(1 / (1 + math.exp(-d))) for d in (1.0, -3.0, 60.0)])
    assert bradley_terry(chosen, rejected).item() == pytest.approx(expected, rel=1e-6)


def test_dpo_weighs_each_pair_by_how_wrong_it_is():
    """Rafailov et al. 2023, the gradient below equation 7: beta sigmoid(r_rejected - r_chosen), up and down."""
    beta, reference = 0.25, (numbers(-4, -6), numbers(-5, -3))
    chosen, rejected = numbers(-3, -8).requires_grad_(), numbers(-6, -2).requires_grad_()
    dpo_loss(chosen, rejected, *reference, beta).backward()
    margins = [beta * ((-3 + 4) - (-6 + 5)), beta * ((-8 + 6) - (-2 + 3))]
    weights = [beta / (1 + math.exp(m)) / 2 for m in margins]
    assert chosen.grad.tolist() == pytest.approx([-w for w in weights], rel=1e-5)
    assert rejected.grad.tolist() == pytest.approx(weights, rel=1e-5)


@pytest.mark.parametrize("beta", [0.0, -1.0, math.nan])
def test_a_beta_that_cannot_be_is_refused(beta):
    with pytest.raises(ConfigError, match="beta"):
        dpo_loss(numbers(0), numbers(0), numbers(0), numbers(0), beta)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_log_p_of_an_answer_is_the_sum_over_its_tokens_whatever_pads_the_row(family):
    model, made = decoder(family), examples([5, 20, 9])
    ids, texts = torch.zeros(3, 21, dtype=torch.long), torch.full((3, 20), -1)
    learned = torch.zeros(3, 20, dtype=torch.bool)
    for row, one in enumerate(made):
        n = len(one.ids)
        ids[row, :n] = torch.from_numpy(one.ids).long()
        texts[row, :n] = 0
        learned[row, : n - 1] = torch.from_numpy(one.own[1:])
    with torch.no_grad():
        found = answer_log_p(model, ids, texts, learned)
        for row, one in enumerate(made):
            log_p = model(torch.from_numpy(one.ids[None, :-1]).long())[0].log_softmax(-1)
            alone = sum(float(log_p[i, one.ids[i + 1]]) for i in range(len(one.ids) - 1) if one.own[i + 1])
            assert float(found[row]) == pytest.approx(alone, rel=1e-4)


def test_a_head_learns_a_reward_that_orders_the_pairs():
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(8, generator=generator)
    better, worse = (torch.randn(200, 3, 8, generator=generator) for _ in range(2))
    swap = (better[:, 2] @ truth < worse[:, 2] @ truth)[:, None, None]
    better, worse = torch.where(swap, worse, better), torch.where(swap, better, worse)
    head, last = RewardHead(8), torch.full((200,), 2)
    optimiser = torch.optim.AdamW(head.parameters(), lr=0.1)
    assert bradley_terry(head(better, last), head(worse, last)).item() == pytest.approx(math.log(2))
    for _ in range(100):
        optimiser.zero_grad()
        bradley_terry(head(better, last), head(worse, last)).backward()
        optimiser.step()
    with torch.no_grad():
        assert (head(better, last) > head(worse, last)).float().mean() > 0.95

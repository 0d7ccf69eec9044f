"""Comparisons: the losses against their definitions, and what they push where."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from twofold.data.preferences import Preference, preference
from twofold.errors import ConfigError, SourceError
from twofold.train.loop import run_steps
from twofold.train.optimiser import Optimiser
from twofold.train.optimiser_settings import OptimiserSettings
from twofold.tune.head import Head, WithHead
from twofold.tune.lora import wrap
from twofold.tune.pairs import Pair, PairBatches, PreferenceLoss, RewardLoss, pair, pair_batch, rewards_of
from twofold.tune.preferences import bradley_terry, dpo_loss
from twofold.tune.reference import Reference
from twofold.tune.rows import padded, token_log_p

from .test_examples import engine
from .test_packing import FAMILIES, decoder, examples

ADAMW = OptimiserSettings(kind="adamw", lr=0.003, embedding_lr=0.003, unembedding_lr=0.003, gain_lr=0.01)


def numbers(*values):
    return torch.tensor(values, dtype=torch.float64).float()


def pairs(n=4, seed=0):
    made = examples(np.random.default_rng(seed).integers(4, 20, 2 * n), seed)
    return [Pair(a, b) for a, b in zip(made[::2], made[1::2], strict=True)]


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
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_the_log_p_of_an_answer_is_the_sum_over_its_tokens_whatever_pads_the_row(family, temperature):
    model, made = decoder(family), examples([5, 20, 9])
    with torch.no_grad():
        found = token_log_p(model, *padded(made), temperature=temperature).sum(1)
        for row, one in enumerate(made):
            log_p = (model(torch.from_numpy(one.ids[None, :-1]).long())[0] / temperature).log_softmax(-1)
            alone = sum(float(log_p[i, one.ids[i + 1]]) for i in range(len(one.ids) - 1) if one.own[i + 1])
            assert float(found[row]) == pytest.approx(alone, rel=1e-4)


def test_a_head_learns_a_reward_that_orders_the_pairs():
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(8, generator=generator)
    better, worse = (torch.randn(200, 8, generator=generator) for _ in range(2))
    swap = (better @ truth < worse @ truth)[:, None]
    better, worse = torch.where(swap, worse, better), torch.where(swap, better, worse)
    head = Head(8)
    optimiser = torch.optim.AdamW(head.parameters(), lr=0.1)
    assert bradley_terry(head(better), head(worse)).item() == pytest.approx(math.log(2))
    for _ in range(100):
        optimiser.zero_grad()
        bradley_terry(head(better), head(worse)).backward()
        optimiser.step()
    with torch.no_grad():
        assert (head(better) > head(worse)).float().mean() > 0.95


@pytest.mark.parametrize("family", FAMILIES)
def test_a_reward_is_read_where_an_answer_ends_whatever_pads_the_row(family):
    model, made = WithHead(decoder(family)), pairs()
    model.head.w.data = torch.randn(model.head.w.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        together = rewards_of(model, pair_batch(made))
        for i, one in enumerate([p.chosen for p in made] + [p.rejected for p in made]):
            alone = model.head(model.decoder.hidden(torch.from_numpy(one.ids[None]).long()))[0, -1]
            assert float(together[i]) == pytest.approx(float(alone), rel=1e-4, abs=1e-5)


def losses(kind):
    if kind == "reward":
        model = WithHead(decoder())
        model.head.w.data.fill_(0.1)
        return model, RewardLoss(model)
    model = decoder()
    reference = Reference(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 1.02
    return model, PreferenceLoss(model, reference)


@pytest.mark.parametrize("kind", ["reward", "prefer"])
def test_a_step_in_parts_is_the_step_as_one(kind):
    found = []
    for parts in (1, 2, 8):
        model, loss = losses(kind)
        batches = PairBatches(pairs(11), 8, seed=1, accumulate=parts)
        value = sum(loss(batches.at(8 // 8 * parts + k)) for k in range(parts)) / parts
        value.backward()
        found.append((value.item(), {name: one.grad for name, one in model.named_parameters() if one.grad is not None}))
    for value, gradients in found[1:]:
        assert value == pytest.approx(found[0][0], rel=1e-5)
        for name, gradient in gradients.items():
            assert (gradient - found[0][1][name]).abs().max() <= 1e-4 * max(1e-3, float(gradient.abs().max())), name


@pytest.mark.parametrize("rank", [0, 4])
def test_the_reference_is_the_model_as_it_was(rank):
    model = wrap(decoder(), rank) if rank else decoder()
    reference, batch = Reference(model), pair_batch(pairs())
    before = reference.log_p(batch.ids, batch.own)
    assert torch.equal(before, token_log_p(decoder(), batch.ids, batch.own).detach())
    loss = PreferenceLoss(model, reference)
    steps = run_steps(model, loss, Optimiser(model, ADAMW), PairBatches(pairs(), 4).at, lambda s: 1.0)
    first = next(steps)
    assert first.loss == pytest.approx(math.log(2), rel=1e-5)
    for _ in range(5):
        last = next(steps)
    assert last.loss < first.loss
    assert torch.equal(reference.log_p(batch.ids, batch.own), before)
    assert (token_log_p(model, batch.ids, batch.own) - before).abs().max() > 0.01
    seen = loss.seen.take()
    assert seen["margin"] > 0 and 0 <= seen["accuracy"] <= 1 and loss.seen.take() == {}


def test_each_epoch_shows_every_pair_once_in_another_order():
    made = pairs(6)
    batches = PairBatches(made, 3)
    orders = []
    for epoch in range(3):
        rows = [tuple(ids) for step in (2 * epoch, 2 * epoch + 1) for ids in
                (batches.at(step).ids[:3, :4].tolist())]  # fmt: skip
        orders.append(rows)
        assert sorted(rows) == sorted(tuple(one.chosen.ids[:4]) for one in made)
    assert orders[0] != orders[1]


def compared(chosen="hello", rejected="the hell", prompt=None):
    prompt = prompt or [{"role": "user", "content": "the"}]
    return preference({"prompt": prompt, "chosen": chosen, "rejected": rejected})


def test_what_counts_of_a_pair_is_the_answers_and_nothing_of_the_prompt():
    one = engine()
    earlier = [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "the the"},
               {"role": "user", "content": "the"}]  # fmt: skip
    made = pair(one, compared(prompt=earlier))
    said = [one.tokenizer.decode(side.ids[side.own].tolist()) for side in (made.chosen, made.rejected)]
    assert said == ["hello<|im_end|>", "the hell<|im_end|>"]
    assert made.longest == max(len(made.chosen.ids), len(made.rejected.ids))


def test_pairs_that_are_equal_or_none_are_refused():
    with pytest.raises(ConfigError, match="the same answer"):
        compared("hello", "hello")
    with pytest.raises(ConfigError, match="empty"):
        compared("hello", "  ")
    same = compared()
    twice = Preference.__new__(Preference)  # answers that differ as records and read the same
    for name in ("prompt", "chosen", "source", "labels"):
        object.__setattr__(twice, name, getattr(same, name))
    object.__setattr__(twice, "rejected", same.chosen)
    with pytest.raises(ConfigError, match="the same to the model"):
        pair(engine(), twice)
    with pytest.raises(SourceError, match="no comparisons"):
        PairBatches([], 4)
    with pytest.raises(ConfigError, match="multiple"):
        PairBatches(pairs(), 6, accumulate=4)

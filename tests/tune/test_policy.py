"""The arithmetic of PPO and GRPO against its definitions, and laws that it keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.errors import ConfigError
from twofold.tune import policy
from twofold.tune.head import WithHead
from twofold.tune.on_policy import Experiences, PolicyLoss, appraised
from twofold.tune.reference import Reference
from twofold.tune.reinforce_settings import PolicySettings
from twofold.tune.rows import padded, token_log_p

from .test_packing import decoder, examples

NUMBERS = st.floats(-5, 5, width=32)


def by_definition(rewards, values, gamma, decay):
    """Schulman et al. 2016, equation 16: the discounted sum of the surprises, written out."""
    n = len(rewards)
    surprise = [rewards[t] + (gamma * values[t + 1] if t + 1 < n else 0) - values[t] for t in range(n)]
    return [sum((gamma * decay) ** k * surprise[t + k] for k in range(n - t)) for t in range(n)]


@pytest.mark.slow
@given(st.lists(st.tuples(NUMBERS, NUMBERS, st.booleans()), min_size=1, max_size=12), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_advantages_are_the_sums_of_what_surprised_and_tools_words_are_passed_over(steps, gamma, decay):
    rewards, values, own = (torch.tensor([one[i] for one in steps]) for i in range(3))
    rewards, values = rewards * own, values * own
    found, returns = policy.advantages_by_gae(rewards[None], values[None], own[None], gamma, decay)
    expected = by_definition(rewards[own].tolist(), values[own].tolist(), gamma, decay)
    assert found[0][own].tolist() == pytest.approx(expected, abs=1e-3)
    assert not found[0][~own].any() and not returns[0][~own].any()
    assert returns[0][own].tolist() == pytest.approx((found[0] + values)[own].tolist())


def test_without_decay_the_return_is_what_comes_and_with_none_it_is_the_next_step():
    """lambda 1: A = (sum of what is still to come) - V.   lambda 0: A = r + gamma V' - V."""
    rewards, values = torch.tensor([[0.0, 0.5, 2.0]]), torch.tensor([[0.3, -0.2, 1.0]])
    own = torch.ones(1, 3, dtype=torch.bool)
    _, returns = policy.advantages_by_gae(rewards, values, own, 1.0, 1.0)
    assert returns[0].tolist() == pytest.approx([2.5, 2.5, 2.0])
    advantages, _ = policy.advantages_by_gae(rewards, values, own, 0.9, 0.0)
    assert advantages[0].tolist() == pytest.approx([0.9 * -0.2 - 0.3, 0.5 + 0.9 * 1.0 + 0.2, 2.0 - 1.0])


@pytest.mark.parametrize(("ratio", "advantage", "value", "moves"), [
    (1.0, 2.0, -2.0, True), (1.1, 2.0, -2.2, True), (1.5, 2.0, -2.4, False), (0.5, 2.0, -1.0, True),
    (0.9, -1.0, 0.9, True), (0.5, -1.0, 0.8, False), (1.5, -1.0, 1.5, True),
])  # fmt: skip
def test_the_clip_is_figure_one_of_ppo(ratio, advantage, value, moves):
    """Schulman et al. 2017, equation 7: what is already 0.2 likelier is not made still likelier, but may come back."""
    log_p = torch.tensor([math.log(ratio)], requires_grad=True)
    loss = policy.clipped_objective(log_p, torch.zeros(1), torch.tensor([advantage]))
    loss.sum().backward()
    assert loss.item() == pytest.approx(value, rel=1e-5)
    assert (log_p.grad.item() != 0) == moves


def test_a_value_that_moved_too_far_pays_for_where_it_is():
    found = policy.clipped_value(torch.tensor([1.5, 1.1]), torch.tensor([1.0, 1.0]), torch.tensor([2.0, 0.0]))
    assert found.tolist() == pytest.approx([0.5 * max(0.5**2, 0.8**2), 0.5 * 1.1**2])


@given(st.lists(NUMBERS, min_size=2, max_size=40))
@settings(max_examples=40, deadline=None)
def test_the_divergence_is_never_negative_and_nought_where_both_agree(gaps):
    found = policy.divergence(torch.zeros(len(gaps)), torch.tensor(gaps))
    assert (found >= 0).all() and policy.divergence(torch.ones(3), torch.ones(3)).sum() == 0


def test_the_divergence_is_kl_in_the_mean():
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.randn(6, generator=generator).log_softmax(0) for _ in range(2))
    exact = (p.exp() * (p - q)).sum()
    over_all = (p.exp() * policy.divergence(p, q)).sum()
    assert over_all.item() == pytest.approx(exact.item(), rel=1e-5)


def test_advantages_of_a_group_are_its_standard_scores():
    found = policy.group_advantages(torch.tensor([[1.0, 0.0, 0.0, 1.0], [3.0, 3.0, 3.0, 3.0]]))
    score = 0.5 / (np.std([1, 0, 0, 1], ddof=1) + 1e-4)
    assert found[0].tolist() == pytest.approx([score, -score, -score, score])
    assert found[1].tolist() == [0.0] * 4
    assert policy.group_advantages(torch.tensor([[1.0, 0.0, 0.0, 1.0]]), False).tolist() == [[0.5, -0.5, -0.5, 0.5]]
    with pytest.raises(ConfigError, match="group of one"):
        policy.group_advantages(torch.ones(3, 1))


def test_what_a_token_counts():
    own = torch.tensor([[True, True, True, False], [False, True, False, False]])
    assert policy.token_weights(own, "dapo", 8)[own].tolist() == pytest.approx([0.25] * 4)
    assert policy.token_weights(own, "grpo", 8)[own].tolist() == pytest.approx([1 / 6] * 3 + [1 / 2])
    assert policy.token_weights(own, "dr_grpo", 8)[own].tolist() == pytest.approx([1 / 16] * 4)
    assert not policy.token_weights(own, "dapo", 8)[~own].any()


def experience(chosen, model, reference=None):
    made = examples([9, 14, 6, 20, 11, 17, 8, 10])
    rewards = np.array([[1.0, 0.0, 0.0, 1.0], [0.2, -1.0, 3.0, 0.2]])
    return appraised(made, rewards, model, reference or Reference(decoder()), chosen), made


def valued(by=1.01):
    model = WithHead(decoder())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= by
        model.head.w.copy_(torch.randn(model.head.w.shape, generator=torch.Generator().manual_seed(2)) / 8)
    return model


PPO = PolicySettings("ppo", 2, 4, 32, beta=0.1, updates=2)


def test_ppo_rewards_the_last_token_and_asks_a_price_for_every_nat():
    """Ouyang et al. 2022, equation 2, as per-token rewards: -beta log(p / p_reference), and the reward at the end."""
    model = valued()
    found, made = experience(PPO, model)
    ids, own = padded(made)
    with torch.no_grad():
        gap = token_log_p(model.decoder, ids, own) - token_log_p(decoder(), ids, own)
        values = model.head(model.decoder.hidden(ids[:, :-1]))
    rewards = [1.0, 0.0, 0.0, 1.0, 0.2, -1.0, 3.0, 0.2]
    expected = torch.zeros(own.shape)
    for row in range(len(made)):
        mine = own[row]
        each = (-0.1 * gap[row][mine]).tolist()
        each[-1] += rewards[row]
        expected[row][mine] = torch.tensor(by_definition(each, values[row][mine].tolist(), 1.0, 0.95))
    assert (found.returns - (expected + values) * own).abs().max() < 1e-4
    mean, spread = expected[own].mean(), expected[own].std()
    assert (found.advantages - (expected - mean) / (spread + 1e-4) * own).abs().max() < 1e-3
    assert abs(float(found.advantages[own].mean())) < 1e-5


@pytest.mark.parametrize("normalisation", policy.NORMALISATIONS)
def test_ppo_in_parts_is_ppo_as_one(normalisation):
    chosen = PolicySettings("ppo", 2, 4, 32, beta=0.1, normalisation=normalisation)
    made, _ = experience(chosen, valued())
    found = []
    for parts in (1, 2, 8):
        model = valued(1.03)
        loss = PolicyLoss(model, chosen)
        value = sum(loss(made.part(k, parts)) for k in range(parts)) / parts
        value.backward()
        found.append((value.item(), {name: one.grad for name, one in model.named_parameters()}))
    for value, gradients in found[1:]:
        assert value == pytest.approx(found[0][0], rel=1e-4)
        for name, gradient in gradients.items():
            assert (gradient - found[0][1][name]).abs().max() <= 1e-4 * max(1e-3, float(gradient.abs().max())), name


def test_an_experience_is_made_once_for_its_updates_and_by_the_model_of_then():
    asked = []

    def collect(number):
        asked.append(number)
        return experience(PPO, valued())[0]

    made = Experiences(collect, updates=2, accumulate=4)
    for part in range(16):
        made.at(part)
    assert asked == [0, 1]


def test_on_policy_the_gradient_is_the_plain_policy_gradient():
    """With one update the ratio is 1: the gradient is that of -sum of weight · advantage · log p (REINFORCE)."""
    chosen = PolicySettings(group=4, prompts=2, longest=32)
    model = decoder()
    made, _ = experience(chosen, model)
    PolicyLoss(model, chosen)(made).backward()
    found = {name: one.grad.clone() for name, one in model.named_parameters()}
    model.zero_grad()
    log_p = token_log_p(model, made.ids, made.own)
    (-(made.weights * made.advantages * log_p).sum()).backward()
    for name, parameter in model.named_parameters():
        assert (found[name] - parameter.grad).abs().max() <= 1e-5 * max(1e-3, float(parameter.grad.abs().max())), name


@pytest.mark.parametrize(("wrong", "said"), [
    ({"algorithm": "trpo"}, "grpo, ppo"), ({"group": 1}, "--group 2"), ({"prompts": 0}, "prompts=0"),
    ({"accumulate": 7}, "equal parts"), ({"temperature": 0.0}, "temperature"), ({"beta": -1.0}, "beta"),
    ({"beta": math.nan}, "beta"), ({"clip": math.nan}, "clip"), ({"gamma": 2.0}, "gamma"), ({"kl_limit": 0.0}, "kl_"),
    ({"normalisation": "mean"}, "dapo"),
])  # fmt: skip
def test_settings_that_cannot_be_are_refused(wrong, said):
    with pytest.raises(ConfigError, match=said):
        PolicySettings(**wrong)

"""A shortlist: what it leaves out is stood for, what it scores is exact, and it is the same on every process."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.errors import ConfigError
from twofold.train.losses import surprise
from twofold.train.shortlist import Shortlist, surprise_on_shortlist
from twofold.train.shortlist_settings import ShortlistSettings

V, D = 40, 8


def inputs(seed: int = 0, positions: int = 12):
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(1, positions, D, generator=generator, requires_grad=True)
    W_U = torch.randn(V, D, generator=generator, requires_grad=True)
    targets = torch.randint(0, V, (1, positions), generator=generator)
    return hidden, W_U, targets, torch.rand(V, generator=generator)


def test_when_every_rare_token_is_drawn_loss_and_gradients_are_the_exact_ones():
    hidden, W_U, targets, counts = inputs()
    exact = torch.autograd.grad(surprise(hidden, W_U, targets), (hidden, W_U))
    candidates = Shortlist(counts, ShortlistSettings(frequent=0.25, drawn=0.75), seed=0).draw(3)
    loss = surprise_on_shortlist(hidden, W_U, targets, **vars(candidates))
    assert torch.allclose(loss, surprise(hidden, W_U, targets), atol=1e-5)
    for found, wanted in zip(torch.autograd.grad(loss, (hidden, W_U)), exact, strict=True):
        assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.slow
@given(st.integers(0, 10))
@settings(max_examples=5, deadline=None)
def test_over_many_draws_the_partition_function_is_right_on_average(seed):
    """exp(loss + own score) is Z as estimated; its mean over draws is Z itself for a target that is frequent."""
    hidden, W_U, _, counts = inputs(seed, positions=1)
    hidden, W_U = hidden.detach(), W_U.detach()
    shortlist = Shortlist(counts, ShortlistSettings(frequent=0.25, drawn=0.2), seed)
    target = shortlist.frequent[:1][None]
    own = (hidden[0, 0] @ W_U[target[0, 0]]).item()
    estimates = torch.tensor([
        float(surprise_on_shortlist(hidden, W_U, target, **vars(shortlist.draw(step)))) for step in range(600)
    ]) + own
    exact = torch.logsumexp(F.linear(hidden[0, 0], W_U), 0).item()
    spread = estimates.exp().std().item() / 600**0.5
    assert abs(estimates.exp().mean().item() - torch.tensor(exact).exp().item()) < 5 * spread + 1e-3


def test_a_draw_depends_on_seed_and_step_alone_and_holds_every_frequent_token_once():
    counts = inputs()[3]
    settings = ShortlistSettings()
    first, again = (Shortlist(counts, settings, seed=1) for _ in range(2))
    assert torch.equal(first.draw(7).ids, again.draw(7).ids)
    assert not torch.equal(first.draw(7).ids, first.draw(8).ids)
    assert not torch.equal(first.draw(7).ids, Shortlist(counts, settings, seed=2).draw(7).ids)
    ids = first.draw(7).ids
    assert len(set(ids.tolist())) == len(ids)
    assert set(counts.argsort(descending=True)[:5].tolist()) <= set(ids.tolist())


def test_the_end_of_a_run_and_every_sixteenth_step_see_all():
    settings = ShortlistSettings(whole=0.15)
    seen = [step for step in range(100) if settings.sees_all(step, 100)]
    assert seen == [0, 16, 32, 48, 64, 80, *range(85, 100)]
    assert all(replace(settings, drawn=0.0).sees_all(step, 100) for step in range(100))
    mean = sum(settings.scored(step, 1600) for step in range(1600)) / 1600
    assert settings.scored_in_all == pytest.approx(mean, abs=2e-3)


def test_shares_that_cannot_be_are_refused():
    with pytest.raises(ConfigError, match="shares of the vocabulary"):
        ShortlistSettings(frequent=0.9, drawn=0.2)

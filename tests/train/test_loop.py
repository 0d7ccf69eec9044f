"""The loop knows no loss: any function of a batch will do, and how the batch is cut does not matter."""

import pytest
import torch

from twofold.errors import TwofoldError
from twofold.model.config import ModelConfig
from twofold.model.decoder import Decoder, initialise
from twofold.train.average import Average
from twofold.train.loop import run_steps
from twofold.train.losses import NextTokenLoss
from twofold.train.optimiser import Optimiser
from twofold.train.optimiser_settings import OptimiserSettings

CONFIG = ModelConfig(vocab_size=40, n_layers=1, d_model=16, n_heads=2, context=8)
ADAMW = OptimiserSettings(kind="adamw", lr=0.01, embedding_lr=0.01, unembedding_lr=0.01)


def rows_at(step):
    return torch.randint(0, 40, (4, 9), generator=torch.Generator().manual_seed(step))


def losses(n=4, accumulate=1, batch_at=rows_at, loss=NextTokenLoss, clip=1.0):
    model = initialise(Decoder(CONFIG), 0)
    steps = run_steps(model, loss(model), Optimiser(model, ADAMW), batch_at, lambda step: 1.0, 0, clip, accumulate)
    return [next(steps).loss for _ in range(n)]


def test_it_is_plain_gradient_descent_as_anyone_would_write_it():
    model = initialise(Decoder(CONFIG), 0)
    oracle = torch.optim.AdamW(model.parameters(), lr=0.01, betas=(0.8, 0.95), eps=1e-10, weight_decay=0.0)
    for group in oracle.param_groups:
        group["lr"] = 0.01
    expected = []
    for step in range(4):
        logits = model(rows_at(step)[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows_at(step)[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        oracle.step()
        oracle.zero_grad()
        expected.append(loss.item())
    assert losses() == pytest.approx(expected, abs=1e-5)


def test_accumulated_parts_are_one_batch():
    whole = losses()
    parts = losses(accumulate=2, batch_at=lambda part: rows_at(part // 2)[2 * (part % 2) : 2 * (part % 2) + 2])
    assert parts == pytest.approx(whole, abs=1e-5)


def test_another_loss_trains_in_the_same_loop():
    class PullToZero:
        def __init__(self, model):
            self.model = model

        def __call__(self, batch):
            return self.model.W_E[batch].square().mean()

    first, *_, last = losses(n=10, batch_at=lambda step: torch.arange(40), loss=PullToZero)
    assert last < first


def test_a_loss_that_is_no_number_stops_the_run_with_the_way_out():
    class Broken(NextTokenLoss):
        def __call__(self, batch):
            return super().__call__(batch) * float("nan")

    with pytest.raises(TwofoldError, match="diverged"):
        losses(loss=Broken)


def test_the_average_is_in_place_only_inside_its_block():
    model = initialise(Decoder(CONFIG), 0)
    average = Average(model, decay=0.5)
    before = model.W_E.detach().clone()
    with torch.no_grad():
        model.W_E += 1
    average.update()
    with average.in_place():
        assert torch.allclose(model.W_E, before + 0.5, atol=1e-6)
    assert torch.allclose(model.W_E, before + 1, atol=1e-6)

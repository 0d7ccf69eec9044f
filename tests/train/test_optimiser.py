"""The optimiser sends each parameter to its own rule, and its state is all there is to it."""

import pytest
import torch

from twofold.errors import ConfigError
from twofold.model.config import ModelConfig
from twofold.model.decoder import Decoder, initialise
from twofold.train.losses import NextTokenLoss
from twofold.train.optimiser import Optimiser
from twofold.train.optimiser_settings import OptimiserSettings

CONFIG = ModelConfig(vocab_size=40, n_layers=2, d_model=16, n_heads=2, context=8)


def a_model(**changes):
    return initialise(Decoder(ModelConfig(**{**CONFIG.to_dict(), **changes})), seed=0)


def step(model, optimiser, seed):
    rows = torch.randint(0, 40, (4, 9), generator=torch.Generator().manual_seed(seed))
    NextTokenLoss(model)(rows).backward()
    optimiser.step(1.0)
    optimiser.zero_grad()


def test_adamw_is_torchs_own():
    ours, theirs = a_model(), a_model()
    settings = OptimiserSettings(kind="adamw", lr=0.01, embedding_lr=0.01, unembedding_lr=0.01, gain_lr=0.01)
    optimiser = Optimiser(ours, settings)
    oracle = torch.optim.AdamW(theirs.parameters(), lr=0.01, betas=(0.8, 0.95), eps=1e-10, weight_decay=0.0)
    for seed in range(3):
        step(ours, optimiser, seed)
        rows = torch.randint(0, 40, (4, 9), generator=torch.Generator().manual_seed(seed))
        NextTokenLoss(theirs)(rows).backward()
        oracle.step()
        oracle.zero_grad()
    for (name, ours_), theirs_ in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(ours_, theirs_, atol=1e-6), name


def test_muon_has_the_blocks_matrices_and_nothing_else():
    optimiser = Optimiser(a_model(), OptimiserSettings())
    names = set(optimiser.muon.state())
    assert names == {f"blocks.{i}.{n}" for i in range(2) for n in
                     ("attn.W_Q", "attn.W_K", "attn.W_V", "attn.W_O", "mlp.W_gate", "mlp.W_in", "mlp.W_out")}


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_a_restored_optimiser_goes_on_bit_for_bit(kind):
    model = a_model()
    optimiser = Optimiser(model, OptimiserSettings(kind=kind))
    step(model, optimiser, 0)
    parameters = {name: p.detach().clone() for name, p in model.named_parameters()}
    state = {name: value.clone() for name, value in optimiser.state().items()}
    step(model, optimiser, 1)
    again = a_model()
    again.load_state_dict({**again.state_dict(), **parameters})
    restored = Optimiser(again, OptimiserSettings(kind=kind))
    restored.load_state(state)
    step(again, restored, 1)
    for (name, one), other in zip(model.named_parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other), name


def test_a_foreign_state_is_refused():
    optimiser = Optimiser(a_model(), OptimiserSettings())
    step(optimiser_model := a_model(d_model=24), other := Optimiser(optimiser_model, OptimiserSettings()), 0)
    with pytest.raises(ConfigError, match="does not fit"):
        optimiser.load_state(other.state())


@pytest.mark.parametrize("changes", [{"kind": "sgd"}, {"lr": 0.0}, {"embedding_lr": -1.0}])
def test_settings_that_cannot_be_are_refused(changes):
    with pytest.raises(ConfigError):
        OptimiserSettings(**changes)

"""Low-rank additions against peft, and the laws that they keep."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from twofold.errors import ConfigError, FileFormatError
from twofold.model.config import ModelConfig
from twofold.train.loop import run_steps
from twofold.train.optimiser import Optimiser
from twofold.train.optimiser_settings import OptimiserSettings
from twofold.tune.batches import AnswerBatches
from twofold.tune.lora import TARGETS, adapter_of, low_ranks, merge, wrap
from twofold.tune.losses import AnswerLoss
from twofold.tune.packing import pack
from twofold.weights import adapters, safetensors
from twofold.weights.parameters import Parameters
from twofold.weights.torch_state import from_decoder

from ..model.conftest import _empty, in_their_words
from .test_packing import FAMILIES, decoder, examples

IDS = torch.randint(0, 50, (2, 12), generator=torch.Generator().manual_seed(1))
SETTINGS = OptimiserSettings(kind="adamw", lr=0.01, beta1=0.9, beta2=0.999)


def learned(family="llama", steps=3):
    """A wrapped model that has taken a few steps, so that nothing about it is zero any more."""
    model = wrap(decoder(family), rank=4, seed=5)
    rows = pack(examples([20] * 12), 24)
    trained = run_steps(model, AnswerLoss(model), Optimiser(model, SETTINGS), AnswerBatches(rows, 4).at, lambda s: 1.0)
    for _ in range(steps):
        next(trained)
    return model


@pytest.mark.parametrize("family", FAMILIES)
def test_a_new_adapter_changes_nothing(family):
    with torch.no_grad():
        assert torch.equal(wrap(decoder(family), rank=4)(IDS), decoder(family)(IDS))


@pytest.mark.parametrize("family", FAMILIES)
def test_merged_weights_give_the_same_logits(family):
    model = learned(family)
    with torch.no_grad():
        before = model(IDS)
        assert (before - decoder(family)(IDS)).abs().max() > 0.01
        merged = merge(model)
        assert (merged(IDS) - before).abs().max() < 1e-5
    assert {name for name, _ in merged.named_parameters()} == {name for name, _ in decoder(family).named_parameters()}


def test_only_the_additions_learn():
    model, base = learned(), dict(decoder().named_parameters())
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            assert name.endswith((".A", ".B"))
        else:
            assert torch.equal(parameter, base[name.removesuffix(".W")]), name


@pytest.mark.slow
def test_losses_gradients_and_weights_are_those_of_peft():
    peft = pytest.importorskip("peft")
    ours = wrap(decoder(), rank=4, alpha=8, seed=5)
    plain = decoder()
    theirs = _empty(plain.config)
    theirs.load_state_dict(in_their_words(plain.config, dict(plain.named_parameters())), strict=True)
    theirs = peft.get_peft_model(theirs, peft.LoraConfig(r=4, lora_alpha=8, target_modules="all-linear"))
    names = {"W_Q": "self_attn.q_proj", "W_K": "self_attn.k_proj", "W_V": "self_attn.v_proj", "W_O": "self_attn.o_proj",
             "W_in": "mlp.up_proj", "W_gate": "mlp.gate_proj", "W_out": "mlp.down_proj"}  # fmt: skip
    pairs = []
    for name, one in low_ranks(ours):
        _, block, _, leaf = name.split(".")
        layer = theirs.get_submodule(f"base_model.model.model.layers.{block}.{names[leaf]}")
        layer.lora_A["default"].weight.data.copy_(one.A.detach())
        pairs += [(one.A, layer.lora_A["default"].weight), (one.B, layer.lora_B["default"].weight)]
    assert len(pairs) == 2 * sum(parameter.requires_grad for parameter in theirs.parameters()) / 2

    batches = AnswerBatches(pack(examples([25] * 12), 24), 4)
    steps = run_steps(ours, AnswerLoss(ours), Optimiser(ours, SETTINGS), batches.at, lambda step: 1.0, clip=1.0)
    learning = [parameter for parameter in theirs.parameters() if parameter.requires_grad]
    adamw = torch.optim.AdamW(learning, lr=0.01, betas=(0.9, 0.999), eps=1e-10, weight_decay=0.0)
    for step in range(8):
        batch = batches.at(step)
        labels = torch.cat((batch.ids[:, :1] * 0 - 100, torch.where(batch.learned, batch.ids[:, 1:], -100)), 1)
        loss = theirs(input_ids=batch.ids, labels=labels).loss
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(learning, 1.0)
        adamw.step()
        adamw.zero_grad()
        done = next(steps)
        assert done.loss == pytest.approx(float(loss), rel=1e-4)
        assert done.gradient_norm == pytest.approx(float(norm), rel=1e-3)
    for mine, other in pairs:
        assert (mine - other).abs().max() < 1e-3 * max(0.1, float(other.abs().max()))


def parameters_of(model):
    return Parameters(model.config, from_decoder(model), tokenizer=None)  # type: ignore[arg-type]


def test_an_adapter_file_merged_without_torch_is_the_model_that_learned(tmp_path):
    model = learned()
    adapters.save(tmp_path / "a.safetensors", adapter_of(model, "f" * 64))
    found = adapters.merged(parameters_of(decoder()), adapters.load(tmp_path / "a.safetensors"), "f" * 64)
    for name, array in from_decoder(merge(model)).items():
        assert np.abs(found.state[name] - array).max() < 1e-6, name


def test_an_adapter_file_is_one_that_others_can_read(tmp_path):
    from safetensors.numpy import load_file

    adapter = adapter_of(learned(), "f" * 64)
    adapters.save(tmp_path / "a.safetensors", adapter)
    theirs = load_file(tmp_path / "a.safetensors")
    assert len(theirs) == 2 * len(adapter.matrices) == 2 * 2 * len(TARGETS)
    assert np.array_equal(theirs["blocks.1.mlp.W_out.B"], adapter.matrices["blocks.1.mlp.W_out"][1])


def test_an_adapter_for_another_model_is_refused(tmp_path):
    adapter = adapter_of(learned(), "f" * 64)
    with pytest.raises(ConfigError, match="learned on another model"):
        adapters.merged(parameters_of(decoder()), adapter, "0" * 64)
    other = parameters_of(decoder())
    narrow = dataclasses.replace(other, state={name: array[..., :-1] for name, array in other.state.items()})
    with pytest.raises(ConfigError, match="does not fit"):
        adapters.merged(narrow, adapter, "f" * 64)


@pytest.mark.parametrize("damage", ["no base", "half a pair", "no file"])
def test_what_is_no_adapter_is_named(tmp_path, damage):
    path, zeros = tmp_path / "a.safetensors", np.zeros((2, 2), np.float32)
    if damage == "no base":
        safetensors.write(path, {"x.A": zeros, "x.B": zeros}, {"x.A": "F32", "x.B": "F32"})
    elif damage == "half a pair":
        safetensors.write(path, {"x.A": zeros}, {"x.A": "F32"}, {"twofold.base": "f", "twofold.scale": "2.0"})
    with pytest.raises(FileFormatError):
        adapters.load(path)


@pytest.mark.parametrize("rank", [0, -1, 1000])
def test_a_rank_that_cannot_be_is_refused(rank):
    with pytest.raises(ConfigError, match="rank="):
        wrap(decoder(), rank)


def test_a_wrapped_model_is_not_wrapped_again_and_strange_targets_are_refused():
    with pytest.raises(ConfigError, match="already"):
        wrap(wrap(decoder(), 2), 2)
    with pytest.raises(ConfigError, match="W_X"):
        wrap(decoder(), 2, targets=("W_X",))


def test_the_number_of_learned_parameters_is_the_sum_of_both_sides():
    config: ModelConfig = decoder().config
    d, f, kv = config.d_model, config.d_ff, config.d_head * config.n_kv_heads
    expected = config.n_layers * 4 * (2 * (d + d) + 2 * (d + kv) + 3 * (d + f))
    assert sum(p.numel() for p in wrap(decoder(), 4).parameters() if p.requires_grad) == expected

"""What a shape costs, against the lecture's numbers, the real module, and what autograd really keeps."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.flop_counter import FlopCounterMode

from twofold.model.config import ModelConfig
from twofold.model.count import count, flops_per_token, kv_cache_bytes, training_bytes
from twofold.model.decoder import Decoder, initialise
from twofold.model.shapes import changed, named

LECTURE = {
    "embedding": 617_558_016,
    "key": 14_495_514_624,
    "query": 14_495_514_624,
    "value": 14_495_514_624,
    "output": 14_495_514_624,
    "up-projection": 57_982_058_496,
    "down-projection": 57_982_058_496,
    "unembedding": 617_558_016,
}

configs = st.builds(
    lambda heads, group, e, **rest: ModelConfig(
        n_heads=heads * group, n_kv_heads=heads, d_head=2 * e, d_model=8, context=16, **rest
    ),
    heads=st.integers(1, 3), group=st.integers(1, 3), e=st.integers(1, 4),
    vocab_size=st.integers(1, 50), n_layers=st.integers(0, 3), d_ff=st.integers(0, 40),
    positions=st.sampled_from(["learned", "rotary", "none"]), norm=st.sampled_from(["rms", "layer"]),
    mlp=st.sampled_from(["gelu", "swiglu", "relu2", "none"]),
    bias=st.booleans(), qk_norm=st.booleans(), tied=st.booleans(),
)  # fmt: skip


def test_gpt3_counts_as_in_the_lecture():
    parameters = count(named("gpt3-175b"))
    assert parameters.eight == LECTURE
    assert parameters.total_of_eight == 175_181_291_520


@pytest.mark.slow
@given(configs)
def test_the_count_is_the_sum_over_the_decoders_parameters(config):
    with torch.device("meta"):
        model = Decoder(config)
    assert count(config).held == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("mlp", ["gelu", "swiglu", "relu2", "none"])
@pytest.mark.parametrize("tied", [True, False])
def test_matrix_flops_are_those_that_torch_counts(small, ids, mlp, tied):
    """torch counts every matrix product that runs. Attention is left out of both: we count its causal half."""
    model = initialise(Decoder(small(mlp=mlp, tied=tied, n_kv_heads=2)), 0)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(ids)
    by_operation = counter.get_flop_counts()["Global"]
    products = sum(flops for operation, flops in by_operation.items() if "attention" not in str(operation))
    config = model.config
    attention = 2 * config.n_layers * config.context * config.n_heads * config.d_head
    assert products == ids.numel() * (flops_per_token(config, backward=False) - attention)


def test_training_costs_three_times_reading_and_attention_grows_with_the_context():
    config = named("gpt2")
    assert flops_per_token(config) == 3 * flops_per_token(config, backward=False)
    assert flops_per_token(config, 2048) - flops_per_token(config, 1024) == 6 * 12 * 1024 * 768


def test_gpt2_costs_six_n_and_attention():
    matrices = 12 * 12 * 768**2 + 50257 * 768
    assert flops_per_token(named("gpt2"), 1024) == 6 * matrices + 6 * 12 * 1024 * 768


@torch.no_grad()
def test_the_cache_grows_by_what_is_counted(small, ids):
    model = initialise(Decoder(small(n_kv_heads=2)), 0)
    cache = model.new_cache()
    model(ids[:1], cache=cache)
    held = sum(tensor.nbytes for layer in cache for tensor in layer.values())
    assert held == kv_cache_bytes(model.config, ids.shape[1], bytes_per_number=4)


def test_gpt3_trains_in_the_bytes_that_follow_from_its_size():
    """With AdamW: weights, gradients and two moments, four bytes each."""
    memory = training_bytes(named("gpt3-175b"), optimiser="adamw")
    held = count(named("gpt3-175b")).held
    assert [memory[part] for part in ("weights", "gradients", "optimiser")] == [4 * held, 4 * held, 8 * held]


@pytest.mark.parametrize("kind", [dict(), dict(positions="learned", norm="layer", mlp="gelu", bias=True, tied=True)])
def test_activations_are_near_what_autograd_keeps(kind):
    """Eager training in float32 keeps a little more than the least that is stated."""
    config = ModelConfig(vocab_size=512, n_layers=4, d_model=128, n_heads=4, context=64, **kind)
    model = initialise(Decoder(config), 0)
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    rows = torch.randint(0, 512, (4, 65), generator=torch.Generator().manual_seed(0))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        torch.nn.functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
    stated = training_bytes(config, batch=4, stream=4)["activations"]
    assert 1.0 < sum(storage.nbytes() for storage in kept.values()) / stated < 1.9


def test_counting_a_very_deep_shape_costs_no_more_than_a_flat_one():
    deep = changed(named("gpt2"), {"n_layers": 10**12})
    assert count(deep).eight["key"] == 10**12 * 768**2
    assert training_bytes(deep)["weights"] > 10**18

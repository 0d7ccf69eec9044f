"""Shapes by name against the sizes that their makers published."""

from __future__ import annotations

import pytest
import torch

from twofold.errors import ConfigError
from twofold.model.count import count
from twofold.model.decoder import Decoder
from twofold.model.shapes import NAMED, changed, from_values, named, parameter_shapes

PUBLISHED = {  # parameters as model cards and checkpoints state them
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "smollm2-135m": 134_515_008,
    "smollm2-360m": 361_821_120,
    "smollm2-1.7b": 1_711_376_384,
    "tinyllama-1.1b": 1_100_048_384,
    "llama-7b": 6_738_415_616,
    "llama-13b": 13_015_864_320,
    "llama-65b": 65_285_660_672,
    "llama-2-7b": 6_738_415_616,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.2-1b": 1_235_814_400,
    "llama-3.2-3b": 3_212_749_824,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-4b": 4_022_468_096,
    "qwen3-8b": 8_190_735_360,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_named_shape_has_the_published_size(name):
    assert count(named(name)).held == PUBLISHED[name]


def test_gpt3_has_the_size_of_its_paper():
    """174,600 million, Brown et al. 2020, table D.1 (where the head is the embedding's matrix)."""
    assert round(count(named("gpt3-175b")).held, -8) == 174_600_000_000


def test_gpt2_is_the_shape_that_transformers_calls_gpt2():
    from transformers import GPT2Config

    theirs, ours = GPT2Config(), named("gpt2")
    assert (ours.n_layers, ours.d_model, ours.n_heads) == (theirs.n_layer, theirs.n_embd, theirs.n_head)
    assert (ours.vocab_size, ours.context) == (theirs.vocab_size, theirs.n_positions)
    assert ours.norm_eps == theirs.layer_norm_epsilon


def test_llama_7b_is_the_shape_that_transformers_calls_llama():
    from transformers import LlamaConfig

    theirs, ours = LlamaConfig(), named("llama-7b")
    assert (ours.n_layers, ours.d_model, ours.n_heads) == (
        theirs.num_hidden_layers, theirs.hidden_size, theirs.num_attention_heads)  # fmt: skip
    assert (ours.vocab_size, ours.context, ours.d_ff) == (
        theirs.vocab_size, theirs.max_position_embeddings, theirs.intermediate_size)  # fmt: skip
    assert ours.norm_eps == theirs.rms_norm_eps


@pytest.mark.parametrize("name", NAMED)
def test_the_decoder_holds_the_parameters_that_the_shape_lists(name):
    config = changed(named(name), {"n_layers": 1})
    with torch.device("meta"):
        model = Decoder(config)
    assert {n: tuple(p.shape) for n, p in model.named_parameters()} == parameter_shapes(config)


@pytest.mark.parametrize("name", ["GPT2", "gpt2 "[:4], "Llama-7B"])
def test_a_name_is_found_whatever_its_case(name):
    assert named(name) == named(name.lower())


def test_an_unknown_name_is_answered_with_the_closest_and_all_of_them():
    with pytest.raises(ConfigError, match=r"did you mean 'gpt3-175b'\?.*smollm2-135m"):
        named("gpt3-175")


def test_sizes_that_followed_from_a_changed_one_follow_again():
    wide = changed(named("gpt2"), {"d_model": "1536"})
    assert (wide.d_head, wide.d_ff, wide.n_kv_heads) == (128, 6144, 12)
    assert changed(named("qwen3-0.6b"), {"d_model": "2048"}).d_head == 128  # it was chosen, so it stays
    assert changed(named("gpt2"), {"n_kv_heads": "4"}).n_kv_heads == 4


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"d_modle": 64}, "did you mean 'd_model'"),
        ({"d_model": "wide"}, "d_model is 'wide' where a whole number is meant"),
        ({"d_model": 64.5}, "whole number"),
        ({"d_model": True}, "whole number"),
        ({"tied": "maybe"}, "tied is 'maybe' where true or false is meant"),
        ({"rope_base": "nan"}, "positive number"),
        ({"rope_base": [1]}, "positive number"),
        ({"mlp": ["gelu"]}, "mlp="),
        ({"n_layers": -3}, "n_layers=-3"),
    ],
)
def test_a_wrong_value_is_named(values, says):
    with pytest.raises(ConfigError, match=says):
        changed(named("gpt2"), values)


def test_a_shape_without_its_sizes_says_which_are_missing():
    with pytest.raises(ConfigError, match="mine.toml does not say n_layers, n_heads"):
        from_values({"vocab_size": 64, "d_model": 8}, "mine.toml")

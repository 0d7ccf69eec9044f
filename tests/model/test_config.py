"""A shape that cannot be is refused at birth, and the message says which one can."""

from __future__ import annotations

import pytest

from twofold.errors import ConfigError
from twofold.model.config import ModelConfig


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (dict(d_model=30), "multiple of n_heads=4.*28"),
        (dict(n_kv_heads=3), "n_kv_heads=3"),
        (dict(d_head=7), "odd"),
        (dict(vocab_size=0), "vocab_size=0"),
        (dict(n_layers=-1), "n_layers=-1"),
        (dict(context=0), "context=0"),
        (dict(positions="sinus"), "'sinus' is not one of learned, rotary, none"),
        (dict(mlp="relu"), "relu2"),
    ],
)
def test_an_impossible_shape_is_refused_with_the_way_out(small, changes, says):
    with pytest.raises(ConfigError, match=says):
        small(**changes)


def test_what_is_left_out_follows_from_the_rest():
    config = ModelConfig(vocab_size=100, n_layers=2, d_model=64, n_heads=4)
    assert (config.d_head, config.n_kv_heads) == (16, 4)
    assert config.d_ff == 192  # 8/3 · 64 rounded up to a multiple of 64
    assert ModelConfig(vocab_size=100, n_layers=2, d_model=64, n_heads=4, mlp="gelu").d_ff == 256
    assert ModelConfig(vocab_size=100, n_layers=2, d_model=64, n_heads=4, mlp="none").d_ff == 0


def test_a_config_survives_its_own_dictionary(config):
    assert ModelConfig(**config.to_dict()) == config


@pytest.mark.parametrize("changes", [dict(n_layers=0), dict(mlp="none"), dict(positions="none"), dict(norm="layer")])
def test_what_others_do_not_know_is_named_our_own(small, changes):
    assert small(**changes).architecture == "twofold"

"""The heads look where they are told to, for any tokens."""

import pytest
import torch

from twofold.model.config import ModelConfig
from twofold.model.decoder import Decoder, initialise
from twofold.model.positions import rotary_table, rotate
from twofold.train.previous_token import look_back

CONFIG = {"vocab_size": 50, "n_layers": 2, "d_model": 128, "n_heads": 4, "context": 32, "rope_base": 1000.0}


def pattern(model, ids):
    """softmax(q kᵀ / sqrt(e)) of the first block, written out [h, q, k]."""
    config, attention = model.config, model.blocks[0].attn
    x = model.blocks[0].ln1(model.W_E[ids][None])
    q, k = ((x @ W.T).view(1, len(ids), -1, config.d_head).transpose(1, 2) for W in (attention.W_Q, attention.W_K))
    table = rotary_table(len(ids), config.d_head, config.rope_base)
    q, k = rotate(attention.q_norm(q), *table), rotate(attention.k_norm(k), *table)
    k = k.repeat_interleave(config.n_heads // config.n_kv_heads, dim=1)
    hidden = torch.ones(len(ids), len(ids), dtype=torch.bool).triu(1)
    return (q @ k.mT / config.d_head**0.5).masked_fill(hidden, float("-inf")).softmax(-1)[0]


def test_the_first_heads_attend_one_two_and_three_tokens_back():
    model = initialise(Decoder(ModelConfig(**CONFIG)), 0)
    assert look_back(model, 0) == 3
    ids = torch.randint(0, 50, (32,), generator=torch.Generator().manual_seed(3))
    shown = pattern(model, ids)
    for head, distance in enumerate((1, 2, 3)):
        looked = shown[head, 8:].argmax(-1)
        assert torch.equal(looked, torch.arange(8, 32) - distance), head
    free = shown[3].diagonal(-1)[8:].mean()
    assert shown[0].diagonal(-1)[8:].mean() > 2 * free


def test_with_grouped_queries_one_key_head_stays_free():
    assert look_back(initialise(Decoder(ModelConfig(**CONFIG, n_kv_heads=2)), 0), 0) == 1


@pytest.mark.parametrize("changes", [{"positions": "learned"}, {"qk_norm": False}, {"n_layers": 0}])
def test_shapes_that_cannot_start_so_are_left_as_they_are(changes):
    model = initialise(Decoder(ModelConfig(**{**CONFIG, **changes})), 0)
    before = model.W_E.detach().clone()
    assert look_back(model, 0) == 0 and torch.equal(before, model.W_E)

"""Which tensor holds what: checked against the Decoder's own parameters and the law that unpack undoes pack."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.model.config import ModelConfig
from twofold.model.shapes import parameter_shapes
from twofold.weights.layout import GGUF_NAMES, HUGGING_FACE_NAMES, pack, stored, unpack

from .models import SHAPES, config_of, random_state


@st.composite
def configs(draw):
    """Any shape that a ModelConfig allows, small."""
    def one(*options):
        return draw(st.sampled_from(options))

    n_heads = one(1, 2, 4)
    return ModelConfig(
        vocab_size=draw(st.integers(1, 9)), n_layers=draw(st.integers(0, 3)), d_model=8 * n_heads, n_heads=n_heads,
        context=draw(st.integers(1, 9)), n_kv_heads=one(0, 1, n_heads), d_head=one(0, 4, 6), d_ff=one(0, 5),
        positions=one("learned", "rotary", "none"), norm=one("layer", "rms"),
        mlp=one("gelu", "swiglu", "relu2", "none"),
        bias=one(True, False), qk_norm=one(True, False), tied=one(True, False),
        rope_base=draw(st.floats(1, 1e7)), norm_eps=draw(st.floats(1e-12, 1e-2)),
    )  # fmt: skip


@pytest.mark.slow
@given(configs())
def test_the_shapes_are_those_of_the_decoder(config):
    torch = pytest.importorskip("torch")
    from twofold.model.decoder import Decoder

    with torch.device("meta"):
        decoder = Decoder(config)
    assert parameter_shapes(config) == {name: tuple(parameter.shape) for name, parameter in decoder.named_parameters()}


@pytest.mark.parametrize(
    ("naming", "name"),
    [*itertools.product(("gguf",), SHAPES), *itertools.product(("hugging face",), SHAPES)],
)
def test_unpack_undoes_pack_and_the_stored_shape_is_the_one_foretold(naming, name):
    config = config_of(name)
    names = {"gguf": GGUF_NAMES, "hugging face": HUGGING_FACE_NAMES}[naming][config.architecture]
    state, back = random_state(config), {}
    for one in stored(config, names):
        array = pack(one, state)
        assert array.shape == one.shape
        back |= unpack(one, array)
    assert back.keys() == state.keys()
    assert all(np.array_equal(back[name], state[name]) for name in state)


def test_interleaving_brings_the_two_halves_of_a_rotary_pair_side_by_side():
    config = ModelConfig(vocab_size=4, n_layers=1, d_model=8, n_heads=2, qk_norm=False)
    state = random_state(config)
    state["blocks.0.attn.W_Q"][:] = np.arange(8)[:, None]  # two heads of four channels: pairs (0, 2), (1, 3)
    (tensor,) = (one for one in stored(config, GGUF_NAMES["llama"]) if "attn_q" in one.name)
    assert pack(tensor, state)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]



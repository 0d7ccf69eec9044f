"""One file holds everything that a model is, and gives it back."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given

from twofold.errors import ConfigError, FileFormatError
from twofold.model.config import ModelConfig
from twofold.weights import configuration, gguf
from twofold.weights.parameters import load, save
from twofold.weights.quants import WRITABLE, dequantise, quantise

from .models import OWN_SHAPES, SHAPES, config_of, random_state
from .test_layout import configs


def write(path, parameters, **changes):
    options = {"dtype": parameters.dtype, "chat_template": parameters.chat_template, "lineage": parameters.lineage}
    save(path, parameters.config, parameters.state, parameters.tokenizer, **options | changes)
    return path


def rewrite(path, out, *, drop=(), tensors=None, **keys):
    """The same file with other metadata or tensors, all in F32."""
    file = gguf.read(path)
    kept = {name: np.float64(value) if name.startswith("twofold.") and isinstance(value, float) else value
            for name, value in file.metadata.items()}  # fmt: skip
    metadata = {name: value for name, value in (kept | keys).items() if name not in drop}
    arrays = {name: file.array(name) for name in file.tensors} | (tensors or {})
    arrays = {name: array for name, array in arrays.items() if name not in drop}
    gguf.write(out, metadata, arrays, dict.fromkeys(arrays, "F32"))
    return out


def test_in_f32_everything_comes_back_to_the_bit(tmp_path, tiny, shape):
    before = tiny(shape)
    after = load(write(tmp_path / "p.gguf", before))
    assert after.config == before.config
    assert after.state.keys() == before.state.keys()
    assert all(np.array_equal(after.state[name], before.state[name]) for name in before.state)
    assert (after.chat_template, after.lineage, after.dtype) == (before.chat_template, before.lineage, "F32")
    for part in ("tokens", "merges", "pre", "specials", "bos_id", "eos_id", "add_bos"):
        assert getattr(after.tokenizer, part) == getattr(before.tokenizer, part)


@pytest.mark.parametrize("dtype", WRITABLE)
def test_a_second_save_in_the_same_dtype_gives_the_same_file(tmp_path, tiny, shape, dtype):
    first = load(write(tmp_path / "a.gguf", tiny(shape), dtype=dtype))
    write(tmp_path / "b.gguf", first, dtype=dtype)
    second = load(tmp_path / "b.gguf")
    if dtype != "Q8_0":  # rounding a rounded block again may move its scale by a bit
        assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()
    assert all(np.allclose(second.state[name], first.state[name], atol=0.02) for name in first.state)


@pytest.mark.parametrize("dtype", WRITABLE)
def test_matrices_are_rounded_and_vectors_and_positions_are_not(tmp_path, tiny, dtype):
    before = tiny("gpt2")
    after = load(write(tmp_path / "p.gguf", before, dtype=dtype))
    assert after.dtype == dtype
    for name, array in before.state.items():
        kept = array.ndim == 1 or name == "W_pos"
        rounded = array if kept else dequantise(quantise(array, dtype), dtype).reshape(array.shape)
        assert np.array_equal(after.state[name], rounded), name


def test_rows_that_q8_0_cannot_cut_into_blocks_are_kept_in_bf16(tmp_path, tokenizer):
    config = ModelConfig(vocab_size=tokenizer.vocab_size, n_layers=1, d_model=48, n_heads=2)

    save(tmp_path / "p.gguf", config, random_state(config), tokenizer, dtype="Q8_0")
    types = {name: info.type for name, info in gguf.read(tmp_path / "p.gguf").tensors.items()}
    assert types["blk.0.attn_q.weight"] == "BF16" and types["blk.0.ffn_down.weight"] == "Q8_0"


@pytest.mark.slow
@given(configs())
def test_any_config_survives_the_file_and_names_itself_as_llama_cpp_would(tmp_path_factory, config):
    path = tmp_path_factory.getbasetemp() / "any.gguf"
    gguf.write(path, configuration.to_metadata(config), {}, {})
    metadata = gguf.read(path).metadata
    assert configuration.from_metadata(metadata, config.tied, "it") == (config.architecture, config)


@pytest.mark.parametrize("name", SHAPES)
def test_a_file_by_someone_else_without_our_keys_means_the_same(tmp_path, tiny, name):
    path = write(tmp_path / "p.gguf", tiny(name))
    ours = [key for key in gguf.read(path).metadata if key.startswith("twofold.")]
    after = load(rewrite(path, tmp_path / "q.gguf", drop=ours))
    assert after.config == config_of(name) and after.lineage == {}


def test_an_older_gpt2_file_that_holds_the_tied_matrix_twice_is_tied(tmp_path, tiny):
    path = write(tmp_path / "p.gguf", tiny("gpt2"))
    head = {"output.weight": gguf.read(path).array("token_embd.weight")}
    assert load(rewrite(path, tmp_path / "q.gguf", tensors=head)).config == config_of("gpt2")


def test_rows_without_a_token_are_named_as_padding_in_the_file_and_gone_after(tmp_path, tiny):
    before = tiny("llama")
    config = dataclasses.replace(before.config, vocab_size=before.config.vocab_size + 5)
    state = before.state | {name: np.pad(before.state[name], ((0, 5), (0, 0))) for name in ("W_E", "W_U")}
    save(tmp_path / "p.gguf", config, state, before.tokenizer)
    assert gguf.read(tmp_path / "p.gguf").metadata["tokenizer.ggml.tokens"][-1] == f"[PAD{config.vocab_size - 1}]"
    after = load(tmp_path / "p.gguf")
    assert after.tokenizer.tokens == before.tokenizer.tokens and after.config == config


LIES = {
    "the architecture is 'mamba'": {"general.architecture": "mamba"},
    "n_layers is 1000000000000": {"llama.block_count": 10**12, "drop": "twofold.n_layers"},
    "claims 1000000000 layers and holds": {"llama.block_count": 10**9, "drop": "twofold.n_layers"},
    "the config asks for [2147483647, 64]": {"llama.vocab_size": 2**31 - 1, "drop": "twofold.vocab_size"},
    "says n_heads twice and differently": {"llama.attention.head_count": 8},
    "rope_base is nan": {"llama.rope.freq_base": float("nan"), "drop": "twofold.rope_base"},
    "norm_eps is inf": {"llama.attention.layer_norm_rms_epsilon": float("inf"), "drop": "twofold.norm_eps"},
    "n_heads is 'four'": {"llama.attention.head_count": "four", "drop": "twofold.n_heads"},
    "n_heads=0 must be at least 1": {"llama.attention.head_count": 0, "drop": "twofold.n_heads"},
    "rope.dimension_count is 4": {"llama.rope.dimension_count": 4},
    "positions are scaled ('yarn')": {"llama.rope.scaling.type": "yarn"},
    "rope.scaling.type is array": {"llama.rope.scaling.type": np.array([1, 2])},
    "mixture of experts": {"llama.expert_count": 8},
    "tokenizer.ggml.model is array": {"tokenizer.ggml.model": np.array([1, 2])},
    "general.architecture is ['llama']": {"general.architecture": ["llama"]},
    "general.architecture is array": {"general.architecture": np.array([1, 2])},
    "the tokenizer is 'llama'": {"tokenizer.ggml.model": "llama"},
    "token_type is not one whole number": {"tokenizer.ggml.token_type": np.zeros(3, np.int32)},
    "the merge 'a' is not two tokens with a space": {"tokenizer.ggml.merges": ["a"]},
    "bos id 4000000 is outside": {"tokenizer.ggml.bos_token_id": 4_000_000},
    "tokenizer.ggml.bos_token_id is 'x'": {"tokenizer.ggml.bos_token_id": "x"},
    "has no tokenizer.ggml.tokens": {"drop": "tokenizer.ggml.tokens"},
    "has no tokenizer.ggml.pre": {"drop": "tokenizer.ggml.pre"},
    "pre-tokenizer 'odd'": {"tokenizer.ggml.pre": "odd"},
    "chat_template is 1 where a value of type str": {"tokenizer.chat_template": 1},
    "twofold.lineage is not JSON": {"twofold.lineage": "{" * 100000},
    "twofold.lineage is nested too deeply": {"twofold.lineage": '{"a":' + "[" * 10**6},
    "lacks the tensor blk.1.ffn_up.weight": {"drop": "blk.1.ffn_up.weight"},
    "blk.0.attn_q.weight is [3, 3] and the config asks": {"tensors": {"blk.0.attn_q.weight": np.zeros((3, 3))}},
    "such as 'blk.0.attn_q.bias'": {"tensors": {"blk.0.attn_q.bias": np.zeros(64)}},
}


@pytest.mark.parametrize("complaint", LIES)
def test_a_model_that_cannot_be_is_refused_and_the_message_says_about_what(tmp_path, tiny, complaint):
    path = write(tmp_path / "p.gguf", tiny("llama"))
    lies = dict(LIES[complaint])
    drop, tensors = [lies.pop("drop", None)], lies.pop("tensors", None)
    with pytest.raises(FileFormatError) as caught:
        load(rewrite(path, tmp_path / "q.gguf", drop=drop, tensors=tensors, **lies))
    assert complaint in str(caught.value) and "q.gguf" in str(caught.value)


@pytest.mark.parametrize("missing", ["positions", "mlp", "qk_norm", "rope_base", "vocab_size"])
def test_a_shape_of_our_own_needs_every_field(tmp_path, tiny, missing):
    path = write(tmp_path / "p.gguf", tiny("attention-only"))
    with pytest.raises(FileFormatError, match=rf"twofold\.{missing}"):
        load(rewrite(path, tmp_path / "q.gguf", drop=[f"twofold.{missing}"]))


@pytest.mark.parametrize("name", OWN_SHAPES)
def test_shapes_that_the_others_lack_are_stored_under_our_own_architecture(tmp_path, tiny, name):
    path = write(tmp_path / "p.gguf", tiny(name))
    assert gguf.read(path).metadata["general.architecture"] == "twofold"


def test_parts_that_do_not_fit_are_not_written(tmp_path, tiny):
    parameters = tiny("llama")
    for wrong, complaint in (
        ({"dtype": "Q4_0"}, "F32, BF16, F16, Q8_0"),
        ({"state": parameters.state | {"W_X": np.zeros(3)}}, "W_X"),
        ({"state": parameters.state | {"W_E": np.zeros((3, 3), np.float32)}}, "W_E"),
        ({"config": dataclasses.replace(parameters.config, vocab_size=9)}, "9 rows|W_E"),
    ):
        parts = {"config": parameters.config, "state": parameters.state, "dtype": "F32"} | wrong
        with pytest.raises(ConfigError, match=complaint):
            save(tmp_path / "p.gguf", parts["config"], parts["state"], parameters.tokenizer, dtype=parts["dtype"])
    assert not list(tmp_path.iterdir())

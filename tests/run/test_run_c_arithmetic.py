"""The arithmetic of run.c: every type and every kernel against NumPy, models against run.py, the laws of its cache."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.engine import native_build
from twofold.engine.native import NativeCache, NativeModel
from twofold.errors import FileFormatError, TwofoldError
from twofold.run import run
from twofold.weights import gguf
from twofold.weights.parameters import save
from twofold.weights.quants import TYPES, WRITABLE, dequantise

from ..weights.models import OWN_SHAPES, SHAPES, small_tokenizer, tiny_parameters
from .compiled import SOURCE, build, needs_compiler

pytestmark = needs_compiler
FLOATS = ("F32", "F16", "BF16")
KERNELS = {"native": (), "avx2": ("-mavx2", "-mfma", "-mf16c"), "c": ("-DTF_PLAIN",)}
WIDTH, ROWS = 512, 37  # two blocks of the widest type; rows that do not fill the last tile
F32 = ("F32", np.ones(WIDTH, np.float32))
LAST_KERNEL: dict[str, Path] = {}


def library(kernel: str) -> Path | None:
    """run.c compiled for one kind of processor; None where this one is not of that kind."""
    if kernel == "native":
        return native_build.library()
    if kernel == "avx2" and "avx2" not in Path("/proc/cpuinfo").read_text():
        return None
    if kernel not in LAST_KERNEL:
        target = Path(mkdtemp(prefix="twofold-kernel-")) / f"{kernel}.so"
        LAST_KERNEL[kernel] = build(SOURCE, target, "-O1", "-shared", "-fPIC", *KERNELS[kernel])
    return LAST_KERNEL[kernel]


@pytest.fixture(params=["native", *(pytest.param(name, marks=pytest.mark.slow) for name in ("avx2", "c"))])
def kernel(request, monkeypatch) -> str:
    """A kind of processor that NativeModel runs on in this test."""
    path = library(request.param)
    if path is None:
        pytest.skip(f"this processor has no {request.param}")
    monkeypatch.setattr(native_build, "library", lambda *_: path)
    return request.param


def blocks(name: str, rows: int, cols: int, seed: int = 0) -> np.ndarray:
    """Random blocks of a type: any bits where they are whole numbers, sane scales."""
    rng, storage = np.random.default_rng(seed), TYPES[name]
    if storage.block == 1:
        return gguf.quantise(rng.standard_normal(rows * cols, np.float32), name)
    raw = rng.integers(0, 256, (rows * cols // storage.block, storage.layout.itemsize), np.uint8)
    made = raw.view(storage.layout).reshape(-1)
    for scale in ("d", "m"):
        if scale in storage.layout.names:
            made[scale] = rng.uniform(-0.01, 0.01, len(made))
    return made


def bare(folder: Path, tensors: dict[str, tuple[str, np.ndarray]], **keys: object) -> Path:
    """A file of a model without blocks: an embedding, a norm that does nothing, and a head of any type."""
    rows = len(tensors["token_embd.weight"][1]) * TYPES[tensors["token_embd.weight"][0]].block // WIDTH
    metadata = {"general.architecture": "twofold", "twofold.positions": "none", "twofold.norm": "rms",
                "twofold.mlp": "none", "twofold.context_length": 64, "twofold.block_count": 0,
                "twofold.embedding_length": WIDTH, "twofold.attention.head_count": 1,
                "twofold.attention.layer_norm_rms_epsilon": 0.0,
                "tokenizer.ggml.tokens": [f"t{i}" for i in range(rows)]} | keys  # fmt: skip
    out = [b"GGUF", np.uint32(3).tobytes(), np.uint64(len(tensors)).tobytes(), np.uint64(len(metadata)).tobytes()]
    out += [gguf._string(key) + gguf._value(value) for key, value in metadata.items()]
    data = b""
    for name, (form, array) in tensors.items():
        sizes = [array.size * TYPES[form].block] if form == "F32" and name.endswith("norm.weight") else [
            WIDTH, array.size * TYPES[form].block // WIDTH]  # fmt: skip
        out += [gguf._string(name), np.uint32(len(sizes)).tobytes(), np.array(sizes, np.uint64).tobytes(),
                np.uint32(TYPES[form].id).tobytes(), np.uint64(len(data)).tobytes()]  # fmt: skip
        data += array.tobytes() + bytes(-array.nbytes % 32)
    header = b"".join(out)
    path = folder / "bare.gguf"
    path.write_bytes(header + bytes(-len(header) % 32) + data)
    return path


def whole_numbers(rows: int) -> np.ndarray:
    """Vectors that rounding to 8 bits leaves as they are: whole numbers to 127 in each 32, times a scale of theirs."""
    rng = np.random.default_rng(7)
    numbers = rng.integers(-127, 128, (rows, WIDTH // 32, 32))
    numbers[..., 5] = 127
    return (numbers * 2.0 ** rng.integers(-3, 3, (rows, WIDTH // 32, 1))).reshape(rows, WIDTH).astype(np.float32)


@pytest.mark.parametrize("form", TYPES)
def test_a_product_with_every_type_is_numpys_with_the_dequantised_matrix(form, kernel, tmp_path):
    x, head = whole_numbers(ROWS), blocks(form, ROWS, WIDTH)
    tensors = {"token_embd.weight": ("F32", x.reshape(-1)), "output_norm.weight": ("F32", np.ones(WIDTH, np.float32)),
               "output.weight": (form, head)}  # fmt: skip
    model = NativeModel(bare(tmp_path, tensors), threads=2)
    matrix = dequantise(head, form).reshape(ROWS, WIDTH).astype(np.float64)
    for n in (1, 2, 3, 4, 5, 8, 9, 17, 37):  # every width of a panel
        ids = np.arange(n)
        unit = x[ids] / np.sqrt(np.mean(x[ids].astype(np.float64) ** 2, -1, keepdims=True))
        scores = model.forward([(NativeCache(model, n), ids)], every=True)
        close = 1e-2 if "_K" in form else 3e-5  # where a scale is a product of two, it is kept in 11 bits
        np.testing.assert_allclose(scores, unit @ matrix.T, rtol=0, atol=close * np.abs(matrix).max())


@pytest.mark.parametrize("form", TYPES)
def test_an_embedding_of_every_type_is_looked_up_as_numpy_reads_it(form, kernel, tmp_path):
    table = blocks(form, ROWS, WIDTH)
    tensors = {"token_embd.weight": (form, table), "output_norm.weight": ("F32", np.ones(WIDTH, np.float32))}
    model = NativeModel(bare(tmp_path, tensors), threads=1)
    rows = dequantise(table, form).reshape(ROWS, WIDTH)
    states = np.concatenate([model.states([i]) for i in range(ROWS)])
    unit = rows / np.sqrt(np.mean(rows.astype(np.float64) ** 2, -1, keepdims=True))
    np.testing.assert_allclose(states, unit, atol=2e-3 if "_K" in form else 2e-6)


def test_small_numbers_of_bf16_are_kept_and_only_where_there_are_very_many_count_as_zero(kernel, tmp_path):
    """Two in 512 may be below 2^-12 of the largest of their four rows."""
    rng = np.random.default_rng(5)
    few, many = rng.uniform(0.5, 1, (2, ROWS, WIDTH)).astype(np.float32)
    few[:, ::256] *= 2.0 ** -rng.integers(10, 100, (ROWS, 2))
    many *= 2.0 ** -rng.integers(0, 100, (ROWS, WIDTH))
    few[3, 100], few[3, 101] = 0, -0.0
    for numbers, within in ((few, 0), (many, 2.0**-12)):
        table = gguf.quantise(numbers.reshape(-1), "BF16")
        tensors = {"token_embd.weight": ("BF16", table), "output_norm.weight": F32}
        model, exact = NativeModel(bare(tmp_path, tensors), threads=2), dequantise(table, "BF16").reshape(ROWS, WIDTH)
        size = np.sqrt(np.mean(exact.astype(np.float64) ** 2, -1, keepdims=True))
        found = np.concatenate([model.states([i]) for i in range(ROWS)]) * size
        padded = np.pad(exact, ((0, -ROWS % 4), (0, 0)))
        largest = np.repeat(np.abs(padded).reshape(-1, 4 * WIDTH).max(-1), 4)[:ROWS, None]
        assert np.all(np.abs(found - exact) <= within * largest + 1e-5 * np.abs(exact))
        unit = exact / size
        scores = model.forward([(NativeCache(model, ROWS), range(ROWS))], every=True)
        np.testing.assert_allclose(scores, unit @ exact.T, rtol=1e-4, atol=within * WIDTH)


def opened(name: str, folder: Path, form: str = "F32", threads: int = 2) -> tuple[NativeModel, run.Model, int]:
    one = tiny_parameters(name, small_tokenizer())
    path = folder / "one.gguf"
    save(path, one.config, one.state, one.tokenizer, dtype=form)
    return NativeModel(path, threads), run.Model(run.GGUF(str(path))), one.config.vocab_size


@pytest.mark.parametrize("form", WRITABLE)
@pytest.mark.parametrize("name", [*SHAPES, *OWN_SHAPES])
def test_every_shape_scores_as_run_py_does(name, form, kernel, tmp_path):
    model, reference, v = opened(name, tmp_path, form)
    ids = np.random.default_rng(1).integers(0, v, 90).tolist()
    expected = reference.forward(ids, run.Cache(reference), every=True)
    scores = model.forward([(NativeCache(model, 96, "float32"), ids)], every=True)
    difference = np.abs(scores - expected)
    if form in FLOATS:
        assert difference.max() < 5e-5 * np.abs(expected).max()
    else:  # activations are rounded to 8 bits
        assert np.sqrt((difference**2).mean()) < 0.03 * expected.std()


@pytest.mark.parametrize("form", WRITABLE)
@pytest.mark.parametrize("name", SHAPES)
def test_a_batch_scores_bit_for_bit_as_its_texts_do_one_by_one(name, form, kernel, tmp_path):
    model, _, v = opened(name, tmp_path, form)
    rng = np.random.default_rng(2)
    texts = [rng.integers(0, v, n).tolist() for n in (1, 30, 7, 64, 2)]
    together = [NativeCache(model, 96) for _ in texts]
    first = model.forward(list(zip(together, texts, strict=True)))
    more = [rng.integers(0, v, n).tolist() for n in (3, 1, 1, 9, 2)]
    second = model.forward(list(zip(together, more, strict=True)))
    for i, (text, rest) in enumerate(zip(texts, more, strict=True)):
        alone = NativeCache(model, 96)
        np.testing.assert_array_equal(first[i], model.forward([(alone, text)])[0])
        for token in rest:
            last = model.forward([(alone, [token])])[0]
        np.testing.assert_array_equal(second[i], last)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=5), st.sampled_from([1, 2, 3, 7]))
def test_how_a_text_is_cut_into_steps_and_how_many_threads_there_are_changes_no_bit(long, cuts, threads):
    path, ids, expected = long
    alone = NativeModel(path, 1)
    whole = alone.forward([(NativeCache(alone, 600), ids)], every=True)
    model, at, scores = NativeModel(path, threads), 0, []
    cache = NativeCache(model, 600)
    for n in (*cuts, len(ids)):
        if part := ids[at : at + n]:
            scores.append(model.forward([(cache, part)], every=True))
        at += n
    np.testing.assert_array_equal(np.concatenate(scores), whole)
    np.testing.assert_allclose(whole, expected, atol=1e-4)


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """A model with a context of several pages of the cache and passes, a text, and run.py's scores for it."""
    one = tiny_parameters("llama", small_tokenizer())
    config = type(one.config)(**one.config.to_dict() | {"context": 600})
    path = tmp_path_factory.mktemp("long") / "long.gguf"
    save(path, config, one.state, one.tokenizer, dtype="F32")
    ids = np.random.default_rng(3).integers(0, config.vocab_size, 580).tolist()
    reference = run.Model(run.GGUF(str(path)))
    return path, ids, reference.forward(ids, run.Cache(reference), every=True)


@pytest.mark.parametrize(("kind", "close"), [("float16", 0.003), ("int8", 0.03)])
def test_a_cache_of_few_bits_scores_close_to_the_whole_one(kind, close, long, kernel):
    path, ids, expected = long
    model = NativeModel(path, 2)
    scores = model.forward([(NativeCache(model, 600, kind), ids)], every=True)
    assert np.sqrt(((scores - expected) ** 2).mean()) < close * expected.std()


@pytest.mark.parametrize("kind", ["float32", "float16", "int8"])
def test_a_cache_that_forgets_or_is_copied_goes_on_as_if_it_had_never_read_more(kind, long):
    path, ids, _ = long
    model = NativeModel(path, 2)
    cache, other = NativeCache(model, 600, kind), NativeCache(model, 400, kind)
    expected = model.forward([(cache, ids[:310])], every=True)
    for n in (300, 131, 128, 1, 0):
        cache.keep(n)
        assert cache.length == n
        other.copy_from(cache, n)
        for one in (cache, other):
            again = model.forward([(one, ids[n:310])], every=True)
            assert np.sqrt(((again - expected[n:]) ** 2).mean()) < 1e-3
    with pytest.raises(TwofoldError, match="cannot be kept"):
        cache.keep(-1)
    with pytest.raises(TwofoldError, match="cannot be copied"):
        other.copy_from(cache, 311)


def test_new_weights_are_taken_in_place_and_only_if_they_fit(tmp_path):
    model, _, _ = opened("qwen3", tmp_path)
    one = tiny_parameters("qwen3", small_tokenizer())
    state = {name: array * 0.9 for name, array in one.state.items()}
    save(tmp_path / "new.gguf", one.config, state, one.tokenizer, dtype="F32")
    model.refresh((tmp_path / "new.gguf").read_bytes())
    fresh = NativeModel(tmp_path / "new.gguf", 1)
    ids = list(range(40))
    np.testing.assert_allclose(*(m.forward([(NativeCache(m, 96), ids)]) for m in (model, fresh)), atol=2e-5)
    save(tmp_path / "other.gguf", one.config, state, one.tokenizer, dtype="BF16")
    with pytest.raises(FileFormatError, match="not as it was"):
        model.refresh((tmp_path / "other.gguf").read_bytes())


def test_what_cannot_be_read_is_refused_with_numbers(tmp_path):
    model, _, v = opened("llama", tmp_path)
    cache = NativeCache(model, 10)
    for reads, says in (([(cache, [v])], f"token {v} is not one of {v}"), ([(cache, [0] * 11)], "do not fit"),
                        ([(cache, [])], "do not fit"), ([(cache, [1]), (cache, [2])], "the same cache")):  # fmt: skip
        with pytest.raises(TwofoldError, match=says):
            model.forward(reads)
    with pytest.raises(TwofoldError, match="the context is 96"):
        NativeCache(model, 97)


@pytest.mark.parametrize(("changes", "says"), [
    ({"general.architecture": "mamba"}, "a 'mamba' model cannot be run; gpt2, llama, qwen3"),
    ({"twofold.context_length": 0}, "twofold.context_length is 0"),
    ({"twofold.attention.head_count_kv": 2}, "1 heads over 2"),
    ({"twofold.attention.key_length": 2000}, "of width 2000"),
    ({"twofold.attention.layer_norm_rms_epsilon": float("nan")}, "epsilon"),
    ({"twofold.block_count": 1}, "the file has no blk.0.attn_norm.weight"),
    ({"twofold.embedding_length": 256}, "token_embd.weight is .* is meant"),
])  # fmt: skip
def test_a_file_that_cannot_be_run_is_refused_by_name(changes, says, tmp_path):
    table = ("F32", whole_numbers(8).reshape(-1))
    path = bare(tmp_path, {"token_embd.weight": table, "output_norm.weight": F32}, **changes)
    with pytest.raises(FileFormatError, match=says):
        NativeModel(path)


def test_a_tensor_without_a_place_or_of_an_unknown_type_is_refused(tmp_path):
    table = ("F32", whole_numbers(8).reshape(-1))
    whole = bare(tmp_path, {"token_embd.weight": table, "output_norm.weight": F32, "extra.weight": table})
    with pytest.raises(FileFormatError, match=r"no place for extra\.weight"):
        NativeModel(whole)
    sound = bare(tmp_path, {"token_embd.weight": table, "output_norm.weight": F32}).read_bytes()
    at = sound.index(b"token_embd.weight") + 17 + 4 + 16
    with pytest.raises(FileFormatError, match="stored as GGML type 10; a matrix may be F32, F16"):
        NativeModel(sound[:at] + np.uint32(10).tobytes() + sound[at + 4 :])
    for n in range(0, len(sound) - 32, 97):
        with pytest.raises(FileFormatError):
            NativeModel(sound[:n])


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed")
def test_gemma_scores_as_transformers_does(tmp_path):
    import torch
    from transformers import Gemma3ForCausalLM, Gemma3TextConfig

    torch.manual_seed(0)
    v, d, layers, window = ROWS, 64, 7, 16
    config = Gemma3TextConfig(
        vocab_size=v, hidden_size=d, intermediate_size=96, num_hidden_layers=layers, num_attention_heads=4,
        num_key_value_heads=1, head_dim=32, query_pre_attn_scalar=32, sliding_window=window,
        max_position_embeddings=128,
        layer_types=["full_attention" if i % 6 == 5 else "sliding_attention" for i in range(layers)],
        rms_norm_eps=1e-6, attn_implementation="eager",
    )  # fmt: skip
    theirs = Gemma3ForCausalLM(config).eval()
    for parameter in theirs.parameters():
        parameter.data.normal_(0, 0.5 if parameter.ndim == 1 else 2 * parameter.shape[-1] ** -0.5)
    names = {"input_layernorm": "attn_norm", "post_attention_layernorm": "post_attention_norm",
             "pre_feedforward_layernorm": "ffn_norm", "post_feedforward_layernorm": "post_ffw_norm",
             "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}  # fmt: skip
    tensors = {}
    for name, tensor in theirs.model.state_dict().items():
        array = tensor.numpy() + np.float32(1 if name.endswith("norm.weight") else 0)
        if name.startswith("layers."):
            _, i, leaf = name.split(".", 2)
            tensors[f"blk.{i}.{names[leaf.removesuffix('.weight')]}.weight"] = array
        else:
            tensors[{"embed_tokens.weight": "token_embd.weight", "norm.weight": "output_norm.weight"}[name]] = array
    metadata = {"general.architecture": "gemma3", "gemma3.context_length": 128, "gemma3.block_count": layers,
                "gemma3.embedding_length": d, "gemma3.feed_forward_length": 96, "gemma3.attention.head_count": 4,
                "gemma3.attention.head_count_kv": 1, "gemma3.attention.key_length": 32,
                "gemma3.attention.sliding_window": window, "gemma3.attention.layer_norm_rms_epsilon": 1e-6,
                "gemma3.rope.freq_base": 1e6, "tokenizer.ggml.tokens": [f"t{i}" for i in range(v)]}  # fmt: skip
    gguf.write(tmp_path / "gemma.gguf", metadata, tensors, dict.fromkeys(tensors, "F32"))
    model = NativeModel(tmp_path / "gemma.gguf", 2)
    ids = torch.randint(0, v, (1, 100))
    with torch.inference_mode():
        expected = theirs(ids).logits[0].numpy()
    scores = model.forward([(NativeCache(model, 128), ids[0].tolist())], every=True)
    np.testing.assert_allclose(scores, expected, atol=2e-4 * np.abs(expected).max())

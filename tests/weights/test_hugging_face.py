"""Hugging Face folders: transformers is the oracle of what is written, and what it writes is read."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

from twofold.errors import ConfigError, FileFormatError
from twofold.weights import safetensors
from twofold.weights.hugging_face import export_folder, import_folder
from twofold.weights.parameters import load, save

from .models import OWN_SHAPES, SHAPES, config_of

TEXTS = ("hello the", "1984!\n\n  é and 😀", "<|im_start|> the the")


def gguf_of(path, parameters):
    save(path, parameters.config, parameters.state, parameters.tokenizer, dtype=parameters.dtype,
         chat_template=parameters.chat_template, lineage=parameters.lineage)  # fmt: skip
    return path.read_bytes()


def rewrite_json(path, **changes):
    values = json.loads(path.read_text()) | changes
    path.write_text(json.dumps(values))


def logits_of(folder_or_model, ids):
    import torch
    from transformers import AutoModelForCausalLM

    model = folder_or_model
    if not isinstance(model, torch.nn.Module):
        model = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].numpy()


@pytest.mark.slow
def test_transformers_loads_the_folder_and_gives_our_logits_and_our_tokens(tmp_path, tiny, family):
    pytest.importorskip("transformers")
    from transformers import AutoTokenizer

    torch = pytest.importorskip("torch")
    from twofold.weights.torch_state import to_decoder

    parameters = tiny(family)
    export_folder(parameters, tmp_path / "hf")
    theirs = AutoTokenizer.from_pretrained(tmp_path / "hf")
    for text in TEXTS:
        ids = [parameters.tokenizer.bos_id, *parameters.tokenizer.encode(text, parse_special=True)]
        assert theirs(text).input_ids == ids
        with torch.no_grad():
            ours = to_decoder(parameters)(torch.tensor([ids]))[0].numpy()
        assert np.abs(ours - logits_of(tmp_path / "hf", ids)).max() < 1e-4
    assert theirs.chat_template == parameters.chat_template
    assert (theirs.bos_token_id, theirs.eos_token_id) == (parameters.tokenizer.bos_id, parameters.tokenizer.eos_id)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gpt2", "llama", "qwen3", "arcee"])
def test_a_model_that_transformers_made_and_saved_gives_its_logits_here(tmp_path, tiny, name):
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    from twofold.weights.torch_state import to_decoder

    parameters = tiny(name)
    export_folder(parameters, tmp_path)  # for the tokenizer; the weights are overwritten by theirs
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    torch.manual_seed(0)
    theirs = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    theirs.save_pretrained(tmp_path)
    ids = [5, 77, 3, 200, 9, 9, 31]
    imported = import_folder(tmp_path)
    with torch.no_grad():
        ours = to_decoder(imported)(torch.tensor([ids]))[0].numpy()
    assert imported.config == parameters.config
    assert np.abs(ours - logits_of(theirs, ids)).max() < 1e-4


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
def test_gguf_to_hugging_face_to_gguf_gives_the_same_file(tmp_path, tiny, name, dtype):
    parameters = tiny(name)
    save(tmp_path / "a.gguf", parameters.config, parameters.state, parameters.tokenizer, dtype=dtype,
         chat_template="{{ x }}", lineage=parameters.lineage)  # fmt: skip
    export_folder(load(tmp_path / "a.gguf"), tmp_path / "hf")
    gguf_of(tmp_path / "b.gguf", import_folder(tmp_path / "hf"))
    assert (tmp_path / "a.gguf").read_bytes() == (tmp_path / "b.gguf").read_bytes()


@pytest.mark.parametrize("name", SHAPES)
def test_hugging_face_to_gguf_to_hugging_face_gives_the_same_folder(tmp_path, tiny, name):
    export_folder(tiny(name), tmp_path / "a")
    gguf_of(tmp_path / "a.gguf", import_folder(tmp_path / "a"))
    export_folder(load(tmp_path / "a.gguf"), tmp_path / "b")
    assert {path.name for path in (tmp_path / "a").iterdir()} == {path.name for path in (tmp_path / "b").iterdir()}
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_q8_0_becomes_f32_so_that_nothing_is_lost(tmp_path, tiny):
    parameters = tiny("llama")
    save(tmp_path / "a.gguf", parameters.config, parameters.state, parameters.tokenizer, dtype="Q8_0")
    before = load(tmp_path / "a.gguf")
    export_folder(before, tmp_path / "hf")
    after = import_folder(tmp_path / "hf")
    assert after.dtype == "F32" and all(np.array_equal(after.state[name], before.state[name]) for name in before.state)


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16"])
def test_the_safetensors_library_reads_what_is_written_and_writes_what_is_read(tmp_path, tiny, dtype):
    torch, library = pytest.importorskip("torch"), pytest.importorskip("safetensors.torch")
    export_folder(tiny("gpt2"), tmp_path, dtype)
    path = tmp_path / "model.safetensors"
    ours, theirs = safetensors.read(path), library.load_file(path)
    assert theirs.keys() == ours.tensors.keys()
    library.save_file({name: tensor.clone() for name, tensor in theirs.items()}, tmp_path / "again.safetensors")
    again = safetensors.read(tmp_path / "again.safetensors")
    for name, tensor in theirs.items():
        assert np.array_equal(ours.array(name), tensor.to(torch.float32).numpy())
        assert np.array_equal(again.array(name), ours.array(name))


def shard(folder):
    """Split the weights over two files with an index, as large models are."""
    whole = safetensors.read(folder / "model.safetensors")
    names, weight_map = sorted(whole.tensors), {}
    for number, part in enumerate((names[::2], names[1::2])):
        file = f"model-0000{number + 1}-of-00002.safetensors"
        safetensors.write(folder / file, {name: whole.array(name) for name in part}, dict.fromkeys(part, "F32"))
        weight_map |= dict.fromkeys(part, file)
    (folder / "model.safetensors").unlink()
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index


def test_weights_in_several_files_are_one_model(tmp_path, tiny):
    before = tiny("llama")
    export_folder(before, tmp_path)
    shard(tmp_path)
    after = import_folder(tmp_path)
    assert all(np.array_equal(after.state[name], before.state[name]) for name in before.state)


def test_the_first_gpt2_folders_without_prefix_and_with_masks_are_read(tmp_path, tiny):
    before = tiny("gpt2")
    export_folder(before, tmp_path)
    whole = safetensors.read(tmp_path / "model.safetensors")
    tensors = {name.removeprefix("transformer."): whole.array(name).copy() for name in whole.tensors}
    tensors["h.0.attn.bias"] = np.ones((1, 1, 8, 8), np.float32)
    safetensors.write(tmp_path / "model.safetensors", tensors, dict.fromkeys(tensors, "F32"))
    after = import_folder(tmp_path)
    assert all(np.array_equal(after.state[name], before.state[name]) for name in before.state)


@pytest.mark.parametrize("name", OWN_SHAPES)
def test_a_shape_that_transformers_lacks_is_refused_and_nothing_is_written(tmp_path, tiny, name):
    with pytest.raises(ConfigError, match="--to gguf"):
        export_folder(tiny(name), tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_a_folder_of_other_things_is_not_written_into(tmp_path, tiny):
    (tmp_path / "diary.txt").touch()
    with pytest.raises(ConfigError, match="not an exported model"):
        export_folder(tiny("llama"), tmp_path)


def test_pickle_is_not_opened_and_the_way_out_is_said(tmp_path, tiny):
    export_folder(tiny("llama"), tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(FileFormatError, match=r"pytorch_model\.bin only, which is pickle.*save_pretrained"):
        import_folder(tmp_path)


CONFIG_LIES = {
    "the model is 'mamba'": {"model_type": "mamba"},
    "the model is ['llama']": {"model_type": ["llama"]},
    "does not say hidden_size": {"hidden_size": None},
    "n_layers is 10000000000": {"num_hidden_layers": 10**10},
    "claims 1000000000 layers": {"num_hidden_layers": 10**9},
    "the config asks for [1099511627, 64]": {"vocab_size": 1099511627},
    "d_model is '64'": {"hidden_size": "64"},
    "d_model is True": {"hidden_size": True},
    "n_heads is -4": {"num_attention_heads": -4},
    "n_heads=3 is not a multiple": {"num_attention_heads": 3},
    "norm_eps is 0": {"rms_norm_eps": 0},
    "tied is 1": {"tie_word_embeddings": 1},
    "hidden_act is 'gelu'": {"hidden_act": "gelu"},
    "attention_bias is True": {"attention_bias": True},
    "quantization_config is": {"quantization_config": {"bits": 4}},
    "rope_scaling is": {"rope_scaling": {"type": "yarn", "factor": 4}},
    "only plain rotary": {"rope_parameters": {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8}},
    "rope_base is '1'": {"rope_parameters": {"rope_theta": "1"}},
    "twofold.lineage is not an object": {"twofold": {"lineage": 3}},
    "lacks the tensor lm_head.weight": {"tie_word_embeddings": False},
}


@pytest.mark.parametrize("complaint", CONFIG_LIES)
def test_a_config_that_cannot_be_run_is_refused_and_the_message_says_about_what(tmp_path, tiny, complaint):
    export_folder(tiny("llama-tied"), tmp_path)
    rewrite_json(tmp_path / "config.json", **CONFIG_LIES[complaint])
    with pytest.raises(FileFormatError) as caught:
        import_folder(tmp_path)
    assert complaint in str(caught.value)


NO_OBJECT = ("", "[]", "{", '{"a": NaN}', '{"a": 1, "a": 2}', "[" * 10**6, "\xff", '{"a": ' + "1" * 9999)


@pytest.mark.parametrize("text", NO_OBJECT)
def test_a_config_that_is_no_json_object_is_refused(tmp_path, tiny, text):
    export_folder(tiny("llama"), tmp_path)
    (tmp_path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(FileFormatError, match=r"config\.json"):
        import_folder(tmp_path)


def with_header(path, header, *, length=None, data=None):
    raw = path.read_bytes()
    (n,) = struct.unpack_from("<Q", raw)
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    claimed = struct.pack("<Q", len(text) if length is None else length)
    path.write_bytes(claimed + text + (raw[8 + n :] if data is None else data))


def entry(shape=(4,), offsets=(0, 16), dtype="F32", **more):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets), **more}


HEADER_LIES = {
    "claims a header of 18446744073709551615": {"length": 2**64 - 1},
    "claims a header of 999999": {"length": 999999},
    "is not JSON": {"header": b"\xff\xfe"},
    "a key appears twice": {"header": b'{"a": {}, "a": {}}'},
    "JSON list": {"header": []},
    "does not say dtype": {"header": {"a": {"dtype": "F32"}}},
    "and these only": {"header": {"a": entry(extra=1)}},
    "the dtype 'F8_E4M3'": {"header": {"a": entry(dtype="F8_E4M3")}},
    "the dtype 7": {"header": {"a": entry(dtype=7)}},
    "impossible shape [-1]": {"header": {"a": entry(shape=[-1])}},
    "impossible shape [1.5]": {"header": {"a": entry(shape=[1.5])}},
    "impossible shape [True]": {"header": {"a": entry(shape=[True])}},
    "impossible shape [9223372036854775808]": {"header": {"a": entry(shape=[2**63])}},
    "offsets [0, 17]": {"header": {"a": entry(offsets=[0, 17])}},
    "offsets [16, 0]": {"header": {"a": entry(offsets=[16, 0])}},
    "offsets [0]": {"header": {"a": entry(offsets=[0])}},
    "16 bytes, which F32 [5]": {"header": {"a": entry(shape=[5])}},
    "begins at byte": {"header": {"a": entry(), "b": entry()}},
    "the tensors end at byte": {"header": {"a": entry([2], [0, 8])}},
}


@pytest.mark.parametrize("complaint", HEADER_LIES)
def test_a_safetensors_file_that_lies_is_refused_and_the_message_says_about_what(tmp_path, complaint):
    path = tmp_path / "model.safetensors"
    safetensors.write(path, {"a": np.zeros(4, np.float32)}, {"a": "F32"})
    with_header(path, **{"header": {"a": entry()}, "data": bytes(16)} | HEADER_LIES[complaint])
    with pytest.raises(FileFormatError) as caught:
        safetensors.read(path)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("file", ["../other.safetensors", "/etc/passwd", "x.bin", 7, "missing.safetensors"])
def test_an_index_that_points_elsewhere_is_refused(tmp_path, tiny, file):
    export_folder(tiny("llama"), tmp_path)
    index = shard(tmp_path)
    names = json.loads(index.read_text())["weight_map"]
    index.write_text(json.dumps({"weight_map": names | {next(iter(names)): file}}))
    with pytest.raises(FileFormatError):
        import_folder(tmp_path)


@pytest.mark.parametrize("missing", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_says_which(tmp_path, tiny, missing):
    export_folder(tiny("llama"), tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(FileFormatError, match=missing):
        import_folder(tmp_path)


def test_an_export_that_is_cut_short_is_not_taken_for_a_model(tmp_path, tiny, monkeypatch):
    """config.json goes first and comes last, so that a folder in between names itself unfinished."""
    export_folder(tiny("llama"), tmp_path)
    monkeypatch.setattr(type(tiny("llama").tokenizer), "to_json", lambda tokenizer: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export_folder(tiny("llama"), tmp_path)
    with pytest.raises(FileFormatError, match=r"config\.json"):
        import_folder(tmp_path)


def test_config_of_every_family_is_the_one_transformers_knows_by_that_name():
    transformers = pytest.importorskip("transformers")
    from twofold.weights.hugging_face_config import to_config

    for name in SHAPES:
        values = to_config(config_of(name))
        known = transformers.AutoConfig.for_model(values["model_type"])
        assert values.keys() - {"architectures", "model_type", "rope_theta"} <= known.to_dict().keys()
        assert hasattr(transformers, values["architectures"][0])

"""`twofold count` as a user meets it."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from twofold.cli.main import main
from twofold.errors import UserError
from twofold.model.config import ModelConfig
from twofold.model.shapes import parameter_shapes
from twofold.tokenizer.train import train_bpe
from twofold.weights.gguf import read
from twofold.weights.parameters import save


@pytest.fixture
def twofold(capsys):
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            main(list(arguments))
        return leaving.value.code, *capsys.readouterr()

    return run


def test_gpt3_is_printed_with_the_lectures_numbers(twofold):
    code, out, err = twofold("count", "gpt3-175b")
    assert (code, err) == (0, "")
    lines = {line[2:24].strip(): line[24:].split()[0] for line in out.splitlines() if line.startswith("  ")}
    assert lines["embedding"] == "617,558,016"
    assert lines["unembedding"] == "617,558,016"
    assert {lines[name] for name in ("key", "query", "value", "output")} == {"14,495,514,624"}
    assert lines["up-projection"] == lines["down-projection"] == "57,982,058,496"
    assert lines["these eight"] == "175,181,291,520"


def test_json_is_one_object_with_the_same_figures(twofold):
    code, out, _ = twofold("count", "gpt3-175b", "--json")
    figures = json.loads(out)
    assert code == 0
    assert figures["total_of_eight"] == sum(figures["parameters"].values()) == 175_181_291_520
    assert figures["total"] == figures["total_of_eight"] + sum(figures["rest"].values()) - figures["shared"]


THEIRS = {"model_type": "gpt2", "vocab_size": 64, "n_layer": 1, "n_embd": 8, "n_head": 2, "n_positions": 256,
          "layer_norm_epsilon": 1e-5}  # fmt: skip
SIZES = "vocab_size=64 n_layers=1 d_model=8 n_heads=2"


@pytest.mark.parametrize("name", ["sizes.toml", "recipe.toml", "sizes.json", "config.json"])
def test_a_shape_is_read_from_any_file_that_says_it(twofold, tmp_path, name):
    lines = SIZES.replace(" ", "\n") + "\nmlp='gelu'\n"
    files = {
        "sizes.toml": lines,
        "recipe.toml": f"minutes=5\n[model]\n{lines}",
        "sizes.json": json.dumps({"vocab_size": 64, "n_layers": 1, "d_model": 8, "n_heads": 2, "mlp": "gelu"}),
        "config.json": json.dumps(THEIRS),
    }
    (tmp_path / name).write_text(files[name])
    code, out, err = twofold("count", str(tmp_path / name), "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["parameters"]["up-projection"] == 8 * 32


def test_a_models_folder_is_counted_with_its_file(twofold, tmp_path):
    tokenizer = train_bpe(["some words and some more words"], 264)
    config = ModelConfig(tokenizer.vocab_size, 2, 32, 4)
    state = {name: np.zeros(shape, np.float32) for name, shape in parameter_shapes(config).items()}
    save(tmp_path / "parameters.gguf", config, state, tokenizer, dtype="Q8_0")
    code, out, _ = twofold("count", str(tmp_path), "--json")
    figures = json.loads(out)
    assert code == 0
    assert figures["total"] == sum(array.size for array in state.values())
    assert figures["file"]["bytes"] == (tmp_path / "parameters.gguf").stat().st_size
    held = sum(info.n_bytes for info in read(tmp_path / "parameters.gguf").tensors.values())
    assert figures["memory_bytes"]["weights"]["Q8_0"] == held


def test_changes_apply_to_a_known_shape_and_make_one_alone(twofold):
    _, deep, _ = twofold("count", "gpt2", "n_layers=24", "--json")
    assert json.loads(deep)["parameters"]["key"] == 24 * 768 * 768
    _, alone, _ = twofold("count", *SIZES.split(), "--json")
    assert json.loads(alone)["shape"]["d_model"] == 8


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["gpt9"], "did you mean 'gpt2'"),
        (["gpt2", "gpt2-xl"], "one thing at a time"),
        (["gpt2", "n_layers=many"], "n_layers is 'many'"),
        (["gpt2", "depth=3"], "'depth' is no part of a shape"),
        (["n_layers=3"], "does not say vocab_size, d_model, n_heads"),
        (["missing.toml"], "missing.toml cannot be read"),
        (["missing.json"], "missing.json is missing"),
        (["missing.gguf"], "missing.gguf"),
        (["."], "no parameters.gguf"),
        (["gpt2", "--batch", "0"], "--batch"),
    ],
)
def test_a_mistake_is_answered_with_what_to_do(twofold, tmp_path, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    code, out, err = twofold("count", *arguments)
    assert (code, out) == (UserError.exit_code, "")
    assert says in err


DAMAGED = [b"", b"\x00\xff\xfe", b"[", b"[1, 2]", b'{"n_layers": 1e999}', b'{"model_type": "bert"}', b'{"model": 3}']


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_config_is_named_and_nothing_more(twofold, tmp_path, content):
    for suffix in (".json", ".toml"):
        path = tmp_path / f"damaged{suffix}"
        path.write_bytes(content)
        code, out, err = twofold("count", str(path))
        assert (code, out) == (UserError.exit_code, "")
        assert path.name in err and err.count("\n") == 1


@pytest.mark.slow
def test_counting_loads_no_torch():
    count = "from twofold.cli.main import main; main(['count', 'gpt2'])"
    program = f"import sys\ntry: {count}\nfinally: assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL).returncode == 0


def test_the_named_shape_wins_only_where_no_file_has_its_name(twofold, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert json.loads(twofold("count", "gpt2", "--json")[1])["total"] == 124_439_808
    (tmp_path / "gpt2").mkdir()
    code, _, err = twofold("count", "gpt2")
    assert code == UserError.exit_code and "gpt2" in err

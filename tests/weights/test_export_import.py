"""`twofold export` and `twofold import`, as a user calls them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from twofold.cli.main import main
from twofold.weights.parameters import load, save


@pytest.fixture
def model(tmp_path, tiny, monkeypatch):
    """A folder runs/mine with a model in it; the working folder is above it."""
    monkeypatch.chdir(tmp_path)
    parameters = tiny("qwen3")
    save("runs/mine/parameters.gguf", parameters.config, parameters.state, parameters.tokenizer, dtype="F32",
         chat_template=parameters.chat_template, lineage=parameters.lineage)  # fmt: skip
    return tmp_path / "runs" / "mine"


def run(capsys, *arguments):
    """Exit code, standard output, standard error."""
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return left.value.code or 0, captured.out, captured.err


def test_out_to_hugging_face_and_back_in_gives_the_same_file_and_a_run_file(model, capsys, tmp_path):
    code, out, _ = run(capsys, "export", model, "--to", "hf", "--json")
    assert code == 0
    said = json.loads(out)
    assert said["architecture"] == "qwen3" and set(said["files"]) >= {"config.json", "model.safetensors"}
    code, out, _ = run(capsys, "import", said["out"], "--out", tmp_path / "back", "--json")
    assert code == 0 and set(json.loads(out)["files"]) == {"parameters.gguf", "run.py"}
    assert (tmp_path / "back" / "parameters.gguf").read_bytes() == (model / "parameters.gguf").read_bytes()


@pytest.mark.slow
def test_the_two_files_that_were_imported_run_by_themselves(model, capsys, tmp_path):
    run(capsys, "import", model / "parameters.gguf", "--out", tmp_path / "other")
    command = [sys.executable, "-I", "run.py", "parameters.gguf", "hello", "-n", "3", "--temperature", "0"]
    done = subprocess.run(command, cwd=tmp_path / "other", capture_output=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith(b"hello"), done.stderr


def test_a_gguf_of_another_type_stands_beside_the_model(model, capsys):
    code, out, _ = run(capsys, "export", model, "--to", "gguf", "--type", "q8_0")
    assert code == 0 and "mine-q8_0.gguf" in out
    assert load(model / "mine-q8_0.gguf").dtype == "Q8_0"


def test_a_gguf_file_is_brought_in_byte_by_byte(model, capsys, tmp_path):
    run(capsys, "export", model, "--to", "gguf", "--type", "q8_0")
    code, _, _ = run(capsys, "import", model / "mine-q8_0.gguf")
    imported = tmp_path / "runs" / "mine-q8_0" / "parameters.gguf"
    assert code == 0 and imported.read_bytes() == (model / "mine-q8_0.gguf").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["export", "nothing", "--to", "hf"], "no model 'nothing'"),
        (["export", "runs/mine", "--to", "onnx"], "choose hf or gguf"),
        (["export", "runs/mine", "--to", "hf", "--type", "q8_0"], "F32, F16, BF16"),
        (["export", "runs/mine", "--to", "gguf", "--type", "q2"], "F32, BF16, F16, Q8_0"),
        (["export", "runs/mine", "--to", "gguf", "--out", "runs/mine/parameters.gguf"], "is the model itself"),
        (["import", "nothing"], "no file or folder nothing"),
        (["import", "runs"], "config.json is missing"),
        (["import", "runs/mine/parameters.gguf", "--out", "runs/mine"], "exists already"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2_and_nothing_is_written(model, capsys, tmp_path, arguments, message):
    before = sorted(tmp_path.rglob("*"))
    code, out, error = run(capsys, *arguments)
    assert (code, out) == (2, "") and message in error and error.count("\n") == 1
    assert sorted(tmp_path.rglob("*")) == before

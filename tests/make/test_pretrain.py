"""A run can die at any moment and goes on to the same losses; several processes are one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from twofold.tokenizer.train import train_bpe

SMALL = ["model.n_layers=1", "model.d_model=32", "model.n_heads=2", "train.batch=4", "train.context=32",
         "train.bigram_steps=5", "machine.save_seconds=0"]  # fmt: skip
STEPS = 60


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> tuple[Path, Path]:
    """A small corpus of the standard library's text, and a tokenizer for it."""
    from twofold.data.prepare import prepare

    folder = tmp_path_factory.mktemp("prepared")
    texts = folder / "texts"
    texts.mkdir()
    words = ["the", "quick", "brown", "fox", "jumps", "over", "a", "lazy", "dog", "while", "seven", "old", "wizards",
             "watch", "quietly", "from", "the", "hill"]  # fmt: skip
    for i in range(40):
        order = [words[(i * 7 + j * (i % 5 + 1)) % len(words)] for j in range(400)]
        (texts / f"{i:02d}.txt").write_text(" ".join(order) + ".\n", encoding="utf-8")
    corpus = prepare([str(texts)], folder / "text")
    tokenizer = folder / "tokenizer.json"
    tokenizer.write_text(train_bpe((d.text for d in corpus.documents("train")), 300).to_json(), encoding="utf-8")
    return folder / "text", tokenizer


def command(prepared, out, *more, steps=STEPS):
    sets = [word for place in SMALL for word in ("--set", place)]
    return ["-m", "twofold", "pretrain", str(prepared[0]), "--tokenizer", str(prepared[1]), "--out", str(out),
            "--steps", str(steps), "--threads", "1", "--dtype", "float32",
            "--no-compile", "--json", *sets, *more]  # fmt: skip


def run(arguments, **options):
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=300, **options)


def losses(out: Path) -> list[float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines() if line.endswith("}")]
    return [entry["loss"] for entry in lines if entry["event"] == "step"]


def until(condition, seconds=120):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def whole(prepared, tmp_path_factory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("whole") / "run"
    ran = run(command(prepared, out))
    assert ran.returncode == 0, ran.stderr
    return out, json.loads(ran.stdout)


@pytest.mark.slow
def test_it_learns_and_leaves_two_files_and_a_report(whole):
    out, results = whole
    assert losses(out)[-1] < 0.7 * losses(out)[0]
    left = {path.name for path in out.iterdir()}
    assert {"parameters.gguf", "run.py", "recipe.toml", "results.json", "report.html"} <= left
    assert results["steps"] == STEPS and results["training_seconds"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 17])
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_killed_and_resumed_it_has_the_losses_of_the_run_that_never_stopped(prepared, whole, tmp_path, after):
    out = tmp_path / "run"
    process = subprocess.Popen([sys.executable, *command(prepared, out)], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    until(lambda: process.poll() is not None or ((out / "log.jsonl").exists() and len(losses(out)) >= after))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "parameters.gguf").exists()
    ran = run(command(prepared, out))
    assert ran.returncode == 0, ran.stderr
    assert losses(out) == losses(whole[0])
    assert (out / "parameters.gguf").read_bytes() == (whole[0] / "parameters.gguf").read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to a whole console")
def test_ctrl_c_saves_and_says_how_to_go_on(prepared, whole, tmp_path):
    out = tmp_path / "run"
    process = subprocess.Popen([sys.executable, *command(prepared, out)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    until(lambda: (out / "log.jsonl").exists() and len(losses(out)) >= 5)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130 and stdout == ""
    assert "go" in stderr.splitlines()[-1] and "Traceback" not in stderr
    ran = run(command(prepared, out))
    assert ran.returncode == 0 and losses(out) == losses(whole[0])


@pytest.mark.slow
def test_the_saved_recipe_repeats_the_run(prepared, whole, tmp_path):
    ran = run(command(prepared, tmp_path / "again", "--recipe", str(whole[0] / "recipe.toml")))
    assert ran.returncode == 0, ran.stderr
    assert losses(tmp_path / "again") == losses(whole[0])


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Gloo under torchrun is for Linux and macOS")
def test_two_processes_have_the_losses_of_one(prepared, whole, tmp_path):
    out = tmp_path / "two"
    ran = run(["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
               *command(prepared, out)], env={**os.environ, "OMP_NUM_THREADS": "1"})  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert losses(out) == pytest.approx(losses(whole[0]), abs=2e-3)


@pytest.mark.slow
def test_a_folder_of_other_wishes_is_not_overwritten(prepared, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "wishes.json").write_text("{}")
    ran = run(command(prepared, out))
    assert ran.returncode == 2 and "--out" in ran.stderr and "Traceback" not in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("wrong", "said"), [
    (["--set", "model.n_layer=2"], "n_layer"),
    (["--set", "model.n_heads=3"], "n_heads"),
    (["--device", "tpu"], "--device auto"),
    (["--set", "nonsense"], "PLACE=VALUE"),
])  # fmt: skip
def test_wishes_that_cannot_be_are_refused_before_any_work(prepared, tmp_path, wrong, said):
    ran = run(command(prepared, tmp_path / "run", *wrong))
    assert ran.returncode == 2 and said in ran.stderr and "Traceback" not in ran.stderr

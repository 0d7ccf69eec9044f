"""`twofold digits` as a user meets it."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from rich.console import Console

from twofold.cli.digits_live import Live
from twofold.cli.digits_result import picture
from twofold.cli.main import main
from twofold.neuron.descent import Settings, Step
from twofold.neuron.experiment import Plan
from twofold.neuron.images import load
from twofold.neuron.saved import load as load_network


@pytest.fixture
def twofold(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            main(["digits", *arguments])
        return leaving.value.code, *capsys.readouterr()

    return run


def test_json_is_one_object_with_the_accuracy_and_its_interval(twofold, tmp_path):
    code, out, err = twofold("--quick", "--epochs", "2", "--json")
    found = json.loads(out)
    assert code == 0 and "epoch 2 of 2" in err
    low, high = found["interval"]
    assert 0 < low < found["accuracy"] < high < 1
    assert found["accuracy"] == found["correct"] / found["held_out"]
    assert sum(map(sum, found["confusion"])) == found["held_out"] == 359
    assert len(found["mistakes"]) == found["held_out"] - found["correct"]
    assert found["parameters"] == 64 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10
    assert sorted(each.name for each in (tmp_path / found["folder"]).iterdir()) == [
        "network.npz", "report.html", "results.json"]  # fmt: skip
    network, _ = load_network(tmp_path / found["folder"] / "network.npz")
    held_out = load("quick").held_out
    read = network.forward(held_out.pixels)[-1].argmax(axis=1)
    assert (read == held_out.labels).sum() == found["correct"]


def test_a_person_reads_figures_a_matrix_pictures_and_where_the_files_are(twofold):
    code, out, _ = twofold("--quick", "--epochs", "2")
    assert code == 0
    assert "of 359 held-out images are read right (95 % interval" in out
    for title in ("What is shown", "The worst mistakes, of", "What the first neurons look at", "Where there is no"):
        assert title in out
    assert "runs/digits/network.npz" in out.replace(os.sep, "/")
    assert "\x1b" not in out, "no colours where there is no terminal"


@pytest.mark.slow
def test_the_same_seed_gives_the_same_figures_in_the_next_folder(twofold):
    found = [json.loads(twofold("--quick", "--epochs", "1", "--json", "--seed", seed)[1]) for seed in "778"]
    folders = [each.pop("folder").replace(os.sep, "/") for each in found]
    assert folders == ["runs/digits", "runs/digits-2", "runs/digits-3"]
    for each in found:
        del each["seconds"]
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--learning-rate", "nan"), "learning_rate=nan cannot be; it must be above 0"),
        (("--learning-rate", "-1"), "learning_rate=-1.0"),
        (("--activation", "tanh"), "'tanh' is none of sigmoid, relu"),
        (("--loss", "hinge"), "'hinge' is none of squared, cross-entropy"),
        (("--hidden", "a,b"), "--hidden 'a,b' is not of the form 16,16"),
        (("--hidden", "0"), "one neuron or more"),
        (("--images", "nowhere"), "nowhere is no folder"),
        (("--images", "."), "holds no train-images-idx3-ubyte"),
        (("--epochs", "0"), "epochs=0"),
        (("--batch", "0"), "batch=0"),
        (("--momentum", "1"), "momentum=1.0"),
        (("--seed", "-1"), "seed=-1"),
        (("--convolution", "--loss", "squared"), "--loss 'squared' does not go with --convolution"),
        (("--serve", "--host", "0.0.0.0"), "set a key with --api-key"),
        (("--convolution", "--hidden", "9"), "--hidden (9,) does not go with --convolution"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_it_is(twofold, arguments, says, tmp_path):
    code, out, err = twofold(*(("--quick",) if "--images" not in arguments else ()), *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("twofold: ") and says in err and err.count("\n") == 1
    assert not (tmp_path / "runs").exists(), "nothing was begun"


def test_a_run_that_diverges_is_a_failure_with_the_way_out(twofold, tmp_path):
    code, out, err = twofold("--quick", "--activation", "relu", "--initialisation", "he", "--learning-rate", "1e9")
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("twofold: ") and "try a learning rate of 2e+08" in err
    assert not list((tmp_path / "runs").iterdir()), "the next attempt has its place"


@pytest.mark.slow
def test_the_default_folder_is_not_one_where_another_run_waits(twofold, monkeypatch):
    from twofold.neuron import experiment

    real = experiment.train

    def pressed(*arguments, **options):
        for step in real(*arguments, **options):
            signal.raise_signal(signal.SIGINT)
            yield step

    monkeypatch.setattr(experiment, "train", pressed)
    assert twofold("--quick", "--epochs", "2")[0] == 130
    monkeypatch.setattr(experiment, "train", real)
    folders = [json.loads(twofold("--quick", "--epochs", epochs, "--json")[1])["folder"] for epochs in "32"]
    assert [each.replace(os.sep, "/") for each in folders] == ["runs/digits-2", "runs/digits"]


def test_a_place_that_cannot_be_written_to_is_said_before_training(twofold, tmp_path):
    (tmp_path / "file").write_text("here")
    code, out, err = twofold("--quick", "--out", "file/run")
    assert (code, out) == (2, "") and "cannot be written" in err and "epoch" not in err


@pytest.mark.slow
def test_ctrl_c_saves_and_the_same_command_goes_on(tmp_path):
    arguments = ["digits", "--quick", "--convolution", "--epochs", "6", "--out", "run", "--json"]
    began = subprocess.Popen([sys.executable, "-m", "twofold", *arguments], cwd=tmp_path, stderr=subprocess.PIPE,
                             stdout=subprocess.PIPE, text=True)  # fmt: skip
    while "epoch 1" not in began.stderr.readline():
        assert began.poll() is None
    time.sleep(0.05)
    began.send_signal(signal.SIGINT)
    out, err = began.communicate(timeout=60)
    assert (began.returncode, out) == (130, "") and "saved; to go on: the same command with --out run" in err
    assert "Traceback" not in err
    found = {}
    for folder in ("run", "whole"):
        arguments[arguments.index("--out") + 1] = folder
        command = [sys.executable, "-m", "twofold", *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        found[folder] = json.loads(done.stdout)
        del found[folder]["folder"], found[folder]["seconds"]
    assert found["run"] == found["whole"]


def test_the_display_says_where_it_is():
    digits, clock, shown = load("quick"), iter(range(100)), io.StringIO()
    plan = Plan(settings=Settings(epochs=2))
    with Live(Console(file=shown, width=100, force_terminal=False), plan, digits, lambda: next(clock)) as live:
        for i in range(1, 289):
            live.next_line = 1e9
            live.step(Step(i, 288, i / 144, 3.0, 1.5, 0.25 if i % 144 == 0 else None)) if i in (1, 144, 288) else None
    assert shown.getvalue().splitlines() == [
        "digits: 64-16-16-10, 1,482 parameters: sigmoid, squared error",
        "  epoch 2 of 2, cost 1.5000, held out 25.0 % of 359 images read right",
    ]


def test_a_picture_of_characters_tells_ink_from_weights_against():
    lines = picture(np.array([[1.0, 0, -1, 0.5], [1, 0, -1, 0.5]]))
    assert [line.plain for line in lines] == ["█ #▒"]
    assert [line.plain for line in picture(np.array([[1.0, 0], [1, 0]]), plain=True)] == ["@ "]

"""A training leaves its files behind, can be stopped and goes on to the same bits, and reaches what is promised."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest

from twofold.errors import ConfigError, Diverged
from twofold.interrupts import Interrupted
from twofold.neuron.descent import Settings
from twofold.neuron.experiment import CONVOLUTIONAL, Plan, begin, figures, run, usual_rate
from twofold.neuron.images import Digits, Images, load
from twofold.neuron.network import Network
from twofold.neuron.saved import load as load_network


def bars(n=120, seed=0):
    """Ten kinds of images that anyone can tell apart: a bright stripe at one of ten places."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 10, n)
    pixels = (0.2 * random.random((n, 64))).astype(np.float32)
    for row, label in zip(pixels, labels, strict=True):
        row[6 * label : 6 * label + 6] = 1
    return Digits("bars", Images(pixels[:100], labels[:100]), Images(pixels[100:], labels[100:]))


PLAN = Plan((16,), loss="cross-entropy", initialisation="xavier", settings=Settings(0.5, 5, 20, momentum=0.5))


def test_a_training_leaves_a_network_and_its_figures(tmp_path):
    steps = []
    found = run(PLAN, bars(), tmp_path, steps.append)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["network.npz", "results.json"]
    network, lineage = load_network(tmp_path / "network.npz")
    for ours, theirs in zip(network.parameters, found.network.parameters, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    told = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert told["accuracy"] == lineage["accuracy"] == found.score.accuracy == 1.0
    assert told["interval"] == [found.score.low, found.score.high] and told["interval"][1] == 1.0
    assert told == json.loads(json.dumps(figures(PLAN, bars(), found)))
    assert [step.step for step in steps] == list(range(1, 401)) and found.steps == 400
    assert [at for at, _ in found.measured] == list(range(20, 401, 20))
    assert np.mean([step.cost for step in steps]) == pytest.approx(np.mean([cost for _, cost in found.costs]))


@pytest.mark.parametrize("plan", [PLAN, Plan((), "relu", "cross-entropy", "he", True, Settings(0.1, 5, 4, shift=1))])
def test_ctrl_c_loses_nothing(plan, tmp_path):
    whole = run(plan, bars(), tmp_path / "whole")

    def press(step):
        if step.step == 33:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        run(plan, bars(), tmp_path / "stopped", press)
    assert [path.name for path in (tmp_path / "stopped").iterdir()] == ["unfinished.npz"]
    steps = []
    again = run(plan, bars(), tmp_path / "stopped", steps.append)
    assert steps[0].step == 34
    for ours, theirs in zip(again.network.parameters, whole.network.parameters, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [list(each) for each in again.costs] == [list(each) for each in whole.costs]
    assert [list(each) for each in again.measured] == [list(each) for each in whole.measured]
    assert not (tmp_path / "stopped" / "unfinished.npz").exists()


def test_an_unfinished_run_is_not_mistaken_for_another(tmp_path):
    def press(step):
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(Interrupted):
        run(PLAN, bars(), tmp_path, press)
    with pytest.raises(ConfigError, match="unfinished run with other choices"):
        run(Plan((9,), settings=PLAN.settings), bars(), tmp_path)


def test_the_handler_of_ctrl_c_is_given_back(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    run(PLAN, bars(), tmp_path)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_that_diverges_stops_with_the_way_out(tmp_path):
    plan = Plan((8,), "relu", "squared", "he", settings=Settings(1e6, batch=5, epochs=20, decay=0.01))
    with pytest.raises(Diverged, match="try a learning rate of 2e"):
        run(plan, bars(), tmp_path)


def test_the_usual_rate_is_shorter_where_momentum_adds_steps_up():
    plan = Plan(settings=Settings(momentum=0.9))
    assert usual_rate(plan) == pytest.approx(usual_rate(Plan()) / 10)
    assert usual_rate(CONVOLUTIONAL) == pytest.approx(CONVOLUTIONAL.settings.learning_rate)


def test_the_same_seed_begins_the_same_network():
    for plan in (Plan(), CONVOLUTIONAL):
        for ours, theirs in zip(begin(plan, 28).parameters, begin(plan, 28).parameters, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert isinstance(begin(Plan(), 28), Network)


@pytest.mark.slow
def test_the_lectures_network_reads_nine_of_ten_digits_that_it_never_saw(tmp_path):
    assert run(Plan(), load("mnist"), tmp_path).score.accuracy >= 0.90


@pytest.mark.slow
def test_the_convolutional_network_reads_97_percent(tmp_path):
    """With a third of the usual epochs, to be quick."""
    from dataclasses import replace

    plan = replace(CONVOLUTIONAL, settings=replace(CONVOLUTIONAL.settings, epochs=10))
    assert run(plan, load("mnist"), tmp_path).score.accuracy >= 0.97

"""Several may watch one run, TensorBoard among them where it is installed."""

from __future__ import annotations

import builtins

import pytest

from twofold.make.observer import Both, Observer, Silent
from twofold.make.tensorboard import TensorBoard
from twofold.train.loop import Step

INFO = {"bits_per_byte": 1.5, "tokens_per_second": 1000.0, "mfu": 0.5, "steps": 3, "seconds_left": 1.0}
EVENTS = {
    "stage": ("text", "reading"), "progress": ("reading", 1, 2), "note": ("a note",),
    "step": (Step(0, 3.0, 1.0, 0.2, 0.1), INFO), "evaluated": (1, {"sotu": 1.0}), "sample": (1, "a", "b"),
    "measured": (1, "right 40 %"),
}


class Recorder(Silent):
    def __init__(self):
        self.seen = []

    def __getattribute__(self, name):
        if name in EVENTS:
            return lambda *given: self.seen.append((name, given))
        return super().__getattribute__(name)


def test_both_hear_everything_in_order():
    one, other = Recorder(), Recorder()
    both: Observer = Both(one, other)
    for name, given in EVENTS.items():
        getattr(both, name)(*given)
    assert one.seen == other.seen == list(EVENTS.items())


def test_every_event_of_the_protocol_is_passed_on():
    assert {name for name in vars(Observer) if not name.startswith("_")} == EVENTS.keys()


def test_without_the_package_nothing_is_written_and_nothing_is_said(tmp_path, monkeypatch, capfd):
    real = builtins.__import__

    def none(name, *rest, **more):
        if "tensorboard" in name and not name.startswith("twofold"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", none)
    with TensorBoard(tmp_path / "board") as board:
        for name, given in EVENTS.items():
            getattr(board, name)(*given)
    assert not (tmp_path / "board").exists()
    assert capfd.readouterr() == ("", "")


def test_what_is_not_told_in_bits_is_told_by_name(tmp_path):
    with TensorBoard(tmp_path / "board") as board:
        told = []
        board._scalars = lambda values, step: told.append((step, values))
        board.step(Step(4, 0.5, 1.0, 0.2, 0.1), {"tokens_per_second": 9.0, "shown": {"reward": 0.75}})
    ((step, values),) = told
    assert step == 4 and values["training/reward"] == 0.75 and "training/bits_per_byte" not in values


def test_tensorboard_reads_back_what_was_told(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with TensorBoard(tmp_path) as board:
        for step in range(3):
            board.step(Step(step, 3.0 - step, 1.0, 0.2, 0.1), INFO)
        board.evaluated(3, {"sotu": 1.25})
        board.sample(3, "The", " end")
    found = accumulator.EventAccumulator(str(tmp_path)).Reload()
    assert [(event.step, event.value) for event in found.Scalars("training/loss")] == [(0, 3.0), (1, 2.0), (2, 1.0)]
    assert found.Scalars("held_out/sotu")[0].value == 1.25

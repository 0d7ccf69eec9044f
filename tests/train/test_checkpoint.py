"""A checkpoint is whole or absent, and what it gives back is bit-equal."""

import json

import pytest
import torch

from twofold.errors import ConfigError, FileFormatError
from twofold.model.config import ModelConfig
from twofold.model.decoder import Decoder, initialise
from twofold.train import checkpoint
from twofold.train.checkpoint import Progress
from twofold.train.journal import Journal
from twofold.train.losses import NextTokenLoss
from twofold.train.optimiser import Optimiser
from twofold.train.optimiser_settings import OptimiserSettings


def trained(d_model=16):
    model = initialise(Decoder(ModelConfig(vocab_size=40, n_layers=1, d_model=d_model, n_heads=2, context=8)), 0)
    optimiser = Optimiser(model, OptimiserSettings())
    NextTokenLoss(model)(torch.arange(36).view(4, 9)).backward()
    optimiser.step(1.0)
    return model, optimiser


def test_it_gives_back_what_it_was_given(tmp_path):
    model, optimiser = trained()
    path = checkpoint.save(tmp_path, model, optimiser, Progress(7, 1.5, 2.25), {"average": torch.ones(3)})
    other, fresh = trained()
    with torch.no_grad():
        other.W_E.zero_()
    progress, extra = checkpoint.restore(path, other, fresh)
    assert progress == Progress(7, 1.5, 2.25) and torch.equal(extra["average"], torch.ones(3))
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(value, fresh.state()[name]) for name, value in optimiser.state().items())


def test_the_last_ones_and_the_best_are_kept(tmp_path):
    model, optimiser = trained()
    for step, bits in enumerate([3.0, 1.0, 2.0, None, 2.5]):
        checkpoint.save(tmp_path, model, optimiser, Progress(step, 0.0, bits), keep=2)
    assert [int(path.name) for path in sorted(tmp_path.iterdir())] == [1, 3, 4]
    assert int(checkpoint.best(tmp_path).name) == 1 and int(checkpoint.latest(tmp_path).name) == 4


def test_half_a_checkpoint_is_no_checkpoint(tmp_path):
    model, optimiser = trained()
    whole = checkpoint.save(tmp_path, model, optimiser, Progress(3))
    (tmp_path / ".00000009.tmp").mkdir()
    (tmp_path / "00000008").mkdir()
    assert checkpoint.latest(tmp_path) == whole


@pytest.mark.parametrize("damage", ["cut", "empty", "progress"])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    model, optimiser = trained()
    path = checkpoint.save(tmp_path, model, optimiser, Progress(3))
    tensors, progress = path / "state.safetensors", path / "state.json"
    if damage == "progress":
        progress.write_text("{")
    else:
        tensors.write_bytes(tensors.read_bytes()[: 100 if damage == "cut" else 0])
    with pytest.raises(FileFormatError, match="00000003"):
        checkpoint.restore(path, model, optimiser)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    path = checkpoint.save(tmp_path, *trained(), Progress(3))
    with pytest.raises(ConfigError, match="another model"):
        checkpoint.restore(path, *trained(d_model=32))


def test_the_journal_forgets_what_comes_again_and_survives_a_cut_line(tmp_path):
    journal = Journal(tmp_path / "log.jsonl")
    for step in range(4):
        journal.write("step", step=step)
    journal.write("revision", step=3, steps=9)
    with open(journal.path, "a") as file:
        file.write('{"event": "st')
    journal.cut(2)
    assert [entry["step"] for entry in journal.events("step")] == [0, 1]
    assert [json.loads(line)["event"] for line in journal.path.read_text().splitlines()] == ["step", "step", "revision"]

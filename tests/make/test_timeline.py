"""A run's heads at each checkpoint that was kept are those of the model as it was then."""

from __future__ import annotations

import pytest
import torch

from twofold.circuits.detectors import detect
from twofold.errors import ConfigError, SourceError
from twofold.make import recipe as recipes
from twofold.make.recipe import Recipe
from twofold.make.timeline import timeline
from twofold.model.config import ModelConfig
from twofold.model.decoder import Decoder, initialise
from twofold.train import checkpoint
from twofold.train.checkpoint import Progress
from twofold.train.journal import Journal
from twofold.train.optimiser import Optimiser
from twofold.train.optimiser_settings import OptimiserSettings
from twofold.weights.parameters import save
from twofold.weights.torch_state import from_decoder

from ..weights.models import VOCABULARY, small_tokenizer

CONFIG = ModelConfig(VOCABULARY, 2, 32, 4, 64)
ASKED = dict(length=8, times=4, texts=2)


@pytest.fixture
def run(tmp_path):
    """Two checkpoints with weights of their own, a log, and the model of the second as the finished one."""
    (tmp_path / "recipe.toml").parent.mkdir(exist_ok=True)
    recipes.write(tmp_path / "recipe.toml", Recipe(("words",), CONFIG))
    models = {}
    for step in (10, 20):
        models[step] = initialise(Decoder(CONFIG), step)
        for block in models[step].blocks:
            torch.nn.init.normal_(block.attn.W_O, std=0.1, generator=torch.Generator().manual_seed(step))
        optimiser = Optimiser(models[step], OptimiserSettings())
        checkpoint.save(tmp_path / "checkpoints", models[step], optimiser, Progress(step))
    journal = Journal(tmp_path / "log.jsonl")
    for step in range(20):
        journal.write("step", step=step, loss=float(step))
    save(tmp_path / "parameters.gguf", CONFIG, from_decoder(models[20]), small_tokenizer(), dtype="F32")
    return tmp_path, models


@pytest.mark.slow
def test_each_moment_is_the_model_as_it_was(run):
    folder, models = run
    moments = list(timeline(folder, **ASKED))
    assert [(one.step, one.loss) for one in moments] == [(10, 4.5), (20, 14.5), (None, 14.5)]
    for moment, model in zip(moments, (models[10], models[20], models[20]), strict=True):
        wanted = detect(model, **ASKED)
        torch.testing.assert_close(moment.heads.prefix, wanted.prefix, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(moment.heads.copying, wanted.copying, rtol=1e-3, atol=1e-3)
        assert moment.eigenvalues.shape == (2, 4) and moment.eigenvalues.abs().max() <= 1
    assert not torch.allclose(moments[0].heads.prefix, moments[1].heads.prefix)


def test_what_is_no_run_says_so(run, tmp_path):
    with pytest.raises(SourceError, match="no run with checkpoints"):
        list(timeline(tmp_path / "nowhere"))
    folder, _ = run
    (folder / "recipe.toml").unlink()
    with pytest.raises(ConfigError, match="not a recipe"):
        list(timeline(folder, **ASKED))

"""A run of one's own through the instruments: its heads at each checkpoint that is kept, beside its loss.

    runs/mine/checkpoints/00000120, 00000240, …      and in the end base.gguf, or parameters.gguf

A run keeps its last two checkpoints and the best; more of them with `--set machine.keep=50`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from twofold.circuits.detectors import HeadScores, detect
from twofold.circuits.eigenvalues import copying
from twofold.errors import SourceError
from twofold.make import recipe as recipes
from twofold.make.places import BASE
from twofold.model.decoder import Decoder
from twofold.train.checkpoint import restore_model
from twofold.train.journal import Journal
from twofold.weights.locate import PARAMETERS
from twofold.weights.parameters import load
from twofold.weights.torch_state import to_decoder

__all__ = ["Moment", "timeline"]


@dataclass(frozen=True)
class Moment:
    """`step` None is the finished model. `loss` is the mean of the ten steps before, in nats per token."""

    step: int | None
    loss: float | None
    heads: HeadScores
    eigenvalues: Float[Tensor, "l h"]


def timeline(folder: Path, length: int = 25, times: int = 4, texts: int = 3) -> Iterator[Moment]:
    """From the first checkpoint that is kept to the finished model. Raises SourceError where there is nothing."""
    paths = sorted((folder / "checkpoints").glob("[0-9]*"))
    finished = folder / BASE if (folder / BASE).exists() else folder / PARAMETERS  # the checkpoints are of the former
    if not folder.is_dir() or not (paths or finished.exists()):
        raise SourceError(f"{folder} is no run with checkpoints; give the folder that `twofold make` or `twofold "
                          "pretrain` wrote, such as runs/almanac")  # fmt: skip
    losses = [(one["step"], one["loss"]) for one in Journal(folder / "log.jsonl").events("step")]
    if paths:
        model = Decoder(recipes.read(folder / "recipe.toml").model)
        for path in paths:
            restore_model(path, model)
            step = int(path.name)
            yield _moment(model, step, [loss for at, loss in losses if step - 10 <= at < step], length, times, texts)
    if finished.exists():
        yield _moment(to_decoder(load(finished)), None, [loss for _, loss in losses[-10:]], length, times, texts)


def _moment(model: Decoder, step: int | None, losses: list[float], length: int, times: int, texts: int) -> Moment:
    shape = model.config.n_layers, model.config.n_heads
    with torch.no_grad():
        return Moment(step, sum(losses) / len(losses) if losses else None, detect(model, length, times, texts),
                      copying(model).view(shape))  # fmt: skip

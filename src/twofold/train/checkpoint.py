"""Checkpoints: everything a run needs to go on, written whole or not at all.

    checkpoints/00000120/state.safetensors     model.* and optimiser's tensors, float32
    checkpoints/00000120/state.json            step, seconds spent, held-out bits per byte

The last few and the best are kept. The order of the data and all randomness are functions of the step, so there is
nothing else to remember. Pickle is never read.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from twofold.atomic import writing_folder
from twofold.errors import ConfigError, FileFormatError
from twofold.train.optimiser import Optimiser
from twofold.weights import safetensors

__all__ = ["Progress", "best", "latest", "restore", "restore_model", "save"]

_TENSORS, _PROGRESS = "state.safetensors", "state.json"


@dataclass(frozen=True)
class Progress:
    """`step` is the next step to take, `seconds` the training time spent, `bits_per_byte` held out, if measured."""

    step: int
    seconds: float = 0.0
    bits_per_byte: float | None = None


def save(
    folder: Path, model: nn.Module, optimiser: Optimiser, progress: Progress,
    extra: Mapping[str, Tensor] | None = None, keep: int = 2,
) -> Path:
    """Write the checkpoint for `progress.step`, then forget all but the last `keep` and the best.

    What does not learn (`requires_grad` is off) is neither written nor restored.
    """
    tensors = {f"model.{name}": parameter.detach() for name, parameter in _learned(model)}
    tensors |= optimiser.state()
    tensors |= {f"extra.{name}": value for name, value in (extra or {}).items()}
    target = folder / f"{progress.step:08d}"
    with writing_folder(target) as temporary:
        arrays = {name: value.float().cpu().contiguous().numpy() for name, value in tensors.items()}
        safetensors.write(temporary / _TENSORS, arrays, dict.fromkeys(arrays, "F32"))
        (temporary / _PROGRESS).write_text(json.dumps(asdict(progress)), encoding="utf-8")
    kept = set(_all(folder)[-keep:]) | {best(folder)}
    for old in _all(folder):
        if old not in kept:
            shutil.rmtree(old, ignore_errors=True)
    return target


def latest(folder: Path) -> Path | None:
    """The checkpoint with the most steps, or None."""
    return _all(folder)[-1] if _all(folder) else None


def best(folder: Path) -> Path | None:
    """The checkpoint with the lowest validation bits per byte, or None when none was measured."""
    measured = [(bpb, path) for path in _all(folder) if (bpb := _progress(path).bits_per_byte) is not None]
    return min(measured)[1] if measured else None


def restore(path: Path, model: nn.Module, optimiser: Optimiser) -> tuple[Progress, dict[str, Tensor]]:
    """Fill model and optimiser from a checkpoint; return its progress and the extra tensors.

    Raises FileFormatError for a damaged checkpoint, ConfigError for one of another model.
    """
    tensors = restore_model(path, model)
    optimiser.load_state(tensors)
    extra = {name.removeprefix("extra."): value for name, value in tensors.items() if name.startswith("extra.")}
    return _progress(path), extra


@torch.no_grad()
def restore_model(path: Path, model: nn.Module) -> dict[str, Tensor]:
    """Fill the model's parameters from a checkpoint; return all its tensors."""
    try:
        file = safetensors.read(path / _TENSORS)
        tensors = {name: torch.tensor(file.array(name)) for name in file.tensors}
    except FileFormatError as error:
        raise FileFormatError(f"the checkpoint {path} cannot be read ({error}); delete it to go on without") from error
    for name, parameter in _learned(model):
        value = tensors.get(f"model.{name}")
        if value is None or value.shape != parameter.shape:
            raise ConfigError(
                f"the checkpoint {path} is of another model: it has {None if value is None else tuple(value.shape)} "
                f"where {name} is {tuple(parameter.shape)}; choose another --out, or delete its checkpoints"
            )
        parameter.copy_(value)
    return tensors


def _learned(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def _all(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*") if (path / _PROGRESS).exists())


def _progress(path: Path) -> Progress:
    try:
        return Progress(**json.loads((path / _PROGRESS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise FileFormatError(f"the checkpoint {path} cannot be read ({error}); delete it to go on without") from error

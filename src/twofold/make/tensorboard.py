"""The course of training for TensorBoard, where the package tensorboard is installed; nothing happens where it is not.

    pip install tensorboard; tensorboard --logdir runs
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from twofold.make.observer import Silent
from twofold.train.loop import Step

__all__ = ["TensorBoard"]

_WHERE_TOLD = {"training/bits_per_byte": "bits_per_byte", "speed/mfu": "mfu"}  # of what goes on with text


class TensorBoard(Silent):
    """An observer that writes event files to `folder`. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.writer: Any = None
        self.tried = False

    def __enter__(self) -> TensorBoard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.writer:
            self.writer.close()

    def step(self, step: Step, info: Mapping[str, Any]) -> None:
        if not self.tried:
            self.tried, self.writer = True, _writer(self.folder, step.step)
        values = {
            "training/loss": step.loss, "training/gradient_norm": step.gradient_norm,
            "training/learning_rate_scale": step.scale, "speed/tokens_per_second": info["tokens_per_second"],
            **{f"training/{name}": value for name, value in info.get("shown", {}).items()},
            **{name: info[key] for name, key in _WHERE_TOLD.items() if key in info},
        }
        self._scalars(values, step.step)

    def evaluated(self, step: int, bits_per_byte: Mapping[str, float]) -> None:
        self._scalars({f"held_out/{source}": value for source, value in bits_per_byte.items()}, step)

    def sample(self, step: int, prompt: str, text: str) -> None:
        if self.writer:
            as_code = "    " + (prompt + text).replace("\n", "\n    ")  # TensorBoard reads texts as Markdown
            self.writer.add_text("sample", as_code, step)

    def _scalars(self, values: Mapping[str, float], step: int) -> None:
        if self.writer:
            for name, value in values.items():
                self.writer.add_scalar(name, value, step)


def _writer(folder: Path, first: int) -> Any:
    """None without the package. What an earlier, interrupted attempt wrote for step `first` and later is dropped."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=first)

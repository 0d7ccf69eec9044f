"""A reward model as it is kept and used: a parameters file, and beside it the head that reads a reward off its stream.

    RUN/parameters.gguf      the model
    RUN/reward.safetensors   w [d_model] and b; in its __metadata__ twofold.base, the SHA-256 of the parameters file

    reward = w · stream + b at the token that ends the answer

No torch is needed to use it: whatever runs the model gives the stream.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twofold.engine.open import Engine, open_model
from twofold.errors import ConfigError, FileFormatError
from twofold.tune.examples import example
from twofold.tune.rewards import Task
from twofold.weights import safetensors
from twofold.weights.adapters import fingerprint
from twofold.weights.locate import locate

__all__ = ["REWARD", "RewardModel", "head_beside", "save_head"]

REWARD = "reward.safetensors"


def save_head(folder: Path, w: np.ndarray, b: float, base: str) -> Path:
    """Beside the parameters file whose SHA-256 is `base`."""
    tensors = {"w": w.astype(np.float32), "b": np.array([b], np.float32)}
    safetensors.write(folder / REWARD, tensors, dict.fromkeys(tensors, "F32"), {"twofold.base": base})
    return folder / REWARD


def head_beside(model: str | Path) -> Path | None:
    """The head's file, where the model is a reward model."""
    path = locate(model).parent / REWARD
    return path if path.is_file() else None


class RewardModel:
    """A Reward: question and answer to a number. Raises ConfigError for what is no reward model."""

    def __init__(self, model: str | Path, *, threads: int = 0) -> None:
        path, head = locate(model), head_beside(model)
        if head is None:
            raise ConfigError(f"{path} has no {REWARD} beside it, so it is no reward model; twofold reward makes one")
        file = safetensors.read(head)
        if {name: info.shape for name, info in file.tensors.items()} != {"w": self._width(path), "b": (1,)}:
            raise FileFormatError(f"{head} does not hold a head for {path}")
        if file.about.get("twofold.base") != fingerprint(path):
            raise ConfigError(f"{head} was learned on another parameters file than {path}; put its own beside it")
        self.engine: Engine = open_model(path, threads=threads)
        self.w, self.b = file.array("w"), float(file.array("b")[0])

    @staticmethod
    def _width(path: Path) -> tuple[int, ...]:
        from twofold.weights.parameters import load

        return (load(path, arrays=False).config.d_model,)

    def __call__(self, task: Task, answer: str) -> float:
        return self.of([*task.messages, {"role": "assistant", "content": answer}])

    def of(self, messages: Sequence[Mapping[str, Any]]) -> float:
        """Of a conversation that ends with the answer. Raises ConfigError for one that is longer than the context."""
        ids = example(self.engine, messages).ids[-self.engine.context :]
        stream = self.engine.backend.states(ids.tolist())[-1]
        return float(stream @ self.w) + self.b

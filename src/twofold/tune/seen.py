"""What a loss saw on its way, for the log: means over the parts of a step, taken when the step is done."""

from __future__ import annotations

from torch import Tensor

__all__ = ["Seen"]


class Seen:
    def __init__(self) -> None:
        self._values: dict[str, list[Tensor]] = {}

    def add(self, **values: Tensor) -> None:
        """Of one part: numbers that carry no gradient."""
        for name, value in values.items():
            self._values.setdefault(name, []).append(value.detach())

    def take(self) -> dict[str, float]:
        """The means since the last time."""
        means = {name: float(sum(values)) / len(values) for name, values in self._values.items()}
        self._values = {}
        return means

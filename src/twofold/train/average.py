"""The exponential moving average of the parameters: a smoother model than any single step's.

    average = decay * average + (1 - decay) * parameter
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["Average"]


class Average:
    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = dict(model.named_parameters())
        self.values = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        targets = [parameter.detach() for parameter in self.parameters.values()]
        torch._foreach_lerp_(list(self.values.values()), targets, 1 - self.decay)

    def load_state(self, values: Mapping[str, Tensor]) -> None:
        for name, value in self.values.items():
            value.copy_(values[name])

    def settle(self) -> None:
        """The model takes the average as its parameters, for good."""
        self._fill(self.values)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Inside the block the model holds the average; after it, its own parameters again."""
        own = {name: parameter.detach().clone() for name, parameter in self.parameters.items()}
        self._fill(self.values)
        try:
            yield
        finally:
            self._fill(own)

    @torch.no_grad()
    def _fill(self, values: Mapping[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(values[name])

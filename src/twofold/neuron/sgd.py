"""Gradient descent: every parameter takes a small step against its gradient.

    v ← momentum · v - learning rate · gradient,      parameter ← parameter + v

Stochastic when the gradient is that of a few examples: Robbins, Monro 1951. Momentum: Polyak 1964.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from twofold.errors import ConfigError, Diverged
from twofold.neuron.value import Value

__all__ = ["SGD"]

_FAR = 1e100  # nobody's weights; its powers soon cannot be computed


class SGD:
    """Raises ConfigError for a learning rate that is not above 0, or a momentum outside of 0 to below 1."""

    def __init__(self, parameters: Sequence[Value], learning_rate: float = 0.1, momentum: float = 0.0) -> None:
        if not parameters:
            raise ConfigError("there are no parameters to change")
        if not 0 <= momentum < 1:
            raise ConfigError(f"momentum={momentum} must be at least 0 and below 1")
        self.parameters, self.momentum = list(parameters), momentum
        self.velocity = [0.0] * len(self.parameters)
        self.learning_rate = learning_rate

    @property
    def learning_rate(self) -> float:
        """May be changed between steps."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        if not (math.isfinite(rate) and rate > 0):
            raise ConfigError(f"learning_rate={rate} must be a number above 0, such as 0.1")
        self._learning_rate = rate

    def zero_grad(self) -> None:
        for parameter in self.parameters:
            parameter.grad = 0.0

    def step(self) -> None:
        """Raises Diverged, before anything is changed, when a parameter would become no number, or a huge one."""
        moved, velocities = [], []
        for i, (parameter, velocity) in enumerate(zip(self.parameters, self.velocity, strict=True)):
            velocity = self.momentum * velocity - self._learning_rate * parameter.grad
            if not abs(parameter.data + velocity) < _FAR:
                raise Diverged(
                    f"descent has diverged: parameter {i} is {parameter.data:g} and its gradient {parameter.grad:g}; "
                    f"try a learning rate below {self._learning_rate:g}"
                )
            velocities.append(velocity)
            moved.append(parameter.data + velocity)
        self.velocity = velocities
        for parameter, data in zip(self.parameters, moved, strict=True):
            parameter.data = data

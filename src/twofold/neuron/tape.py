"""A graph recorded once and played again: on new inputs, on whole batches, with NumPy.

    x, y = [Value(0.0), Value(0.0)], Value(0.0)
    loss = hinge([model(x)], [y])                                  of one example, written as always
    tape = Tape(loss, inputs=[*x, y], parameters=model.parameters())
    for step in range(100):
        cost, gradient = tape.gradients(rows)                      rows [n, 3]; the mean over the rows, and its gradient
        tape.parameters -= 0.1 * gradient
    tape.write()                                                   back into the Values

The graph is what one run of the code made: a choice that the code took by looking at a number is not on the tape.
plan.py says how the scalars become few large instructions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from twofold.errors import ConfigError, Diverged, TwofoldError
from twofold.neuron.instructions import Memory
from twofold.neuron.plan import ONES, Plan
from twofold.neuron.value import Value, topological

__all__ = ["Tape"]

Array = NDArray[np.float64]


class Tape:
    """What makes `output` (one Value, or several) from `inputs`, which each row brings, and `parameters`.

    Every other number in the graph stays as it is now. Raises ConfigError when an input or a parameter was computed
    from something, or is named twice, and when an input does not occur in the graph.
    """

    def __init__(
        self, output: Value | Sequence[Value], inputs: Sequence[Value] = (), parameters: Sequence[Value] = ()
    ) -> None:
        self._outputs = [output] if isinstance(output, Value) else list(output)
        self._one = isinstance(output, Value)
        self._values, self._width = list(parameters), len(inputs)
        _check(self._outputs, inputs, parameters)
        self._plan = Plan(self._outputs, inputs, parameters)
        self._single = np.array(self._plan.single)
        self._memory = self._gradients = Memory(self._single, np.empty((self._plan.n_rows, 0)))
        self._latest = np.zeros(len(self._values))

    @property
    def parameters(self) -> Array:
        """The parameters as one vector, which may be changed in place."""
        return self._single[1 : 1 + len(self._values)]

    @parameters.setter
    def parameters(self, values: ArrayLike) -> None:
        vector = _numbers(values)
        if vector.shape != (len(self._values),):
            raise ConfigError(f"there are {len(self._values)} parameters, and this is an array {list(vector.shape)}")
        self._single[1 : 1 + len(self._values)] = vector

    @property
    def instructions(self) -> int:
        """How many operations on arrays one pass forward takes."""
        return len(self._plan.instructions)

    def read(self) -> None:
        """Take the parameters' numbers from the Values."""
        self.parameters = np.array([value.data for value in self._values])

    def write(self) -> None:
        """Put the parameters' numbers, and the gradient that was computed last, into the Values."""
        for value, data, gradient in zip(self._values, self.parameters.tolist(), self._latest.tolist(), strict=True):
            value.data, value.grad = data, gradient

    def forward(self, rows: ArrayLike | None = None) -> Array:
        """The output for each row of inputs [n, inputs]: [n], or [n, outputs] of several.

        Without inputs there are no rows to give, and n is 1. Raises ConfigError for rows of another width and
        TwofoldError when an output is no finite number: Diverged where the parameters are none.
        """
        inputs = self._checked(rows)
        n = len(inputs)
        if self._memory.rows.shape[1] != n:
            self._memory = Memory(self._single, np.empty((self._plan.n_rows, n)))
            self._gradients = Memory(np.empty_like(self._single), np.empty((self._plan.n_rows, n)))
            self._memory.rows[ONES] = 1.0
        self._memory.rows[1 : 1 + self._width] = inputs.T
        with np.errstate(all="ignore"):
            for instruction in self._plan.instructions:
                instruction.forward(self._memory)
        found = np.stack([np.broadcast_to(place.of(self._memory)[0], n) for place in self._plan.places], axis=1)
        if not np.isfinite(found).all():
            raise self._what_went_wrong(found)
        return found[:, 0] if self._one else found

    def gradients(self, rows: ArrayLike | None = None) -> tuple[float, Array]:
        """The output's mean over the rows, and its gradient [parameters].

        Raises ConfigError when there are several outputs, and what `forward` raises.
        """
        if not self._one:
            raise ConfigError(f"a gradient is of one number, and this tape has {len(self._outputs)} outputs")
        outputs = self.forward(rows)
        gradients, place = self._gradients, self._plan.places[0]
        gradients.single.fill(0.0)
        gradients.rows.fill(0.0)
        place.set(gradients, 1.0 / len(outputs) if place.row else 1.0)
        with np.errstate(all="ignore"):
            for instruction in reversed(self._plan.instructions):
                instruction.backward(self._memory, gradients)
        self._latest = gradients.single[1 : 1 + len(self._values)].copy()
        return float(outputs.mean()), self._latest

    def _checked(self, rows: ArrayLike | None) -> Array:
        if rows is None and not self._width:
            return np.empty((1, 0))
        inputs = _numbers(rows)
        if inputs.ndim != 2 or inputs.shape[1] != self._width or not len(inputs):
            raise ConfigError(
                f"this tape takes rows of {self._width} inputs, as an array [n, {self._width}] with n at least 1, "
                f"and was given an array {list(inputs.shape)}"
            )
        return inputs

    def _what_went_wrong(self, found: Array) -> TwofoldError:
        row = int(np.argwhere(~np.isfinite(found))[0, 0])
        said = f"row {row} comes to {found[row][~np.isfinite(found[row])][0]}"
        if not np.isfinite(self._memory.rows[1 : 1 + self._width, row]).all():
            return TwofoldError(f"{said}: its inputs are not all finite numbers")
        if not np.isfinite(self.parameters).all():
            return Diverged(f"{said}: parameters are not finite, so descent has diverged; lower the learning rate")
        for instruction in self._plan.instructions:
            values: Any = instruction.out.of(self._memory)
            values = values[..., row] if instruction.out.row else values
            if not np.isfinite(values).all():
                return TwofoldError(f"{said}: {instruction.name!r} is the first operation to give no finite number")
        return TwofoldError(said)


def _numbers(values: ArrayLike | None) -> Array:
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"this is no array of numbers: {error}") from None


def _check(outputs: Sequence[Value], inputs: Sequence[Value], parameters: Sequence[Value]) -> None:
    leaves = [*inputs, *parameters]
    if not outputs or not all(isinstance(value, Value) for value in (*outputs, *leaves)):
        raise ConfigError("a tape is made from one output or several, inputs and parameters, all of them Values")
    reached = set(map(id, topological(*outputs)))
    if unused := [i for i, value in enumerate(inputs) if id(value) not in reached]:
        raise ConfigError(f"the output was not made from input {unused[0]}: compute it with the inputs' own Values")
    for value in leaves:
        if value.operands:
            raise ConfigError(f"{value!r} was computed ({value.operation}), so it is no input and no parameter")
    if len({id(value) for value in leaves}) < len(leaves):
        raise ConfigError("an input or parameter is named twice")

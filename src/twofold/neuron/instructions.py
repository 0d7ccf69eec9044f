"""What a tape consists of: operations on many nodes at once, forward and backward.

Nodes live in two places: `single`, one number a node, for what is the same in every row of a batch (parameters,
constants, and what is computed of them alone), and `rows`, [node, row], for the rest. `Places` are the numbers of nodes
in one of the two. The gradients live in two arrays of the same shapes, and every backward adds to them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twofold.neuron.operations import Operation

__all__ = ["Dots", "Each", "Instruction", "Memory", "Places", "Sums"]

Array = NDArray[np.float64]


@dataclass
class Memory:
    """The numbers of all nodes, or their gradients: `single` [node], `rows` [node, row]."""

    single: Array
    rows: Array


class Places:
    """Node numbers, of any shape. A run of neighbours is read as a view; nodes that come twice get both gradients."""

    def __init__(self, numbers: Any, row: bool) -> None:
        index = np.asarray(numbers, np.intp)
        flat = index.ravel()
        self.row, self.shape = row, index.shape
        run = len(flat) > 0 and bool((np.diff(flat) == 1).all())
        self.where: Any = slice(int(flat[0]), int(flat[-1]) + 1) if run else index
        self.once = len(np.unique(flat)) == len(flat)

    def of(self, memory: Memory) -> Array:
        """[*shape] of single nodes, [*shape, row] of the others."""
        array = memory.rows if self.row else memory.single
        found = array[self.where]
        return found.reshape(self.shape + array.shape[1:]) if isinstance(self.where, slice) else found

    def set(self, memory: Memory, values: Any) -> None:
        array = memory.rows if self.row else memory.single
        array[self.where] = values

    def add(self, memory: Memory, values: Array) -> None:
        array = memory.rows if self.row else memory.single
        if isinstance(self.where, slice):
            array[self.where] += values.reshape((-1, *array.shape[1:]))
        elif self.once:
            array[self.where] += values
        else:
            np.add.at(array, self.where, values)


class Instruction(Protocol):
    name: str
    out: Places

    def forward(self, memory: Memory) -> None: ...
    def backward(self, memory: Memory, gradients: Memory) -> None: ...


@dataclass
class Each:
    """The same operation on each of many nodes. `wanted` says towards which operands a gradient is asked for."""

    name: str
    operation: Operation
    out: Places
    operands: Sequence[Places]
    wanted: Sequence[bool]

    def forward(self, memory: Memory) -> None:
        self.out.set(memory, self.operation.forward(*self._read(memory)))

    def backward(self, memory: Memory, gradients: Memory) -> None:
        above, y, operands = self.out.of(gradients), self.out.of(memory), self._read(memory)
        for place, wanted, slope in zip(self.operands, self.wanted, self.operation.backward, strict=False):
            if wanted:
                gradient = above * slope(y, *operands)
                place.add(gradients, gradient if place.row or not self.out.row else gradient.sum(1))

    def _read(self, memory: Memory) -> list[Array]:
        return [p.of(memory) if p.row or not self.out.row else p.of(memory)[:, None] for p in self.operands]


@dataclass
class Dots:
    """Σ c · x for many nodes: matrices [g, m, k] of single nodes, each times k rows of its own [g, k], give [g · m]."""

    name: str
    out: Places
    coefficients: Places
    x: Places
    wanted: tuple[bool, bool]

    def forward(self, memory: Memory) -> None:
        product = self.coefficients.of(memory) @ self.x.of(memory)
        self.out.set(memory, product.reshape(-1, product.shape[-1]))

    def backward(self, memory: Memory, gradients: Memory) -> None:
        above = self.out.of(gradients).reshape(*self.coefficients.shape[:2], -1)
        if self.wanted[0]:
            self.coefficients.add(gradients, above @ self.x.of(memory).swapaxes(1, 2))
        if self.wanted[1]:
            self.x.add(gradients, self.coefficients.of(memory).swapaxes(1, 2) @ above)


@dataclass
class Sums:
    """Σ a · b for many single nodes: [m, k] and [m, k] give [m]."""

    name: str
    out: Places
    a: Places
    b: Places

    def forward(self, memory: Memory) -> None:
        self.out.set(memory, (self.a.of(memory) * self.b.of(memory)).sum(1))

    def backward(self, memory: Memory, gradients: Memory) -> None:
        above = self.out.of(gradients)[:, None]
        self.a.add(gradients, above * self.b.of(memory))
        self.b.add(gradients, above * self.a.of(memory))

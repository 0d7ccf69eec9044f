"""The network that reads digits, and its backpropagation written out by hand.

A layer takes the activations a' of the one before it and gives

    z = W a' + b,   a = f(z)

and the cost of an example is how far the last layer's activations are from what they should be. The chain rule goes
back through the same steps, from the cost to every weight, every bias and every activation:

    dC/dz = f'(z) dC/da,   dC/dW = dC/dz a'ᵀ,   dC/db = dC/dz,   dC/da' = Wᵀ dC/dz

    squared error     C = Σ (a − y)²,   dC/da = 2 (a − y),   f of the last layer: sigmoid
    cross-entropy     C = −ln a_y,      dC/dz = a − y,       f of the last layer: softmax

3Blue1Brown, Neural networks, chapters 1 to 4; Rumelhart, Hinton, Williams 1986, doi:10.1038/323533a0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from twofold.errors import ConfigError

__all__ = [
    "ACTIVATIONS", "INITIALISATIONS", "LECTURE", "LOSSES", "Gradients", "Network", "check_input", "one_hot", "relu",
    "sigmoid", "softmax", "surprise",
]

Array = NDArray[np.floating[Any]]

LECTURE = (784, 16, 16, 10)  # 13,002 weights and biases
ACTIVATIONS = ("sigmoid", "relu")  # of the hidden layers
LOSSES = ("squared", "cross-entropy")
INITIALISATIONS = ("normal", "xavier", "he")


def sigmoid(z: Array) -> Array:
    """1 / (1 + e^−z), in a form that cannot overflow."""
    return 0.5 * np.tanh(0.5 * z) + 0.5


def relu(z: Array) -> Array:
    return np.maximum(z, 0)


def softmax(z: Array) -> Array:
    """e^z / Σ e^z along the last axis."""
    powers = np.exp(z - z.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@dataclass(frozen=True, eq=False)
class Gradients:
    """Where everything wants to go, times minus one. Layers count from the first that has weights."""

    cost: float  # the mean over the examples
    costs: Array  # [n], of each example
    activations: list[Array]  # dC/da [n, width], the input's first; each row is of its own example's cost
    weights: list[Array]  # dC/dW [width, width before], of the mean cost
    biases: list[Array]  # dC/db [width], of the mean cost

    @property
    def parameters(self) -> list[Array]:
        """In the order of Network.parameters."""
        return [each for pair in zip(self.weights, self.biases, strict=True) for each in pair]


@dataclass(frozen=True, eq=False)
class Network:
    """Layers that are fully connected. Raises ConfigError where the sizes don't fit."""

    weights: list[Array]  # [width, width before] each
    biases: list[Array]  # [width] each
    activation: str = "sigmoid"
    loss: str = "squared"

    def __post_init__(self) -> None:
        _one_of("activation", self.activation, ACTIVATIONS)
        _one_of("loss", self.loss, LOSSES)
        if not self.weights or len(self.weights) != len(self.biases):
            raise ConfigError(f"{len(self.weights)} matrices and {len(self.biases)} biases; a layer has one of each")
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if weight.ndim != 2 or bias.shape != weight.shape[:1]:
                raise ConfigError(f"layer {i + 1} has weights {weight.shape} and biases {bias.shape}; "
                                  "for weights (out, in) the biases are (out,)")  # fmt: skip
            if i and weight.shape[1] != len(self.biases[i - 1]):
                raise ConfigError(f"layer {i + 1} takes {weight.shape[1]} activations and the one before it has "
                                  f"{len(self.biases[i - 1])}")  # fmt: skip

    @classmethod
    def initial(cls, sizes: Sequence[int] = LECTURE, seed: int = 0, *, activation: str = "sigmoid",
                loss: str = "squared", initialisation: str = "normal", dtype: DTypeLike = np.float64) -> Network:
        """Random weights.

        normal    weights and biases from the standard normal distribution, as in the lecture
        xavier    weights with variance 2 / (in + out), biases 0: Glorot, Bengio 2010
        he        weights with variance 2 / in, biases 0: He et al. 2015, arXiv:1502.01852
        """  # fmt: skip
        _one_of("initialisation", initialisation, INITIALISATIONS)
        if len(sizes) < 2 or any(int(size) != size or size < 1 for size in sizes):
            raise ConfigError(f"sizes {'-'.join(map(str, sizes))}: two layers or more, each with one neuron or more")
        random = np.random.default_rng(seed)
        weights, biases = [], []
        for before, width in zip(sizes[:-1], sizes[1:], strict=True):
            scale = {"normal": 1.0, "xavier": (2 / (before + width)) ** 0.5, "he": (2 / before) ** 0.5}[initialisation]
            weights.append((scale * random.standard_normal((width, before))).astype(dtype))
            bias = random.standard_normal(width)
            biases.append((bias if initialisation == "normal" else 0 * bias).astype(dtype))
        return cls(weights, biases, activation, loss)

    @property
    def sizes(self) -> tuple[int, ...]:
        return (self.weights[0].shape[1], *(len(bias) for bias in self.biases))

    @property
    def parameters(self) -> list[Array]:
        """The arrays themselves, W and b of each layer in turn; to change one in place is to change the network."""
        return [each for pair in zip(self.weights, self.biases, strict=True) for each in pair]

    def forward(self, x: Array) -> list[Array]:
        """The activations of every layer [n, width], the input [n, inputs] first. Raises ConfigError for its shape."""
        return self._forward(x)[0]

    def gradients(self, x: Array, labels: NDArray[np.integer[Any]]) -> Gradients:
        """The cost of examples x [n, inputs] that show the digits `labels` [n], and how it changes with everything."""
        activations, z = self._forward(x)
        last, n = activations[-1], len(x)
        wanted = one_hot(labels, n, last.shape[1], last.dtype)
        costs = self._costs(last, z, wanted)
        if self.loss == "squared":
            by_activation = 2 * (last - wanted)
            by_z = by_activation * last * (1 - last)
        else:
            by_activation = -wanted / np.maximum(last, np.finfo(last.dtype).tiny)
            by_z = last - wanted
        by_activations: list[Array] = [by_activation]
        by_weights: list[Array] = []
        by_biases: list[Array] = []
        for i in reversed(range(len(self.weights))):
            before = activations[i]
            by_weights.append(by_z.T @ before / n)
            by_biases.append(by_z.mean(axis=0))
            by_before = by_z @ self.weights[i]
            by_activations.append(by_before)
            by_z = by_before * (before * (1 - before) if self.activation == "sigmoid" else before > 0)
        return Gradients(float(costs.mean()), costs, by_activations[::-1], by_weights[::-1], by_biases[::-1])

    def costs(self, x: Array, labels: NDArray[np.integer[Any]]) -> Array:
        """The cost of each example [n], without the way back."""
        activations, z = self._forward(x)
        return self._costs(activations[-1], z, one_hot(labels, len(x), self.sizes[-1], z.dtype))

    def with_parameters(self, parameters: Sequence[Array]) -> Network:
        """The same network with other numbers, in the order of `parameters`."""
        return Network(list(parameters[::2]), list(parameters[1::2]), self.activation, self.loss)

    def _costs(self, last: Array, z: Array, wanted: Array) -> Array:
        return ((last - wanted) ** 2).sum(axis=1) if self.loss == "squared" else surprise(z, wanted)

    def _forward(self, x: Array) -> tuple[list[Array], Array]:
        """All activations, and z of the last layer."""
        activations = [check_input(x, self.sizes[0]).astype(self.weights[0].dtype, copy=False)]
        hidden = sigmoid if self.activation == "sigmoid" else relu
        last = sigmoid if self.loss == "squared" else softmax
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            z = activations[-1] @ weight.T + bias
            activations.append((last if i == len(self.weights) - 1 else hidden)(z))
        return activations, z


def one_hot(labels: NDArray[np.integer[Any]], n: int, classes: int, dtype: DTypeLike = np.float64) -> Array:
    """1 at the label, 0 elsewhere [n, classes]. Raises ConfigError for labels that are none."""
    labels = np.asarray(labels)
    if labels.shape != (n,) or labels.dtype.kind not in "iu" or (n and not 0 <= labels.min() <= labels.max() < classes):
        raise ConfigError(f"labels must be {n} whole numbers from 0 to {classes - 1}; these are {labels!r:.80}")
    wanted = np.zeros((n, classes), dtype)
    wanted[np.arange(n), labels] = 1
    return wanted


def surprise(z: Array, wanted: Array) -> Array:
    """−ln softmax(z) at what was wanted [n], through log-sum-exp, so that no chance is too small to tell."""
    z = z - z.max(axis=1, keepdims=True)
    return np.log(np.exp(z).sum(axis=1)) - (z * wanted).sum(axis=1)


def check_input(x: Array, width: int) -> Array:
    x = np.asarray(x)
    if x.ndim != 2 or x.shape[1] != width or not len(x):
        raise ConfigError(f"the network takes images as rows of {width} numbers, shape (n, {width}); this is {x.shape}")
    return x


def _one_of(what: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        raise ConfigError(f"{what} {given!r} is none of {', '.join(known)}")

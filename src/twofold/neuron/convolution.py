"""A small convolutional network, with its backward pass written out by hand.

    patches → K · patches + b → the largest of each 2 × 2 → relu     twice, then every feature to ten outputs, softmax

A convolution is one matrix product once the picture is laid out as patches: column (y, x, n) holds the k · k pixels of
every channel below and right of (y, x) in example n. Its backward pass is the two products that belong to it, and each
pixel then adds up what came back from all the patches that it was in. Of each 2 × 2 only the largest was heard, so only
it is told.

Pictures are [channel, y, x, example] inside: then a shift by a pixel is a copy of long rows. LeCun et al. 1998,
doi:10.1109/5.726791.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from twofold.errors import ConfigError
from twofold.neuron.network import Array, Gradients, check_input, one_hot, relu, softmax, surprise

__all__ = [
    "ConvolutionalNetwork", "convolve", "convolve_back", "convolve_back_to_input", "largest", "largest_back", "patches",
]

CLASSES = 10
LARGE, SMALL = ((5, 16, 2), (5, 32, 2)), ((3, 8, 1), (3, 16, 2))  # kernel, channels, pool of each convolution


def patches(x: Array, k: int) -> Array:
    """[c, h, w, n] as [c · k · k, (h − k + 1) (w − k + 1) n]."""
    c, h, w, n = x.shape
    found = np.empty((c, k, k, h - k + 1, w - k + 1, n), x.dtype)
    for i in range(k):
        for j in range(k):
            found[:, i, j] = x[:, i : i + h - k + 1, j : j + w - k + 1]
    return found.reshape(c * k * k, -1)


def convolve(x: Array, kernels: Array, bias: Array) -> tuple[Array, Array]:
    """z [out, h − k + 1, w − k + 1, n] of pictures x [c, h, w, n] under kernels [out, c, k, k], and the patches."""
    (out, _, k, _), (_, h, w, n) = kernels.shape, x.shape
    columns = patches(x, k)
    z = kernels.reshape(out, -1) @ columns
    z += bias[:, None]
    return z.reshape(out, h - k + 1, w - k + 1, n), columns


def convolve_back(by_z: Array, columns: Array, kernels: Array) -> tuple[Array, Array]:
    """dC/dkernels and dC/dbias, from dC/dz and the patches of the way forward."""
    flat = by_z.reshape(len(by_z), -1)
    return (flat @ columns.T).reshape(kernels.shape), flat.sum(axis=1)


def convolve_back_to_input(by_z: Array, kernels: Array) -> Array:
    """dC/dx [c, h, w, n]: what came back to each pixel from all the patches that it was in."""
    (out, c, k, _), (_, h, w, n) = kernels.shape, by_z.shape
    columns = (kernels.reshape(out, -1).T @ by_z.reshape(out, -1)).reshape(c, k, k, h, w, n)
    by_x = np.zeros((c, h + k - 1, w + k - 1, n), by_z.dtype)
    for i in range(k):
        for j in range(k):
            by_x[:, i : i + h, j : j + w] += columns[:, i, j]
    return by_x


def largest(z: Array, size: int) -> Array:
    """The largest of each size × size [c, h / size, w / size, n]."""
    corners = _corners(z, size)
    best = corners[0]
    for corner in corners[1:]:
        best = np.maximum(best, corner)
    return best


def largest_back(by_best: Array, best: Array, z: Array, size: int) -> Array:
    """dC/dz: all of it to the first that was as large as the largest, none to the others."""
    by_z = np.zeros_like(z)
    free = np.ones(best.shape, bool)
    for corner, target in zip(_corners(z, size), _corners(by_z, size), strict=True):
        heard = (corner == best) & free
        np.multiply(by_best, heard, out=target)
        free &= ~heard
    return by_z


def _corners(z: Array, size: int) -> list[Array]:
    return [z[:, i::size, j::size] for i in range(size) for j in range(size)]


@dataclass
class _Trace:
    """What the way back needs of the way forward, for each convolution."""

    columns: list[Array] = field(default_factory=list)
    z: list[Array] = field(default_factory=list)
    best: list[Array] = field(default_factory=list)


@dataclass(frozen=True, eq=False)
class ConvolutionalNetwork:
    """Two convolutions, or as many as there are kernels, and a last layer. Raises ConfigError where they don't fit."""

    side: int
    kernels: list[Array]  # [out, in, k, k] each
    kernel_biases: list[Array]  # [out] each
    pools: tuple[int, ...]  # how many pixels each way become one
    weight: Array  # [10, features]
    bias: Array  # [10]

    activation = "relu"
    loss = "cross-entropy"

    def __post_init__(self) -> None:
        channels, side = 1, self.side
        for kernel, bias, pool in zip(self.kernels, self.kernel_biases, self.pools, strict=True):
            if kernel.ndim != 4 or kernel.shape[1] != channels or kernel.shape[2] != kernel.shape[3]:
                raise ConfigError(f"kernels {kernel.shape} cannot follow {channels} channels: (out, {channels}, k, k)")
            channels, side = len(bias), side - kernel.shape[2] + 1
            if side < 1 or side % pool or bias.shape != kernel.shape[:1]:
                raise ConfigError(f"kernels {kernel.shape}, pool {pool} don't fit images {self.side} × {self.side}; "
                                  "give another `shape`, or take a network without convolutions")  # fmt: skip
            side //= pool
        features = channels * side * side
        if self.weight.shape[1:] != (features,) or self.bias.shape != self.weight.shape[:1]:
            raise ConfigError(f"weights {self.weight.shape}, biases {self.bias.shape}; there are {features} features")

    @classmethod
    def initial(cls, side: int = 28, seed: int = 0, *, shape: Sequence[tuple[int, int, int]] | None = None,
                dtype: DTypeLike = np.float32) -> ConvolutionalNetwork:
        """Weights with variance 2 / in (He et al. 2015), biases 0.

        `shape` has kernel, channels and pool of each convolution. For images of 28 × 28 there are 18,378 parameters.
        """  # fmt: skip
        random = np.random.default_rng(seed)
        given = tuple(shape or (LARGE if side >= 20 else SMALL))
        channels, left, kernels = 1, side, []
        for k, out, pool in given:
            scale = (2 / (channels * k * k)) ** 0.5
            kernels.append((scale * random.standard_normal((out, channels, k, k))).astype(dtype))
            channels, left = out, (left - k + 1) // pool
        features = channels * max(1, left) ** 2
        weight = (2 / features) ** 0.5 * random.standard_normal((CLASSES, features))
        biases = [np.zeros(len(kernel), dtype) for kernel in kernels]
        return cls(side, kernels, biases, tuple(pool for _, _, pool in given), weight.astype(dtype),
                   np.zeros(CLASSES, dtype))  # fmt: skip

    @property
    def parameters(self) -> list[Array]:
        """The arrays themselves; to change one in place is to change the network."""
        pairs = zip(self.kernels, self.kernel_biases, strict=True)
        return [*(each for pair in pairs for each in pair), self.weight, self.bias]

    def forward(self, x: Array) -> list[Array]:
        """The input [n, side²], the maps after each convolution [n, c, h, w], the ten outputs [n, 10]."""
        _, maps, z = self._forward(x)
        return [x, *(np.moveaxis(each, 3, 0) for each in maps), softmax(z)]

    def gradients(self, x: Array, labels: NDArray[np.integer[Any]], *, inputs: bool = False) -> Gradients:
        """As Network.gradients. dC/da of the maps is [n, c, h, w]; that of the input is found only if asked for."""
        trace, maps, z = self._forward(x)
        n = len(x)
        output = softmax(z)
        wanted = one_hot(labels, n, CLASSES, z.dtype)
        costs = surprise(z, wanted)
        by_z = output - wanted
        features = maps[-1].reshape(-1, n)
        by_activations: list[Array] = [-wanted / np.maximum(output, np.finfo(output.dtype).tiny)]
        by_weights: list[Array] = [by_z.T @ features.T / n]
        by_biases: list[Array] = [by_z.mean(axis=0)]
        by_map: Array = (by_z @ self.weight).T.reshape(maps[-1].shape)
        for i in reversed(range(len(self.kernels))):
            by_activations.append(np.moveaxis(by_map, 3, 0))
            by_best = by_map * (maps[i] > 0)
            by_maps_z = largest_back(by_best, trace.best[i], trace.z[i], self.pools[i])
            by_kernel, by_bias = convolve_back(by_maps_z, trace.columns[i], self.kernels[i])
            by_weights.append(by_kernel / n)
            by_biases.append(by_bias / n)
            if i or inputs:
                by_map = convolve_back_to_input(by_maps_z, self.kernels[i])
        if inputs:
            by_activations.append(by_map[0].reshape(-1, n).T)
        return Gradients(float(costs.mean()), costs, by_activations[::-1], by_weights[::-1], by_biases[::-1])

    def costs(self, x: Array, labels: NDArray[np.integer[Any]]) -> Array:
        """The cost of each example [n], without the way back."""
        z = self._forward(x)[2]
        return surprise(z, one_hot(labels, len(x), CLASSES, z.dtype))

    def with_parameters(self, parameters: Sequence[Array]) -> ConvolutionalNetwork:
        """The same network with other numbers, in the order of `parameters`."""
        *kernels, weight, bias = parameters
        return ConvolutionalNetwork(self.side, kernels[::2], kernels[1::2], self.pools, weight, bias)

    def _forward(self, x: Array) -> tuple[_Trace, list[Array], Array]:
        """What the way back needs, the maps [c, h, w, n], and z of the last layer [n, 10]."""
        x = check_input(x, self.side**2).astype(self.weight.dtype, copy=False)
        picture: Array = np.ascontiguousarray(x.T).reshape(1, self.side, self.side, len(x))
        trace = _Trace()
        maps: list[Array] = []
        for kernel, bias, pool in zip(self.kernels, self.kernel_biases, self.pools, strict=True):
            z, columns = convolve(picture, kernel, bias)
            best = largest(z, pool)
            picture = relu(best)
            for kept, value in ((trace.columns, columns), (trace.z, z), (trace.best, best), (maps, picture)):
                kept.append(value)
        return trace, maps, (self.weight @ picture.reshape(-1, len(x)) + self.bias[:, None]).T

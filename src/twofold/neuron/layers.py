"""A neuron, a layer of neurons, and layers one after another: the multilayer perceptron.

    neuron      f(w · x + b)         f: tanh, relu, sigmoid, or linear (nothing)

Weights begin between -1 and 1, biases at 0. The randomness is an argument, `seed`: a number, or a random.Random that
is drawn from in the order layer, neuron, weight.

Rosenblatt 1958 for the neuron; in this shape: micrograd, Karpathy 2020.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from twofold.errors import ConfigError
from twofold.neuron.value import Value

__all__ = ["ACTIVATIONS", "MLP", "Layer", "Module", "Neuron"]

ACTIVATIONS: dict[str, Callable[[Value], Value]] = {
    "tanh": Value.tanh,
    "relu": Value.relu,
    "sigmoid": Value.sigmoid,
    "linear": lambda value: value,
}


class Module:
    """What has parameters."""

    def parameters(self) -> list[Value]:
        """Every weight and bias, in a fixed order."""
        return []

    def zero_grad(self) -> None:
        """Forget the gradients, before the next `backward` adds to them."""
        for parameter in self.parameters():
            parameter.grad = 0.0


class Neuron(Module):
    """f(w · x + b) on `inputs` numbers. Raises ConfigError for an activation that is not known, or no inputs."""

    def __init__(self, inputs: int, activation: str = "tanh", seed: int | random.Random = 0) -> None:
        if activation not in ACTIVATIONS:
            raise ConfigError(f"activation={activation!r} is not known; choose one of {', '.join(ACTIVATIONS)}")
        _at_least_one("inputs", inputs)
        source = _source(seed)
        self.activation = activation
        self.w = [Value(source.uniform(-1, 1)) for _ in range(inputs)]
        self.b = Value(0.0)
        self.label("")

    def __call__(self, x: Sequence[Value | float]) -> Value:
        """Raises ConfigError when x has another length than there are weights."""
        if len(x) != len(self.w):
            raise ConfigError(f"this neuron takes {len(self.w)} numbers and was given {len(x)}")
        total = self.b
        for w, each in zip(self.w, x, strict=True):
            total = total + w * each
        return ACTIVATIONS[self.activation](total)

    def parameters(self) -> list[Value]:
        return [*self.w, self.b]

    def label(self, place: str) -> None:
        """Call the weights w1, w2, … and the bias b, in the layer's third neuron ("3") w3.1, w3.2, … and b3."""
        for i, weight in enumerate(self.w, 1):
            weight.label = f"w{place}.{i}" if place else f"w{i}"
        self.b.label = f"b{place}"

    def __repr__(self) -> str:
        return f"Neuron({len(self.w)}, {self.activation!r})"


class Layer(Module):
    """`outputs` neurons that see the same `inputs` numbers. Gives a list, or the Value itself when there is one."""

    def __init__(self, inputs: int, outputs: int, activation: str = "tanh", seed: int | random.Random = 0) -> None:
        _at_least_one("outputs", outputs)
        source = _source(seed)
        self.neurons = [Neuron(inputs, activation, source) for _ in range(outputs)]
        self.label("")

    def __call__(self, x: Sequence[Value | float]) -> Value | list[Value]:
        outputs = [neuron(x) for neuron in self.neurons]
        return outputs[0] if len(outputs) == 1 else outputs

    def parameters(self) -> list[Value]:
        return [parameter for neuron in self.neurons for parameter in neuron.parameters()]

    def label(self, place: str) -> None:
        """Call the neurons 1, 2, …, in the network's first layer ("1.") 1.1, 1.2, …"""
        for i, neuron in enumerate(self.neurons, 1):
            neuron.label(f"{place}{i}")

    def __repr__(self) -> str:
        first = self.neurons[0]
        return f"Layer({len(first.w)}, {len(self.neurons)}, {first.activation!r})"


class MLP(Module):
    """Layers one after another: MLP(3, [4, 4, 1]) takes three numbers through two layers of four to one.

    `last` is the activation of the last layer, where it is not that of the others.
    """

    def __init__(
        self,
        inputs: int,
        outputs: Sequence[int],
        activation: str = "tanh",
        last: str | None = None,
        seed: int | random.Random = 0,
    ) -> None:
        if not isinstance(outputs, Sequence) or not outputs:
            raise ConfigError(f"outputs={outputs!r}: name the width of each layer, at least one, such as [16, 16, 1]")
        source = _source(seed)
        kinds = [activation] * (len(outputs) - 1) + [activation if last is None else last]
        widths = [inputs, *outputs[:-1]]
        self.layers = [Layer(n, m, kind, source) for n, m, kind in zip(widths, outputs, kinds, strict=True)]
        for i, layer in enumerate(self.layers, 1):
            layer.label(f"{i}.")

    def __call__(self, x: Sequence[Value | float]) -> Value | list[Value]:
        for layer in self.layers[:-1]:
            x = _listed(layer(x))
        return self.layers[-1](x)

    def parameters(self) -> list[Value]:
        return [parameter for layer in self.layers for parameter in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP({', '.join(map(repr, self.layers))})"


def _listed(outputs: Value | list[Value]) -> Sequence[Value]:
    return [outputs] if isinstance(outputs, Value) else outputs


def _source(seed: int | random.Random) -> random.Random:
    return seed if isinstance(seed, random.Random) else random.Random(seed)


def _at_least_one(what: str, count: int) -> None:
    if not isinstance(count, int) or count < 1:
        raise ConfigError(f"{what}={count!r}: there must be at least one")

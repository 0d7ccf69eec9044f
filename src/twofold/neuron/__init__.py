"""Where it starts: a scalar that knows its gradient, neurons of it, and a network that reads digits."""

from twofold.neuron.draw import Drawing, draw
from twofold.neuron.layers import MLP, Layer, Module, Neuron
from twofold.neuron.losses import cross_entropy, decay, hinge, mean, softmax, squared_error
from twofold.neuron.sgd import SGD
from twofold.neuron.tape import Tape
from twofold.neuron.trace import trace
from twofold.neuron.value import Value, topological

__all__ = [
    "MLP",
    "SGD",
    "Drawing",
    "Layer",
    "Module",
    "Neuron",
    "Tape",
    "Value",
    "cross_entropy",
    "decay",
    "draw",
    "hinge",
    "mean",
    "softmax",
    "squared_error",
    "topological",
    "trace",
]

"""Backpropagation written out by hand gives what torch's and what small differences give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import ConfigError
from twofold.neuron import Value
from twofold.neuron.convolution import ConvolutionalNetwork
from twofold.neuron.network import LECTURE, Network, relu, sigmoid, softmax

every_choice = pytest.mark.parametrize(
    ("activation", "loss"), [(a, c) for a in ("sigmoid", "relu") for c in ("squared", "cross-entropy")]
)


def examples(n=7, width=784, seed=5):
    random = np.random.default_rng(seed)
    return random.random((n, width)), random.integers(0, 10, n)


def by_torch(network, x, labels):
    """The mean cost, and dC/d everything, as torch finds them; dC/da of each example's own cost."""
    parameters = [torch.tensor(each, requires_grad=True) for each in network.parameters]
    layers = [torch.tensor(x, requires_grad=True)]
    for i in range(0, len(parameters), 2):
        z = layers[-1] @ parameters[i].T + parameters[i + 1]
        last = i + 2 == len(parameters)
        hidden = torch.sigmoid if network.activation == "sigmoid" else torch.relu
        output = torch.sigmoid if network.loss == "squared" else lambda z: torch.softmax(z, 1)
        layers.append((output if last else hidden)(z))
        layers[-1].retain_grad()
    wanted = torch.nn.functional.one_hot(torch.tensor(labels), 10)
    costs = ((layers[-1] - wanted) ** 2).sum(1) if network.loss == "squared" else -torch.log(layers[-1][wanted == 1])
    costs.sum().backward()
    n = len(x)
    return costs.mean().item(), [each.grad.numpy() / n for each in parameters], [each.grad.numpy() for each in layers]


@every_choice
def test_every_gradient_is_the_one_that_torch_finds(activation, loss):
    network = Network.initial((784, 16, 16, 10), 3, activation=activation, loss=loss, initialisation="xavier")
    x, labels = examples()
    found = network.gradients(x, labels)
    cost, parameters, activations = by_torch(network, x, labels)
    assert found.cost == network.costs(x, labels).mean() == pytest.approx(cost, abs=1e-12)
    for ours, theirs in zip(found.parameters, parameters, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-10, rtol=0)
    for ours, theirs in zip(found.activations, activations, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-10, rtol=0)


@pytest.mark.slow
def test_every_gradient_is_the_one_that_the_scalars_find():
    """The lecture's network once more, as 13,002 Values that know nothing of layers."""
    network, (x, labels) = Network.initial(), examples(1)
    parameters = [[Value(float(each)) for each in array.ravel()] for array in network.parameters]
    inputs = activations = [Value(float(each)) for each in x[0]]
    for weights, biases in zip(parameters[::2], parameters[1::2], strict=True):
        width = len(activations)
        activations = [
            sum((w * a for w, a in zip(weights[j * width : (j + 1) * width], activations, strict=True)), bias).sigmoid()
            for j, bias in enumerate(biases)
        ]
    cost = sum((a - float(digit == labels[0])) ** 2 for digit, a in enumerate(activations))
    cost.backward()
    found = network.gradients(x, labels)
    assert found.cost == pytest.approx(cost.data, abs=1e-12)
    for ours, theirs in zip(found.parameters, parameters, strict=True):
        np.testing.assert_allclose(ours.ravel(), [each.grad for each in theirs], atol=1e-10, rtol=0)
    np.testing.assert_allclose(found.activations[0][0], [each.grad for each in inputs], atol=1e-10, rtol=0)


def test_the_lectures_random_network_has_torchs_gradients_too():
    network, (x, labels) = Network.initial(), examples(20)
    assert network.sizes == LECTURE
    _, parameters, _ = by_torch(network, x, labels)
    for ours, theirs in zip(network.gradients(x, labels).parameters, parameters, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-10, rtol=0)


@every_choice
@given(seed=st.integers(0, 10_000))
def test_a_small_step_changes_the_cost_by_what_the_gradient_says(activation, loss, seed):
    random = np.random.default_rng(seed)
    network = Network.initial((6, 5, 10), seed, activation=activation, loss=loss, initialisation="xavier")
    x, labels = examples(4, 6, seed)
    gradient = network.gradients(x, labels).parameters
    direction = [random.standard_normal(each.shape) for each in network.parameters]
    size = 1e-6
    costs = []
    for sign in (1, -1):
        moved = [each + sign * size * way for each, way in zip(network.parameters, direction, strict=True)]
        costs.append(Network(moved[::2], moved[1::2], activation, loss).gradients(x, labels).cost)
    slope = sum(float((g * way).sum()) for g, way in zip(gradient, direction, strict=True))
    assert (costs[0] - costs[1]) / (2 * size) == pytest.approx(slope, rel=1e-4, abs=1e-6)


def test_the_lectures_network_has_13_002_parameters():
    assert sum(each.size for each in Network.initial().parameters) == 13_002


def test_the_cost_of_one_example_is_the_sum_of_squares():
    network, (x, labels) = Network.initial(), examples(1)
    output = network.forward(x)[-1][0]
    by_hand = sum((a - (1 if digit == labels[0] else 0)) ** 2 for digit, a in enumerate(output))
    assert network.gradients(x, labels).cost == pytest.approx(by_hand, rel=1e-14)


def test_a_neuron_is_the_sigmoid_of_a_weighted_sum():
    network, (x, _) = Network.initial(), examples(1)
    weighted = sum(w * a for w, a in zip(network.weights[0][3], x[0], strict=True)) + network.biases[0][3]
    assert network.forward(x)[1][0, 3] == pytest.approx(1 / (1 + np.exp(-weighted)), rel=1e-12)


def test_the_gradient_of_a_batch_is_the_mean_over_its_examples():
    network, (x, labels) = Network.initial((784, 16, 16, 10), 1), examples(5)
    each = [network.gradients(x[i : i + 1], labels[i : i + 1]) for i in range(5)]
    whole = network.gradients(x, labels)
    for place, ours in enumerate(whole.parameters):
        np.testing.assert_allclose(ours, np.mean([one.parameters[place] for one in each], axis=0), atol=1e-14)
    for layer, ours in enumerate(whole.activations):
        np.testing.assert_allclose(ours, np.concatenate([one.activations[layer] for one in each]), atol=1e-14)
    np.testing.assert_allclose(whole.costs, [one.cost for one in each])


@pytest.mark.slow
@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20))
def test_the_functions_keep_their_bounds_without_overflow(values):
    z = np.array(values)
    with np.errstate(all="raise", under="ignore"):
        assert ((sigmoid(z) >= 0) & (sigmoid(z) <= 1)).all()
        assert softmax(z).sum() == pytest.approx(1)
        assert (relu(z) >= 0).all()
    np.testing.assert_allclose(sigmoid(z) + sigmoid(-z), 1)
    np.testing.assert_allclose(softmax(z + 7), softmax(z), atol=1e-9)


def test_a_surprise_too_large_for_a_chance_is_still_told():
    network = Network([np.zeros((10, 1))], [np.array([1e4, *[0.0] * 9])], loss="cross-entropy")
    assert network.gradients(np.ones((1, 1)), np.array([5])).cost == pytest.approx(1e4)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda: Network.initial((784,)), "two layers or more"),
        (lambda: Network.initial((784, 0, 10)), "one neuron or more"),
        (lambda: Network.initial(activation="tanh"), "'tanh' is none of sigmoid, relu"),
        (lambda: Network.initial(loss="hinge"), "'hinge' is none of squared, cross-entropy"),
        (lambda: Network.initial(initialisation="zero"), "'zero' is none of"),
        (lambda: Network([np.ones((3, 2))], [np.ones(2)]), "for weights (out, in) the biases are (out,)"),
        (lambda: Network([np.ones((3, 2)), np.ones((1, 4))], [np.ones(3), np.ones(1)]), "takes 4 activations"),
        (lambda: Network([], []), "a layer has one of each"),
        (lambda: Network.initial().forward(np.ones((1, 64))), "rows of 784 numbers, shape (n, 784); this is (1, 64)"),
        (lambda: Network.initial().forward(np.ones(784)), "this is (784,)"),
        (lambda: Network.initial().gradients(np.ones((2, 784)), np.array([1])), "labels must be 2 whole numbers"),
        (lambda: Network.initial().gradients(np.ones((1, 784)), np.array([10])), "from 0 to 9"),
        (lambda: Network.initial().gradients(np.ones((1, 784)), np.array([1.5])), "whole numbers"),
    ],
)
def test_what_does_not_fit_is_said(act, says):
    with pytest.raises(ConfigError) as raised:
        act()
    assert says in str(raised.value)


@pytest.mark.parametrize("kind", ["connected", "convolutional"])
def test_a_network_with_its_own_parameters_is_itself_and_with_others_another(kind):
    connected = Network.initial((64, 5, 10), loss="cross-entropy")
    network = connected if kind == "connected" else ConvolutionalNetwork.initial(8)
    x = np.random.default_rng(0).random((3, 64))
    np.testing.assert_array_equal(network.with_parameters(network.parameters).forward(x)[-1], network.forward(x)[-1])
    nothing = network.with_parameters([0 * each for each in network.parameters])
    np.testing.assert_allclose(nothing.forward(x)[-1], 0.1)

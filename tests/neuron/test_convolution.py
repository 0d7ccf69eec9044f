"""The convolutional network's hand-written backward pass gives what torch's gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from twofold.errors import ConfigError
from twofold.neuron.convolution import ConvolutionalNetwork, convolve, largest, largest_back


def by_torch(network, x, labels):
    parameters = [torch.tensor(each, requires_grad=True) for each in network.parameters]
    given = torch.tensor(x, requires_grad=True)
    layers = [given]
    picture = given.reshape(len(x), 1, network.side, network.side)
    for i, pool in enumerate(network.pools):
        z = functional.conv2d(picture, parameters[2 * i], parameters[2 * i + 1])
        picture = torch.relu(functional.max_pool2d(z, pool))
        picture.retain_grad()
        layers.append(picture)
    z = picture.flatten(1) @ parameters[-2].T + parameters[-1]
    costs = functional.cross_entropy(z, torch.tensor(labels), reduction="none")
    costs.sum().backward()
    return (costs.mean().item(), torch.softmax(z, 1).detach().numpy(),
            [each.grad.numpy() / len(x) for each in parameters], [each.grad.numpy() for each in layers])  # fmt: skip


@pytest.mark.parametrize("side", [28, 8])
@pytest.mark.parametrize("n", [1, 6])
def test_every_gradient_is_the_one_that_torch_finds(side, n):
    network = ConvolutionalNetwork.initial(side, 4, dtype=np.float64)
    random = np.random.default_rng(1)
    x, labels = random.random((n, side * side)), random.integers(0, 10, n)
    cost, output, parameters, layers = by_torch(network, x, labels)
    found = network.gradients(x, labels, inputs=True)
    assert found.cost == network.costs(x, labels).mean() == pytest.approx(cost, abs=1e-12)
    np.testing.assert_allclose(network.forward(x)[-1], output, atol=1e-12)
    for ours, theirs in zip(found.parameters, parameters, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-10, rtol=0)
    for ours, theirs in zip(found.activations, layers, strict=False):
        np.testing.assert_allclose(ours, theirs, atol=1e-10, rtol=0)
    assert [each.shape for each in network.forward(x)[:-1]] == [each.shape for each in layers]


@given(k=st.integers(1, 4), c=st.integers(1, 3), out=st.integers(1, 3), h=st.integers(4, 7), w=st.integers(4, 7),
       n=st.integers(1, 3), seed=st.integers(0, 99))  # fmt: skip
def test_a_convolution_is_the_sum_over_its_window(k, c, out, h, w, n, seed):
    random = np.random.default_rng(seed)
    x, kernels = random.standard_normal((c, h, w, n)), random.standard_normal((out, c, k, k))
    bias = random.standard_normal(out)
    z, _ = convolve(x, kernels, bias)
    theirs = functional.conv2d(torch.tensor(x.transpose(3, 0, 1, 2)), torch.tensor(kernels), torch.tensor(bias))
    np.testing.assert_allclose(z.transpose(3, 0, 1, 2), theirs.numpy(), atol=1e-12)


@given(seed=st.integers(0, 99), size=st.integers(1, 3), levels=st.integers(1, 5))
def test_only_the_first_of_the_largest_is_told(seed, size, levels):
    """With few levels there are many ties."""
    random = np.random.default_rng(seed)
    z = random.integers(0, levels, (2, 3 * size, 2 * size, 4)).astype(float)
    best = largest(z, size)
    by_best = random.standard_normal(best.shape)
    theirs = torch.tensor(z.transpose(3, 0, 1, 2), requires_grad=True)
    functional.max_pool2d(theirs, size).backward(torch.tensor(by_best.transpose(3, 0, 1, 2).copy()))
    np.testing.assert_array_equal(largest_back(by_best, best, z, size).transpose(3, 0, 1, 2), theirs.grad.numpy())


def test_what_does_not_fit_is_said():
    with pytest.raises(ConfigError, match="don't fit images 9 × 9"):
        ConvolutionalNetwork.initial(9)
    with pytest.raises(ConfigError, match=r"rows of 784 numbers.*this is \(1, 64\)"):
        ConvolutionalNetwork.initial().forward(np.ones((1, 64)))
    whole = ConvolutionalNetwork.initial(8)
    with pytest.raises(ConfigError, match="there are 64 features"):
        ConvolutionalNetwork(8, whole.kernels, whole.kernel_biases, whole.pools, np.ones((10, 63)), whole.bias)
    with pytest.raises(ConfigError, match="cannot follow 1 channels"):
        ConvolutionalNetwork(8, [np.ones((4, 2, 3, 3))], [np.ones(4)], (1,), whole.weight, whole.bias)

"""Descent takes torch's steps, in an order that a seed decides, and can stop and go on as if it had not."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import torch

from twofold.errors import ConfigError, Diverged
from twofold.neuron.convolution import ConvolutionalNetwork
from twofold.neuron.descent import Settings, outputs, shifted, train
from twofold.neuron.images import Images
from twofold.neuron.network import Network

SMALL = (64, 8, 10)


def examples(n=40, width=64, seed=2):
    random = np.random.default_rng(seed)
    return random.random((n, width)).astype(np.float32), random.integers(0, 10, n)


def copy(network):
    parameters = [each.copy() for each in network.parameters]
    return Network(parameters[::2], parameters[1::2], network.activation, network.loss)


@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.5, 0.01)])
def test_the_steps_are_those_of_torchs_sgd(momentum, decay):
    """One batch holds everything, so the order does not matter."""
    x, labels = examples()
    network = Network.initial(SMALL, 1, initialisation="xavier")
    theirs = [torch.tensor(each, requires_grad=True) for each in copy(network).parameters]
    groups = [{"params": theirs[::2], "weight_decay": decay}, {"params": theirs[1::2], "weight_decay": 0.0}]
    optimiser = torch.optim.SGD(groups, lr=0.5, momentum=momentum)
    wanted = torch.nn.functional.one_hot(torch.tensor(labels), 10)
    settings = Settings(0.5, batch=40, epochs=6, momentum=momentum, decay=decay, cooldown=0)
    for step in train(network, x, labels, settings):
        a = torch.sigmoid(torch.tensor(x, dtype=torch.float64) @ theirs[0].T + theirs[1])
        cost = ((torch.sigmoid(a @ theirs[2].T + theirs[3]) - wanted) ** 2).sum(1).mean()
        optimiser.zero_grad()
        cost.backward()
        optimiser.step()
        assert step.cost == pytest.approx(cost.item(), abs=1e-10)
    for ours, other in zip(network.parameters, theirs, strict=True):
        np.testing.assert_allclose(ours, other.detach().numpy(), atol=1e-10)


@pytest.mark.parametrize("stop", [1, 7, 12, 13, 30])
def test_a_run_that_stopped_goes_on_as_if_it_had_not(stop):
    x, labels = examples()
    settings = Settings(0.5, batch=3, epochs=3, momentum=0.9, shift=1, seed=9)
    whole = Network.initial(SMALL, 1)
    costs = [step.cost for step in train(whole, x, labels, settings)]
    network = Network.initial(SMALL, 1)
    velocity = [np.zeros_like(each) for each in network.parameters]
    first = [step.cost for step in islice(train(network, x, labels, settings, velocity=velocity), stop)]
    again = copy(network)
    second = [step.cost for step in train(again, x, labels, settings, start=stop, velocity=velocity)]
    assert first + second == costs
    for ours, theirs in zip(again.parameters, whole.parameters, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_epoch_sees_every_image_once_in_an_order_of_its_own():
    x, labels = examples(25)
    seen = []

    class Watching(Network):
        def gradients(self, x, labels):
            seen.append(x.copy())
            return super().gradients(x, labels)

    start = Network.initial(SMALL)
    network = Watching(start.weights, start.biases)
    steps = list(train(network, x, labels, Settings(0.1, batch=4, epochs=2)))
    assert [len(batch) for batch in seen] == [4, 4, 4, 4, 4, 4, 1] * 2
    epochs = [np.concatenate(seen[:7]), np.concatenate(seen[7:])]
    assert all({row.tobytes() for row in epoch} == {row.tobytes() for row in x} for epoch in epochs)
    assert not np.array_equal(*epochs)
    assert [step.step for step in steps] == list(range(1, 15)) and steps[-1].epoch == 2


def test_the_learning_rate_stays_and_then_falls_to_nothing():
    settings = Settings(2.0, cooldown=0.5)
    rates = [settings.rate(step, 100) for step in range(101)]
    assert rates[:51] == [2.0] * 51 and rates[100] == 0 and rates[75] == pytest.approx(1.0)
    assert {Settings(2.0, cooldown=0).rate(step, 100) for step in range(100)} == {2.0}


def test_held_out_accuracy_is_measured_when_asked_for_and_at_the_end():
    x, labels = examples()
    held_out = Images(x[:10], labels[:10])
    settings = Settings(0.1, batch=10, epochs=3)
    steps = list(train(Network.initial(SMALL), x, labels, settings, held_out=held_out, measure_every=5))
    assert [step.step for step in steps if step.accuracy is not None] == [5, 10, 12]
    network = Network.initial(SMALL)
    *_, last = train(network, x, labels, settings, held_out=held_out)
    by_hand = np.mean([network.forward(x[i : i + 1])[-1].argmax() == labels[i] for i in range(10)])
    assert last.accuracy == by_hand


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dense", "convolutional"])
def test_every_network_learns_twenty_images_by_heart(kind):
    x, labels = examples(20)
    network = (ConvolutionalNetwork.initial(8) if kind == "convolutional" else Network.initial(
        (64, 32, 10), activation="relu", loss="cross-entropy", initialisation="he"))  # fmt: skip
    *_, last = train(network, x, labels, Settings(0.05, batch=5, epochs=400, momentum=0.9))
    assert last.cost < 0.1
    assert (outputs(network, x).argmax(axis=1) == labels).mean() == 1


def test_a_run_that_diverges_says_so_and_stops():
    x, labels = examples()
    network = Network.initial(SMALL, activation="relu", loss="cross-entropy", initialisation="he")
    with pytest.raises(Diverged, match=r"at step \d+: the steps are too large; try a learning rate of 2e\+07"):
        list(train(network, x, labels, Settings(1e8, batch=5, epochs=20, decay=0.1)))


def test_a_network_whose_outputs_are_all_at_their_ends_is_not_trained_on():
    """Sigmoids hide what the cost would show: it stays small, and nothing comes back."""
    x, labels = examples()
    network = Network.initial(SMALL, activation="relu", initialisation="he")
    with pytest.raises(Diverged, match=r"nothing is learned any more at step \d+: the steps are too large"):
        list(train(network, x, labels, Settings(1e9, batch=5, epochs=20)))


def test_shifted_images_are_the_same_ones_elsewhere():
    random = np.random.default_rng(0)
    images = np.zeros((200, 8, 8), np.float32)
    images[:, 3:5, 3:5] = random.random((200, 2, 2)) + 0.1
    moved = shifted(images.reshape(200, 64), 2, random).reshape(200, 8, 8)
    places = set()
    for before, after in zip(images, moved, strict=True):
        rows, columns = np.nonzero(after)
        places.add((rows.min(), columns.min()))
        found = after[rows.min() : rows.min() + 2, columns.min() : columns.min() + 2]
        np.testing.assert_array_equal(found, before[3:5, 3:5])
    assert places == {(row, column) for row in range(1, 6) for column in range(1, 6)}


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        ({"learning_rate": math.nan}, "learning_rate=nan cannot be; it must be above 0"),
        ({"learning_rate": math.inf}, "learning_rate=inf"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"learning_rate": -1.0}, "learning_rate=-1.0"),
        ({"batch": 0}, "batch=0 cannot be; it must be 1 or more"),
        ({"epochs": 0}, "epochs=0"),
        ({"momentum": 1.0}, "momentum=1.0 cannot be; it must be from 0 to below 1"),
        ({"momentum": math.nan}, "momentum=nan"),
        ({"decay": -0.1}, "decay=-0.1"),
        ({"shift": -1}, "shift=-1"),
        ({"cooldown": 1.5}, "cooldown=1.5"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_settings_that_cannot_be_are_refused(choice, says):
    with pytest.raises(ConfigError) as raised:
        Settings(**choice)
    assert says in str(raised.value)

"""Neurons, layers, losses and descent, held to torch with the same numbers."""

from __future__ import annotations

import copy
import math
import random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import ConfigError, Diverged
from twofold.neuron import MLP, SGD, Layer, Neuron, Value, cross_entropy, decay, hinge, mean, softmax, squared_error

TORCH = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "linear": lambda x: x}
scores = st.lists(st.floats(-50, 50), min_size=2, max_size=6)


def in_torch(model, x):
    """The same network with matrices, and its tensors in the order of our parameters."""
    tensors = []
    for layer in model.layers:
        w = torch.tensor([[w.data for w in n.w] for n in layer.neurons], dtype=torch.float64, requires_grad=True)
        b = torch.tensor([n.b.data for n in layer.neurons], dtype=torch.float64, requires_grad=True)
        tensors += [w, b]
        x = TORCH[layer.neurons[0].activation](x @ w.T + b)
    return x, tensors


def gradients_in_order(tensors):
    weights, biases = tensors[::2], tensors[1::2]
    return [g for w, b in zip(weights, biases, strict=True) for row, last in zip(w.grad, b.grad, strict=True)
            for g in [*row.tolist(), last.item()]]  # fmt: skip


@pytest.mark.parametrize("activation", TORCH)
@pytest.mark.parametrize("last", ["linear", "tanh", None])
def test_a_network_and_its_gradients_are_those_of_torch(activation, last):
    model = MLP(3, [4, 4, 2], activation, last, seed=7)
    x = [0.5, -1.0, 2.0]
    loss = squared_error(model(x), [1.0, -1.0])
    loss.backward()
    outputs, tensors = in_torch(model, torch.tensor(x, dtype=torch.float64))
    theirs = ((outputs - torch.tensor([1.0, -1.0])) ** 2).sum()
    theirs.backward()
    assert loss.data == pytest.approx(theirs.item(), rel=1e-12)
    assert [p.grad for p in model.parameters()] == pytest.approx(gradients_in_order(tensors), rel=1e-10, abs=1e-12)


def test_the_lectures_network_has_41_parameters():
    model = MLP(3, [4, 4, 1])
    assert len(model.parameters()) == 41
    assert isinstance(model([2.0, 3.0, -1.0]), Value) and -1 < model([2.0, 3.0, -1.0]) < 1
    assert len(Layer(3, 2)([1.0, 2.0, 3.0])) == 2
    assert repr(MLP(2, [3, 1], "relu", "linear")) == "MLP(Layer(2, 3, 'relu'), Layer(3, 1, 'linear'))"
    assert repr(Neuron(2)) == "Neuron(2, 'tanh')"


def test_parameters_are_called_by_their_place():
    assert [p.label for p in Neuron(2).parameters()] == ["w1", "w2", "b"]
    assert [p.label for p in Layer(1, 2).parameters()] == ["w1.1", "b1", "w2.1", "b2"]
    labels = "w1.1.1 b1.1 w1.2.1 b1.2 w2.1.1 w2.1.2 b2.1"
    assert " ".join(p.label for p in MLP(1, [2, 1]).parameters()) == labels


def test_the_lectures_own_loop_as_it_is_typed_there_goes_where_torch_goes():
    n = MLP(3, [4, 4, 1], seed=2)
    xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
    ys = [1.0, -1.0, -1.0, 1.0]
    _, tensors = in_torch(n, torch.tensor(xs, dtype=torch.float64))
    for _ in range(20):
        ypred = [n(x) for x in xs]
        loss = sum((yout - ygt) ** 2 for ygt, yout in zip(ys, ypred, strict=True))
        for p in n.parameters():
            p.grad = 0.0
        loss.backward()
        for p in n.parameters():
            p.data += -0.05 * p.grad
        x = torch.tensor(xs, dtype=torch.float64)
        for w, b in zip(tensors[::2], tensors[1::2], strict=True):
            x = torch.tanh(x @ w.T + b)
        theirs = ((x[:, 0] - torch.tensor(ys)) ** 2).sum()
        for tensor, gradient in zip(tensors, torch.autograd.grad(theirs, tensors), strict=True):
            tensor.data -= 0.05 * gradient
        assert loss.data == pytest.approx(theirs.item(), rel=1e-9)
    assert loss.data < 0.5 and n.layers[0].neurons[0].w[0].grad != 0


def test_a_network_can_be_copied():
    model = MLP(2, [2, 1])
    model([1.0, 2.0]).backward()
    other = copy.deepcopy(model)
    other.parameters()[0].data = 5.0
    assert model.parameters()[0] != 5.0 and other([1.0, 2.0]) != model([1.0, 2.0])


def test_the_same_seed_gives_the_same_network_and_weights_are_drawn_in_order():
    drawn = random.Random(1337)
    wanted = [drawn.uniform(-1, 1) for _ in range(2 * 3 + 3 * 1)]
    for model in (MLP(2, [3, 1], seed=1337), MLP(2, [3, 1], seed=random.Random(1337))):
        neurons = [neuron for layer in model.layers for neuron in layer.neurons]
        assert [weight.data for neuron in neurons for weight in neuron.w] == wanted
        assert all(neuron.b == 0 for neuron in neurons)
    assert MLP(2, [3, 1], seed=1).parameters() != wanted


@given(scores, st.data())
def test_cross_entropy_and_softmax_are_those_of_torch(values, data):
    right = data.draw(st.integers(0, len(values) - 1))
    ours = [Value(x) for x in values]
    theirs = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    loss = cross_entropy(ours, right)
    loss.backward()
    expected = torch.nn.functional.cross_entropy(theirs[None], torch.tensor([right]))
    expected.backward()
    assert loss.data == pytest.approx(expected.item(), rel=1e-9, abs=1e-12)
    assert [x.grad for x in ours] == pytest.approx(theirs.grad.tolist(), rel=1e-9, abs=1e-12)
    assert [p.data for p in softmax(values)] == pytest.approx(theirs.softmax(0).tolist(), rel=1e-9)


def test_scores_may_be_large():
    assert cross_entropy([1000.0, 0.0], 0).data == 0.0
    assert cross_entropy([1000.0, 0.0], 1).data == 1000.0


def test_the_other_losses_by_hand():
    assert squared_error([1.0, Value(2.0)], [0.0, 4.0]) == 1 + 4
    assert hinge([Value(2.0), 0.5, -1.0], [1, 1, 1]).data == pytest.approx((0 + 0.5 + 2) / 3)
    assert hinge([0.5], [-1]) == 1.5
    assert decay([Value(3.0), Value(-4.0)]) == 25.0
    assert mean([1.0, Value(2.0), 6.0]).data == pytest.approx(3.0)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_descent_takes_the_steps_of_torch(momentum):
    start = [1.5, -2.0]
    ours = [Value(x) for x in start]
    theirs = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    sgd, other = SGD(ours, 0.05, momentum), torch.optim.SGD([theirs], lr=0.05, momentum=momentum)
    for _ in range(20):
        sgd.zero_grad()
        other.zero_grad()
        ((ours[0] - 3) ** 2 + ours[0] * ours[1] + ours[1] ** 4).backward()
        ((theirs[0] - 3) ** 2 + theirs[0] * theirs[1] + theirs[1] ** 4).backward()
        sgd.step()
        other.step()
    assert [x.data for x in ours] == pytest.approx(theirs.tolist(), rel=1e-12)


def test_gradients_are_forgotten_when_asked():
    model = MLP(2, [2, 1])
    model([1.0, 2.0]).backward()
    assert any(p.grad for p in model.parameters())
    model.zero_grad()
    assert not any(p.grad for p in model.parameters())


@pytest.mark.parametrize("rate", [math.nan, math.inf, 0.0, -0.1])
def test_a_learning_rate_is_a_number_above_zero(rate):
    with pytest.raises(ConfigError, match="learning_rate"):
        SGD([Value(1.0)], rate)
    sgd = SGD([Value(1.0)])
    with pytest.raises(ConfigError, match="learning_rate"):
        sgd.learning_rate = rate


def test_descent_that_diverges_says_so_and_changes_nothing():
    a, b = Value(1.0), Value(2.0)
    sgd = SGD([a, b], 0.5)
    a.grad, b.grad = 1.0, math.nan
    with pytest.raises(Diverged, match=r"diverged: parameter 1 is 2 and .* nan; try a learning rate below 0\.5"):
        sgd.step()
    assert (a, b) == (1.0, 2.0)


def test_a_run_that_diverges_stops():
    x = Value(1.0)
    sgd = SGD([x], 1.5)
    with pytest.raises(Diverged, match="diverged"):
        for _ in range(5000):
            sgd.zero_grad()
            (x * x).backward()
            sgd.step()


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        (lambda: Neuron(3)([1.0, 2.0]), "takes 3 numbers and was given 2"),
        (lambda: MLP(2, [3, 1])([1.0]), "takes 2 numbers and was given 1"),
        (lambda: Neuron(2, "gelu"), "'gelu' is not known; choose one of tanh"),
        (lambda: Neuron(0), "inputs=0"),
        (lambda: Layer(2, -1), "outputs=-1"),
        (lambda: MLP(2, []), "at least one"),
        (lambda: MLP(2, 3), "outputs=3: name the width of each layer"),
        (lambda: MLP(2.5, [1]), "inputs=2.5"),
        (lambda: squared_error([1.0], [1.0, 2.0]), "1 outputs do not go with 2 targets"),
        (lambda: hinge([], []), "0 outputs"),
        (lambda: cross_entropy([1.0, 2.0], 2), "right=2, but the scores are numbered 0 to 1"),
        (lambda: softmax([]), "no scores"),
        (lambda: mean([]), "no values"),
        (lambda: SGD([], 0.1), "no parameters"),
        (lambda: SGD([Value(1.0)], 0.1, 1.0), "momentum=1.0"),
    ],
)
def test_what_does_not_fit_is_named(mistake, says):
    with pytest.raises(ConfigError) as error:
        mistake()
    assert says in str(error.value)

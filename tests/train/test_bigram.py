"""The bigram start is the zero-layer model's own loss, on counts instead of on text."""

import numpy as np
import torch

from twofold.model.config import ModelConfig
from twofold.model.decoder import Decoder, initialise
from twofold.train.bigram import bigram_counts, bigram_loss, fit_bigrams
from twofold.train.losses import NextTokenLoss

CONFIG = ModelConfig(vocab_size=12, n_layers=2, d_model=16, n_heads=2, context=64)


def a_stream():
    """A Markov chain with two likely successors for each token."""
    random = np.random.default_rng(0)
    ids = [0]
    for _ in range(4096):
        ids.append(int((ids[-1] * 5 + random.choice([1, 2], p=[0.7, 0.3])) % 12))
    return np.array(ids)


def test_counts_are_the_pairs():
    counts = bigram_counts([np.array([1, 2, 1, 2, 3])], 4, [1.0])
    assert counts[1, 2] == 2 and counts[2, 1] == 1 and counts[2, 3] == 1 and counts.sum() == 4


def test_the_loss_on_counts_is_the_models_loss_on_the_text_and_so_are_its_gradients():
    model = initialise(Decoder(CONFIG), 0)
    torch.nn.init.normal_(model.W_U, std=0.3)
    stream = a_stream()
    on_text = NextTokenLoss(model)(torch.from_numpy(stream)[None, :])
    on_text.backward()
    expected = {name: parameter.grad.clone() for name, parameter in model.named_parameters() if name in ("W_E", "W_U")}
    model.zero_grad()
    assert torch.allclose(bigram_loss(model, bigram_counts([stream], 12, [1.0])), on_text, atol=1e-4)
    for name, gradient in expected.items():
        assert torch.allclose(model.get_parameter(name).grad, gradient, atol=1e-5), name


def test_fitting_reaches_the_entropy_of_the_chain():
    stream = a_stream()
    counts = bigram_counts([stream], 12, [1.0])
    p = counts / counts.sum(1, keepdim=True).clamp(min=1)
    entropy = -(counts * p.clamp(min=1e-9).log()).sum() / counts.sum()
    reached = fit_bigrams(initialise(Decoder(CONFIG), 0), counts, steps=200)
    assert entropy <= reached + 1e-4 and reached < entropy + 0.02

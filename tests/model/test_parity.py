"""The decoder against transformers: the same numbers in, the same logits, loss and gradients out."""

from __future__ import annotations

import torch
import torch.nn.functional as F


def test_logits_are_those_of_transformers(config, random_model, same_in_transformers, ids):
    ours = random_model(config)
    with torch.no_grad():
        difference = ours(ids) - same_in_transformers(ours)(ids).logits
    assert difference.abs().max() < 1e-4


def test_loss_and_gradients_are_those_of_transformers(config, random_model, same_in_transformers, their_words, ids):
    ours = random_model(config)
    theirs = same_in_transformers(ours).requires_grad_(True)
    their_loss = theirs(ids, labels=ids).loss
    our_loss = F.cross_entropy(ours(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
    assert abs(our_loss - their_loss) < 1e-5 * their_loss
    our_loss.backward()
    their_loss.backward()
    gradients = their_words(config, {name: p.grad for name, p in ours.named_parameters()})
    for name, parameter in theirs.named_parameters():
        scale = parameter.grad.abs().max()
        assert scale > 0, f"{name} had no part in the loss"
        assert (gradients[name] - parameter.grad).abs().max() < 1e-4 * scale, name


def test_the_shape_is_known_to_others_by_its_name(config, same_in_transformers, random_model):
    assert same_in_transformers(random_model(config)).config.model_type == config.architecture

"""Every named activation is TransformerLens': the same name, the same axes, the same numbers, nothing folded.

It runs where a TransformerLens with HookedTransformer (3.x) is installed: pip install 'twofold[oracles]'.
"""

from __future__ import annotations

import pytest
import torch

from twofold.model.tap import places
from twofold.model.watching import recording, tapped

from .hooked import hooked

lens = pytest.importorskip("transformer_lens", reason="TransformerLens is not installed")
if not hasattr(lens, "__path__") or "HookedTransformer" not in dir(lens):
    pytest.skip("this TransformerLens has no HookedTransformer", allow_module_level=True)


@pytest.fixture
def pair(config, random_model):
    if config.mlp == "relu2":
        pytest.skip("TransformerLens has no squared ReLU")
    model = random_model(config)
    return model, hooked(model)


def test_every_named_activation_is_transformer_lens(pair, ids):
    model, their_model = pair
    logits, cache = their_model.run_with_cache(ids)
    with torch.no_grad(), recording(model, "*", "*.hook_result") as seen:
        torch.testing.assert_close(model(ids), logits, rtol=1e-5, atol=1e-5)
    for name in places(model.config):
        ours, their = seen[name], cache[name]
        if "_norm." in name:  # theirs are folded into one long batch
            their = their.reshape(ours.shape)
        if name == "hook_pos_embed":
            ours = ours.expand_as(their)
        torch.testing.assert_close(ours, their, rtol=1e-5, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}")
    assert set(cache) - set(seen) <= {"unembed.hook_in", "unembed.hook_out"}, "the ends, which a call gives anyway"


def test_a_place_that_is_changed_changes_the_same_answer(pair, ids):
    model, their_model = pair

    def bend(value, *_, **__):
        wide = torch.linspace(0.7, 1.3, value.shape[-1])
        return value * (wide if value.shape[-1] > 1 else 1.2)

    for name in places(model.config):
        their = their_model.run_with_hooks(ids, fwd_hooks=[(name, bend)])
        with torch.no_grad(), tapped(model, {name: bend}):
            ours = model(ids)
        torch.testing.assert_close(ours, their, rtol=1e-4, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")

"""Every named activation is TransformerLens': the same name, the same axes, the same numbers, nothing folded.

It runs where a TransformerLens with HookedTransformer (3.x) is installed: pip install 'twofold[oracles]'.
"""

from __future__ import annotations

import pytest
import torch

from twofold.model.tap import places
from twofold.model.watching import recording, tapped

lens = pytest.importorskip("transformer_lens", reason="TransformerLens is not installed")
if not hasattr(lens, "__path__") or "HookedTransformer" not in dir(lens):
    pytest.skip("this TransformerLens has no HookedTransformer", allow_module_level=True)


def theirs(model):
    """A HookedTransformer that holds the same parameters: theirs are per head, and multiply from the right."""
    config = model.config
    grouped = config.n_kv_heads != config.n_heads
    shape = lens.HookedTransformerConfig(
        n_layers=config.n_layers, d_model=config.d_model, n_ctx=config.context, d_head=config.d_head,
        n_heads=config.n_heads, d_mlp=config.d_ff, d_vocab=config.vocab_size, eps=config.norm_eps, device="cpu",
        act_fn={"gelu": "gelu_new", "swiglu": "silu"}[config.mlp], gated_mlp=config.mlp == "swiglu",
        normalization_type={"layer": "LN", "rms": "RMS"}[config.norm], use_qk_norm=config.qk_norm,
        positional_embedding_type={"learned": "standard", "rotary": "rotary"}[config.positions],
        rotary_dim=config.d_head if config.positions == "rotary" else None, rotary_base=config.rope_base,
        rotary_adjacent_pairs=False, n_key_value_heads=config.n_kv_heads if grouped else None, use_attn_result=True,
        final_rms=config.norm == "rms", default_prepend_bos=False,
    )  # fmt: skip
    hooked = lens.HookedTransformer(shape)
    state = {name: value for name, value in hooked.state_dict().items() if "mask" in name or "IGNORE" in name
             or "rotary" in name}  # fmt: skip
    for name, value in hooked.state_dict().items():
        if name not in state:
            state[name] = torch.zeros_like(value)
    state |= {"embed.W_E": model.W_E, "unembed.W_U": model.W_U.T, "ln_final.w": model.ln_final.w}
    if model.W_pos is not None:
        state["pos_embed.W_pos"] = model.W_pos
    if config.norm == "layer":
        state["ln_final.b"] = model.ln_final.b
    for i, block in enumerate(model.blocks):
        at, e = f"blocks.{i}.", config.d_head
        for letter in "QKV":
            under = "_" if grouped and letter != "Q" else ""
            weight, bias = getattr(block.attn, f"W_{letter}"), getattr(block.attn, f"b_{letter}")
            state[f"{at}attn.{under}W_{letter}"] = weight.view(-1, e, config.d_model).mT
            if bias is not None:
                state[f"{at}attn.{under}b_{letter}"] = bias.view(-1, e)
        state[at + "attn.W_O"] = block.attn.W_O.view(config.d_model, -1, e).permute(1, 2, 0)
        state |= {f"{at}mlp.W_in": block.mlp.W_in.T, f"{at}mlp.W_out": block.mlp.W_out.T}
        if block.mlp.W_gate is not None:
            state[at + "mlp.W_gate"] = block.mlp.W_gate.T
        if config.bias:
            state |= {f"{at}attn.b_O": block.attn.b_O, f"{at}mlp.b_in": block.mlp.b_in}
            state[at + "mlp.b_out"] = block.mlp.b_out
        for norm in ("ln1", "ln2"):
            state |= {f"{at}{norm}.{name}": value for name, value in getattr(block, norm).named_parameters()}
        if config.qk_norm:
            state |= {f"{at}attn.{x}_norm.w": getattr(block.attn, f"{x}_norm").w for x in "qk"}
    hooked.load_state_dict({name: value.detach() for name, value in state.items()}, strict=True)
    return hooked


@pytest.fixture
def pair(config, random_model):
    if config.mlp == "relu2":
        pytest.skip("TransformerLens has no squared ReLU")
    model = random_model(config)
    return model, theirs(model)


def test_every_named_activation_is_transformer_lens(pair, ids):
    model, hooked = pair
    logits, cache = hooked.run_with_cache(ids)
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
    model, hooked = pair

    def bend(value, *_, **__):
        wide = torch.linspace(0.7, 1.3, value.shape[-1])
        return value * (wide if value.shape[-1] > 1 else 1.2)

    for name in places(model.config):
        their = hooked.run_with_hooks(ids, fwd_hooks=[(name, bend)])
        with torch.no_grad(), tapped(model, {name: bend}):
            ours = model(ids)
        torch.testing.assert_close(ours, their, rtol=1e-4, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}")

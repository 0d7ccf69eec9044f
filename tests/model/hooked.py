"""A HookedTransformer of TransformerLens (3.x) that holds the parameters of a Decoder: what taps are held against.

Theirs are per head and multiply from the right. Nothing is folded, centred or rounded.
"""

from __future__ import annotations

from typing import Any

import torch

from twofold.model.decoder import Decoder

__all__ = ["hooked"]


def hooked(model: Decoder, context: int = 0, results: bool = True) -> Any:
    """`context`, if it is to be shorter than the model's, is what theirs makes masks and rotations for.

    With `results` each head's own output is made too, as `hook_result`; theirs has that off unless it is asked for.
    """
    import transformer_lens as lens

    config = model.config
    grouped = config.n_kv_heads != config.n_heads
    shape = lens.HookedTransformerConfig(
        n_layers=config.n_layers, d_model=config.d_model, n_ctx=context or config.context, d_head=config.d_head,
        n_heads=config.n_heads, d_mlp=config.d_ff, d_vocab=config.vocab_size, eps=config.norm_eps, device="cpu",
        act_fn={"gelu": "gelu_new", "swiglu": "silu"}[config.mlp], gated_mlp=config.mlp == "swiglu",
        normalization_type={"layer": "LN", "rms": "RMS"}[config.norm], use_qk_norm=config.qk_norm,
        positional_embedding_type={"learned": "standard", "rotary": "rotary"}[config.positions],
        rotary_dim=config.d_head if config.positions == "rotary" else None, rotary_base=config.rope_base,
        rotary_adjacent_pairs=False, n_key_value_heads=config.n_kv_heads if grouped else None, use_attn_result=results,
        final_rms=config.norm == "rms", default_prepend_bos=False,
    )  # fmt: skip
    made = lens.HookedTransformer(shape)
    state = {name: value for name, value in made.state_dict().items() if "mask" in name or "IGNORE" in name
             or "rotary" in name}  # fmt: skip
    for name, value in made.state_dict().items():
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
    made.load_state_dict({name: value.detach() for name, value in state.items()}, strict=True)
    return made

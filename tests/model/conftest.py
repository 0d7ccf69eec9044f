"""Small models with every parameter random, and transformers' models of the same shape holding the same numbers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from twofold.model.config import ModelConfig
from twofold.model.decoder import Decoder

SMALL = dict(vocab_size=96, d_model=32, n_heads=4, n_layers=2, context=24, d_ff=80)
LLAMA = dict(positions="rotary", norm="rms", bias=False)
SHAPES = {
    "gpt2": dict(positions="learned", norm="layer", mlp="gelu", bias=True, qk_norm=False, tied=True, norm_eps=1e-5),
    "llama": dict(**LLAMA, mlp="swiglu", qk_norm=False, tied=False, rope_base=10000.0, norm_eps=1e-5),
    "llama grouped and tied": dict(**LLAMA, mlp="swiglu", qk_norm=False, tied=True, n_kv_heads=2, rope_base=5e5),
    "qwen3": dict(**LLAMA, mlp="swiglu", qk_norm=True, tied=True, n_kv_heads=2, d_head=16, rope_base=1e6),
    "qwen3 untied, one key head": dict(**LLAMA, mlp="swiglu", qk_norm=True, tied=False, n_kv_heads=1),
    "arcee": dict(**LLAMA, mlp="relu2", qk_norm=False, tied=False, n_kv_heads=2),
}


@pytest.fixture(params=SHAPES)
def config(request) -> ModelConfig:
    """The shapes that transformers knows."""
    return ModelConfig(**SMALL | SHAPES[request.param])


@pytest.fixture(scope="session")
def small():
    """A config of a few thousand parameters, with what a test wants changed."""
    return lambda **changes: ModelConfig(**SMALL | changes)


@pytest.fixture(scope="session")
def random_model():
    """A decoder whose gains and biases are random too, so that no parameter can be forgotten unseen."""

    def make(config: ModelConfig, seed: int = 0) -> Decoder:
        generator = torch.Generator().manual_seed(seed)
        model = Decoder(config)
        with torch.no_grad():
            for parameter in model.parameters():
                noise = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(noise / parameter.shape[-1] ** 0.5 if parameter.ndim == 2 else 1 + 0.3 * noise)
        return model

    return make


@pytest.fixture(scope="session")
def ids():
    return torch.randint(0, SMALL["vocab_size"], (3, 20), generator=torch.Generator().manual_seed(7))


@pytest.fixture(scope="session")
def same_in_transformers():
    def make(model: Decoder) -> torch.nn.Module:
        theirs = _empty(model.config)
        theirs.load_state_dict(in_their_words(model.config, dict(model.named_parameters())), strict=True)
        return theirs.eval()

    return make


@pytest.fixture(scope="session")
def their_words():
    return in_their_words


def in_their_words(config: ModelConfig, ours: dict[str, Tensor | None]) -> dict[str, Tensor]:
    """Our parameters (or gradients) under transformers' names; GPT-2's matrices are transposed and Q, K, V are one."""
    return _gpt2_words(config, ours) if config.architecture == "gpt2" else _llama_words(config, ours)


def _gpt2_words(config, ours):
    theirs = {
        "transformer.wte.weight": ours["W_E"],
        "transformer.wpe.weight": ours["W_pos"],
        "transformer.ln_f.weight": ours["ln_final.w"],
        "transformer.ln_f.bias": ours["ln_final.b"],
        "lm_head.weight": ours["W_E"],
    }
    for i in range(config.n_layers):
        b, t = f"blocks.{i}.", f"transformer.h.{i}."
        theirs |= {
            t + "ln_1.weight": ours[b + "ln1.w"],
            t + "ln_1.bias": ours[b + "ln1.b"],
            t + "ln_2.weight": ours[b + "ln2.w"],
            t + "ln_2.bias": ours[b + "ln2.b"],
            t + "attn.c_attn.weight": torch.cat([ours[f"{b}attn.W_{x}"] for x in "QKV"]).T,
            t + "attn.c_attn.bias": torch.cat([ours[f"{b}attn.b_{x}"] for x in "QKV"]),
            t + "attn.c_proj.weight": ours[b + "attn.W_O"].T,
            t + "attn.c_proj.bias": ours[b + "attn.b_O"],
            t + "mlp.c_fc.weight": ours[b + "mlp.W_in"].T,
            t + "mlp.c_fc.bias": ours[b + "mlp.b_in"],
            t + "mlp.c_proj.weight": ours[b + "mlp.W_out"].T,
            t + "mlp.c_proj.bias": ours[b + "mlp.b_out"],
        }
    return theirs


def _llama_words(config, ours):
    theirs = {
        "model.embed_tokens.weight": ours["W_E"],
        "model.norm.weight": ours["ln_final.w"],
        "lm_head.weight": ours["W_E"] if config.tied else ours["W_U"],
    }
    for i in range(config.n_layers):
        b, t = f"blocks.{i}.", f"model.layers.{i}."
        theirs |= {
            t + "input_layernorm.weight": ours[b + "ln1.w"],
            t + "post_attention_layernorm.weight": ours[b + "ln2.w"],
            t + "mlp.up_proj.weight": ours[b + "mlp.W_in"],
            t + "mlp.down_proj.weight": ours[b + "mlp.W_out"],
        }
        theirs |= {f"{t}self_attn.{x.lower()}_proj.weight": ours[f"{b}attn.W_{x}"] for x in "QKVO"}
        if config.mlp == "swiglu":
            theirs[t + "mlp.gate_proj.weight"] = ours[b + "mlp.W_gate"]
        if config.qk_norm:
            theirs |= {f"{t}self_attn.{x}_norm.weight": ours[f"{b}attn.{x}_norm.w"] for x in "qk"}
    return theirs


def _empty(config: ModelConfig) -> torch.nn.Module:
    import transformers

    common = dict(vocab_size=config.vocab_size, tie_word_embeddings=config.tied, attn_implementation="eager")
    if config.architecture == "gpt2":
        shape = transformers.GPT2Config(
            n_positions=config.context, n_embd=config.d_model, n_layer=config.n_layers, n_head=config.n_heads,
            n_inner=config.d_ff, layer_norm_epsilon=config.norm_eps, **common,
        )  # fmt: skip
        return transformers.GPT2LMHeadModel(shape)
    name = {"llama": "Llama", "qwen3": "Qwen3", "arcee": "Arcee"}[config.architecture]
    shape = getattr(transformers, f"{name}Config")(
        max_position_embeddings=config.context, hidden_size=config.d_model, intermediate_size=config.d_ff,
        num_hidden_layers=config.n_layers, num_attention_heads=config.n_heads,
        num_key_value_heads=config.n_kv_heads, head_dim=config.d_head, rms_norm_eps=config.norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": config.rope_base}, **common,
    )  # fmt: skip
    return getattr(transformers, f"{name}ForCausalLM")(shape)

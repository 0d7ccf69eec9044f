"""config.json of a Hugging Face folder: a model's shape in transformers' words, and back, with every value checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twofold.errors import ConfigError, FileFormatError
from twofold.model.config import ModelConfig
from twofold.weights.configuration import FAMILIES, checked_config

__all__ = ["from_config", "to_config"]

_GPT2 = {
    "vocab_size": "vocab_size", "n_positions": "context", "n_embd": "d_model", "n_layer": "n_layers",
    "n_head": "n_heads", "n_inner": "d_ff", "layer_norm_epsilon": "norm_eps", "tie_word_embeddings": "tied",
}  # fmt: skip
_LLAMA = {
    "vocab_size": "vocab_size", "max_position_embeddings": "context", "hidden_size": "d_model",
    "num_hidden_layers": "n_layers", "num_attention_heads": "n_heads", "num_key_value_heads": "n_kv_heads",
    "head_dim": "d_head", "intermediate_size": "d_ff", "rms_norm_eps": "norm_eps", "tie_word_embeddings": "tied",
}  # fmt: skip
_CLASSES = {
    "gpt2": "GPT2LMHeadModel", "llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM", "arcee": "ArceeForCausalLM"
}  # fmt: skip
_ACTIVATIONS = {"gpt2": "gelu_new", "llama": "silu", "qwen3": "silu", "arcee": "relu2"}
_SAME_ACTIVATION = {"swish": "silu", "gelu_pytorch_tanh": "gelu_new"}

_OFF: dict[str, Any] = {"attention_bias": False, "mlp_bias": False, "use_sliding_window": False}
_OFF |= {"partial_rotary_factor": 1.0, "quantization_config": None, "rope_scaling": None}
_OFF |= {"scale_attn_weights": True, "scale_attn_by_inverse_layer_idx": False, "add_cross_attention": False}
"""Switches that change what the model computes, with the only value that our decoder runs (also the default)."""


def to_config(config: ModelConfig) -> dict[str, Any]:
    """The shape's part of config.json. Raises ConfigError for a shape that transformers does not have."""
    family = config.architecture
    if family == "twofold":
        raise ConfigError(
            "transformers has no model of this shape, so it cannot become a Hugging Face folder; it runs in run.py "
            "and here, and `twofold export MODEL --to gguf` keeps it whole"
        )
    ours = config.to_dict()
    values = {theirs: ours[name] for theirs, name in _names(family).items()}
    values |= {"model_type": family, "architectures": [_CLASSES[family]], _act(family): _ACTIVATIONS[family]}
    if family == "gpt2":
        return values | {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    rope = {"rope_type": "default", "rope_theta": config.rope_base}
    values |= {"rope_theta": config.rope_base, "rope_parameters": rope}  # before transformers 5 and since
    return values | {"attention_bias": False, "attention_dropout": 0.0}


def from_config(values: Mapping[str, Any], where: str) -> ModelConfig:
    """Raises FileFormatError for a model or a feature that our decoder does not have, or a value that cannot be."""
    family = values.get("model_type")
    if not isinstance(family, str) or family not in _CLASSES:
        raise FileFormatError(f"{where}: the model is {family!r:.60}; only {', '.join(_CLASSES)} can be brought in")
    _refuse_unknown(values, family, where)
    found = {name: values[theirs] for theirs, name in _names(family).items() if values.get(theirs) is not None}
    missing = [theirs for theirs, name in _names(family).items() if name not in found and name not in _OPTIONAL]
    if missing:
        raise FileFormatError(f"{where} does not say {missing[0]}")
    if family != "gpt2":
        found["rope_base"] = _rope_base(values, where)
    return checked_config({"tied": family == "gpt2"} | found | FAMILIES[family], where)


_OPTIONAL = {"tied", "d_ff", "d_head", "n_kv_heads"}


def _names(family: str) -> dict[str, str]:
    return _GPT2 if family == "gpt2" else _LLAMA


def _act(family: str) -> str:
    return "activation_function" if family == "gpt2" else "hidden_act"


def _refuse_unknown(values: Mapping[str, Any], family: str, where: str) -> None:
    only = _ACTIVATIONS[family]
    activation = values.get(_act(family), only)
    if _SAME_ACTIVATION.get(str(activation), activation) != only:
        raise FileFormatError(f"{where}: {_act(family)} is {activation!r:.60}; only {only!r} can be run for {family}")
    for name, only in _OFF.items():
        if values.get(name, only) not in (only, None):
            raise FileFormatError(f"{where}: {name} is {values[name]!r:.60}; only {only!r} can be run")


def _rope_base(values: Mapping[str, Any], where: str) -> Any:
    rope = values.get("rope_parameters")
    if rope is None:
        return values.get("rope_theta", 10000.0)
    if not isinstance(rope, dict) or rope.get("rope_type", "default") != "default" or "rope_theta" not in rope:
        raise FileFormatError(f"{where}: rope_parameters is {rope!r:.120}; only plain rotary positions can be run")
    return rope["rope_theta"]

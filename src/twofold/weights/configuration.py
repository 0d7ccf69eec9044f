"""A model's shape as keys of a file, and back, with every value checked.

Each shape is written twice: under the names that llama.cpp looks for (`llama.embedding_length`, …), and whole, under
`twofold.` + the name of each field of ModelConfig. Files made by others have the first only. Where both are there
they must agree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from twofold.errors import ConfigError, FileFormatError
from twofold.model.config import ModelConfig
from twofold.weights.gguf import typed

__all__ = ["FAMILIES", "checked_config", "from_metadata", "to_metadata"]

FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": {"positions": "learned", "norm": "layer", "mlp": "gelu", "bias": True, "qk_norm": False},
    "llama": {"positions": "rotary", "norm": "rms", "mlp": "swiglu", "bias": False, "qk_norm": False},
    "qwen3": {"positions": "rotary", "norm": "rms", "mlp": "swiglu", "bias": False, "qk_norm": True},
    "arcee": {"positions": "rotary", "norm": "rms", "mlp": "relu2", "bias": False, "qk_norm": False},
}
FIELD_TYPES = {field.name: field.type for field in fields(ModelConfig)}
LARGEST = (1 << 31) - 1


def checked_config(values: Mapping[str, Any], where: str) -> ModelConfig:
    """A ModelConfig from a stranger's values. Raises FileFormatError that names the field."""
    for name, value in values.items():
        kind = FIELD_TYPES[name]
        if kind == "bool" and not isinstance(value, bool):
            raise FileFormatError(f"{where}: {name} is {value!r:.60} where true or false is meant")
        if kind == "int" and (type(value) is not int or not 0 <= value <= LARGEST):
            raise FileFormatError(f"{where}: {name} is {value!r:.60} where a whole number from 0 to {LARGEST} is meant")
        if kind == "float" and not (type(value) in (int, float) and 0 < value < math.inf):
            raise FileFormatError(f"{where}: {name} is {value!r:.60} where a positive number is meant")
        if kind not in ("bool", "int", "float") and not isinstance(value, str):
            raise FileFormatError(f"{where}: {name} is {value!r:.60} where a word is meant")
    try:
        return ModelConfig(**values)
    except ConfigError as error:
        raise FileFormatError(f"{where}: {error}") from error


def to_metadata(config: ModelConfig) -> dict[str, Any]:
    """The keys that say what the model is, for llama.cpp and for us."""
    a = config.architecture
    norm = "layer_norm_rms_epsilon" if config.norm == "rms" else "layer_norm_epsilon"
    standard: dict[str, Any] = {
        "general.architecture": a,
        f"{a}.vocab_size": config.vocab_size,
        f"{a}.context_length": config.context,
        f"{a}.embedding_length": config.d_model,
        f"{a}.block_count": config.n_layers,
        f"{a}.feed_forward_length": config.d_ff,
        f"{a}.attention.head_count": config.n_heads,
        f"{a}.attention.head_count_kv": config.n_kv_heads,
        f"{a}.attention.key_length": config.d_head,
        f"{a}.attention.value_length": config.d_head,
        f"{a}.attention.{norm}": float(config.norm_eps),
    }
    if config.positions == "rotary":
        standard |= {f"{a}.rope.freq_base": float(config.rope_base), f"{a}.rope.dimension_count": config.d_head}
    whole = {name: np.float64(value) if FIELD_TYPES[name] == "float" else value
             for name, value in config.to_dict().items()}  # fmt: skip
    return standard | {f"twofold.{name}": value for name, value in whole.items()}


def from_metadata(metadata: Mapping[str, Any], tied: bool, where: str) -> tuple[str, ModelConfig]:
    """The file's architecture and its shape. `tied`: the file has no matrix of its own for the output.

    Raises FileFormatError for an architecture or a feature that our decoder does not have.
    """
    a = typed(metadata, "general.architecture", str, "", where)
    if a not in (*FAMILIES, "twofold"):
        raise FileFormatError(
            f"{where}: the architecture is {a!r:.60}, and only {', '.join(FAMILIES)} and twofold's own can be run"
        )
    standard = None if a == "twofold" else _from_standard(metadata, a, tied, where)
    own = {name: metadata[f"twofold.{name}"] for name in FIELD_TYPES if f"twofold.{name}" in metadata}
    missing = [name for name in FIELD_TYPES if name not in own]
    if missing and standard is not None:
        return a, standard
    if missing:
        raise FileFormatError(f"{where} has no key twofold.{missing[0]}, which says the model's {missing[0]}")
    whole = checked_config(own, where)
    if whole.tied != tied:
        raise FileFormatError(f"{where}: twofold.tied is {whole.tied}, but output.weight says otherwise")
    if standard is not None:
        _agree(whole, standard, where)
    return a, whole


def _from_standard(metadata: Mapping[str, Any], a: str, tied: bool, where: str) -> ModelConfig:
    """The shape by llama.cpp's keys, defaults as it takes them."""

    def key(name: str, default: Any = None) -> Any:
        value = metadata.get(f"{a}.{name}", default)
        if value is None:
            raise FileFormatError(f"{where} has no key {a}.{name}, which the architecture {a} needs")
        return _decimal(value)

    _refuse_unknown(metadata, a, where)
    norm = "layer_norm_epsilon" if a == "gpt2" else "layer_norm_rms_epsilon"
    tokens = metadata.get("tokenizer.ggml.tokens")
    values = {
        "vocab_size": key("vocab_size", len(tokens) if isinstance(tokens, list) else None),
        "n_layers": key("block_count"),
        "d_model": key("embedding_length"),
        "n_heads": key("attention.head_count"),
        "context": key("context_length"),
        "n_kv_heads": key("attention.head_count_kv", 0),
        "d_head": key("attention.key_length", 0),
        "d_ff": key("feed_forward_length"),
        "tied": tied,
        "rope_base": key("rope.freq_base", 10000.0),
        "norm_eps": key(f"attention.{norm}"),
    }
    config = checked_config(values | FAMILIES[a], where)
    for name in ("attention.value_length", "rope.dimension_count"):
        width = typed(metadata, f"{a}.{name}", int, config.d_head, where)
        if width != config.d_head:
            raise FileFormatError(f"{where}: {a}.{name} is {width}; only {config.d_head}, the head's width, can be run")
    return config


def _refuse_unknown(metadata: Mapping[str, Any], a: str, where: str) -> None:
    """Features that change what the model computes and that the decoder lacks."""
    scaling = typed(metadata, f"{a}.rope.scaling.type", str, "none", where)
    if scaling != "none":
        raise FileFormatError(f"{where}: positions are scaled ({scaling!r:.60}), which cannot be run here")
    if typed(metadata, f"{a}.expert_count", int, 0, where):
        raise FileFormatError(f"{where}: a mixture of experts, which cannot be run here")


def _agree(whole: ModelConfig, standard: ModelConfig, where: str) -> None:
    for name, kind in FIELD_TYPES.items():
        ours, theirs = getattr(whole, name), getattr(standard, name)
        if ours != theirs and not (kind == "float" and math.isclose(ours, theirs, rel_tol=1e-6)):
            raise FileFormatError(
                f"{where} says {name} twice and differently: {ours!r} in twofold.{name}, {theirs!r} in "
                f"{standard.architecture}'s own keys; export it again"
            )


def _decimal(value: Any) -> Any:
    """A float32 that came from 1e-5 reads as 9.999999747e-06; give back the shortest decimal that means the same."""
    if type(value) is not float:
        return value
    with np.errstate(over="ignore"):
        short = np.float32(value)
    return float(str(short)) if float(short) == value else value

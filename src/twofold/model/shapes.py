"""Shapes by name, as their makers published them, and the shape of every parameter of a shape.

    named("gpt2")                       changed(named("gpt2"), {"n_layers": "24"})
    from_values({"vocab_size": …}, "model.toml")
    parameter_shapes(config)            {"W_E": (50257, 768), "blocks.0.ln1.w": (768,), …}
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any

from twofold.errors import ConfigError
from twofold.model.config import ModelConfig

__all__ = ["NAMED", "changed", "from_values", "named", "parameter_shapes"]

Shape = tuple[int, ...]


def _gpt2(n_layers: int, d_model: int, n_heads: int, context: int = 1024) -> ModelConfig:
    """Radford et al. 2019; Brown et al. 2020 (arXiv:2005.14165) keep the shape. The head is the embedding's matrix."""
    return ModelConfig(
        50257, n_layers, d_model, n_heads, context, positions="learned", norm="layer", mlp="gelu", bias=True,
        qk_norm=False, tied=True, norm_eps=1e-5,
    )  # fmt: skip


def _llama(
    vocab_size: int, n_layers: int, d_model: int, n_heads: int, n_kv_heads: int, d_ff: int, context: int, **rest: Any
) -> ModelConfig:
    """Touvron et al. 2023, arXiv:2302.13971, and those who took over the shape."""
    rest = {"qk_norm": False, "norm_eps": 1e-5} | rest
    return ModelConfig(vocab_size, n_layers, d_model, n_heads, context, n_kv_heads, d_ff=d_ff, **rest)


def _qwen3(n_layers: int, d_model: int, n_heads: int, d_ff: int, tied: bool) -> ModelConfig:
    """Qwen team 2025, arXiv:2505.09388: eight key-value heads of 128 channels, whatever the width."""
    return ModelConfig(151936, n_layers, d_model, n_heads, 40960, 8, 128, d_ff, tied=tied, rope_base=1e6)


NAMED = {
    "gpt2": _gpt2(12, 768, 12),
    "gpt2-medium": _gpt2(24, 1024, 16),
    "gpt2-large": _gpt2(36, 1280, 20),
    "gpt2-xl": _gpt2(48, 1600, 25),
    "gpt3-175b": _gpt2(96, 12288, 96, 2048),
    "stories15m": _llama(32000, 6, 288, 6, 6, 768, 256, tied=True),
    "smollm2-135m": _llama(49152, 30, 576, 9, 3, 1536, 8192, tied=True, rope_base=1e5),
    "smollm2-360m": _llama(49152, 32, 960, 15, 5, 2560, 8192, tied=True, rope_base=1e5),
    "smollm2-1.7b": _llama(49152, 24, 2048, 32, 32, 8192, 8192, tied=True, rope_base=1.3e5),
    "tinyllama-1.1b": _llama(32000, 22, 2048, 32, 4, 5632, 2048),
    "llama-7b": _llama(32000, 32, 4096, 32, 32, 11008, 2048, norm_eps=1e-6),
    "llama-13b": _llama(32000, 40, 5120, 40, 40, 13824, 2048, norm_eps=1e-6),
    "llama-65b": _llama(32000, 80, 8192, 64, 64, 22016, 2048),
    "llama-2-7b": _llama(32000, 32, 4096, 32, 32, 11008, 4096),
    "llama-3.1-8b": _llama(128256, 32, 4096, 32, 8, 14336, 131072, rope_base=5e5),
    "llama-3.2-1b": _llama(128256, 16, 2048, 32, 8, 8192, 131072, tied=True, rope_base=5e5),
    "llama-3.2-3b": _llama(128256, 28, 3072, 24, 8, 8192, 131072, tied=True, rope_base=5e5),
    "qwen3-0.6b": _qwen3(28, 1024, 16, 3072, tied=True),
    "qwen3-1.7b": _qwen3(28, 2048, 16, 6144, tied=True),
    "qwen3-4b": _qwen3(36, 2560, 32, 9728, tied=True),
    "qwen3-8b": _qwen3(36, 4096, 32, 12288, tied=False),
}

_KINDS = {field.name: str(field.type) for field in fields(ModelConfig)}
_NEEDED = ("vocab_size", "n_layers", "d_model", "n_heads")
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def named(name: str) -> ModelConfig:
    """The published shape of that name. Raises ConfigError with the closest name and all of them."""
    key = name.lower()
    if key not in NAMED:
        raise ConfigError(f"there is no shape named {name!r};{_closest(key, NAMED)} the names are {', '.join(NAMED)}")
    return NAMED[key]


def from_values(values: Mapping[str, Any], where: str) -> ModelConfig:
    """A shape from the values of a TOML or JSON file or of `key=value` words. Raises ConfigError that names the key."""
    checked = {}
    for name, value in values.items():
        if name not in _KINDS:
            raise ConfigError(f"{where}: {name!r} is no part of a shape;{_closest(name, _KINDS)} {_known()}")
        checked[name] = _checked(name, value, where)
    missing = [name for name in _NEEDED if name not in checked]
    if missing:
        raise ConfigError(f"{where} does not say {', '.join(missing)}; {_known()}")
    return ModelConfig(**checked)


def changed(config: ModelConfig, changes: Mapping[str, Any], where: str = "the changes") -> ModelConfig:
    """The shape with some values replaced. Sizes that followed from the others (d_head, …) follow again."""
    values = config.to_dict()
    usual = ModelConfig(**values | {"d_ff": 0}).d_ff
    followed = {
        "d_head": config.d_head * config.n_heads == config.d_model,
        "n_kv_heads": config.n_kv_heads == config.n_heads,
        "d_ff": config.d_ff in (0, usual),
    }
    return from_values(values | {name: 0 for name, true in followed.items() if true} | dict(changes), where)


def parameter_shapes(config: ModelConfig) -> dict[str, Shape]:
    """Every parameter of the Decoder by name, in its order, without torch. A tied head is the absence of `W_U`."""
    d, f, e = config.d_model, config.d_ff, config.d_head
    q, kv = config.n_heads * e, config.n_kv_heads * e

    def norm(name: str, width: int) -> dict[str, Shape]:
        gain: dict[str, Shape] = {f"{name}.w": (width,)}
        return gain | {f"{name}.b": (width,)} if config.norm == "layer" and config.bias else gain

    def matrix(room: str, name: str, rows: int, columns: int) -> dict[str, Shape]:
        weight: dict[str, Shape] = {f"{room}.W_{name}": (rows, columns)}
        return weight | {f"{room}.b_{name}": (rows,)} if config.bias and name != "gate" else weight

    block = norm("ln1", d) | matrix("attn", "Q", q, d) | matrix("attn", "K", kv, d) | matrix("attn", "V", kv, d)
    block |= matrix("attn", "O", d, q)
    if config.qk_norm:
        block |= norm("attn.q_norm", e) | norm("attn.k_norm", e)
    if config.mlp != "none":
        block |= norm("ln2", d) | matrix("mlp", "in", f, d) | matrix("mlp", "out", d, f)
    if config.mlp == "swiglu":
        block |= matrix("mlp", "gate", f, d)

    whole: dict[str, Shape] = {"W_E": (config.vocab_size, d)}
    if config.positions == "learned":
        whole["W_pos"] = (config.context, d)
    for i in range(config.n_layers):
        whole |= {f"blocks.{i}.{name}": shape for name, shape in block.items()}
    whole |= norm("ln_final", d)
    return whole if config.tied else whole | {"W_U": (config.vocab_size, d)}


def _checked(name: str, value: Any, where: str) -> Any:
    """`value` as the kind that the field wants; words from the command line are read as numbers and truths."""
    kind = _KINDS[name]
    try:
        if kind == "bool":
            return value if isinstance(value, bool) else _TRUTH[str(value).lower()]
        if kind == "int":
            return int(value) if isinstance(value, str) else _whole(value)
        if kind == "float":
            number = float(value)
            if isinstance(value, bool) or not 0 < number < math.inf:
                raise ValueError
            return number
    except (ValueError, TypeError, KeyError, OverflowError):
        meant = {"bool": "true or false", "int": "a whole number", "float": "a positive number"}[kind]
        raise ConfigError(f"{where}: {name} is {value!r:.60} where {meant} is meant") from None
    return value  # one of a few words: ModelConfig knows which


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise ValueError
    return value


def _closest(name: str, among: Mapping[str, Any]) -> str:
    near = get_close_matches(name, among, n=1)
    return f" did you mean {near[0]!r}?" if near else ""


def _known() -> str:
    return f"a shape has {', '.join(_KINDS)}, of which {', '.join(_NEEDED)} are needed"

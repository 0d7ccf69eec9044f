"""Tiny models of every family with random weights, and a tokenizer small enough to read."""

from __future__ import annotations

import numpy as np

from twofold.model.config import ModelConfig
from twofold.model.shapes import parameter_shapes
from twofold.tokenizer.bpe import BPETokenizer
from twofold.tokenizer.spelling import ALPHABET
from twofold.weights.parameters import Parameters

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = (("h", "e"), ("l", "l"), ("he", "ll"), ("hell", "o"), ("Ġ", "t"), ("Ġt", "he"))
VOCABULARY = len(ALPHABET) + len(MERGES) + len(SPECIALS)
GPT2 = {"positions": "learned", "norm": "layer", "mlp": "gelu", "bias": True, "qk_norm": False, "tied": True}

SHAPES = {
    "gpt2": {"n_heads": 4, "d_ff": 128, **GPT2},
    "llama": {"n_heads": 4, "n_kv_heads": 2, "qk_norm": False, "rope_base": 100000.0, "norm_eps": 1e-5},
    "llama-tied": {"n_heads": 4, "d_head": 32, "qk_norm": False, "tied": True},
    "qwen3": {"n_heads": 4, "n_kv_heads": 2, "d_head": 32, "qk_norm": True},
    "qwen3-tied": {"n_heads": 2, "tied": True},
    "arcee": {"n_heads": 4, "n_kv_heads": 1, "mlp": "relu2", "qk_norm": False},
}
OWN_SHAPES = {
    "zero-layers": {"n_layers": 0, "n_heads": 1},
    "attention-only": {"n_heads": 4, "mlp": "none", "positions": "none", "qk_norm": False},
    "biased-qwen": {"n_heads": 4, "bias": True, "norm": "layer", "mlp": "relu2"},
    "gpt2-untied": {"n_heads": 4, **GPT2, "tied": False},
    "layer-norm-no-bias": {"n_heads": 2, "norm": "layer", "mlp": "gelu", "norm_eps": 3e-7, "rope_base": 12345.678},
}


def config_of(name: str) -> ModelConfig:
    return ModelConfig(**{"vocab_size": VOCABULARY, "n_layers": 2, "d_model": 64, "context": 96}
                       | (SHAPES | OWN_SHAPES)[name])  # fmt: skip


def random_state(config: ModelConfig, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights that keep the stream at unit scale and the logits far apart."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, shape in parameter_shapes(config).items():
        numbers = rng.standard_normal(shape, np.float32)
        scale = shape[-1] ** -0.5 if len(shape) == 2 else 0.1
        state[name] = np.float32(scale) * numbers + np.float32(name.endswith(".w"))
    return state


def small_tokenizer() -> BPETokenizer:
    tokens = [*ALPHABET, *(left + right for left, right in MERGES), *SPECIALS]
    specials = {name: tokens.index(name) for name in SPECIALS}
    return BPETokenizer(tokens, MERGES, "qwen2", specials, specials[SPECIALS[0]], specials[SPECIALS[0]], True)


def tiny_parameters(name: str, tokenizer: BPETokenizer) -> Parameters:
    config = config_of(name)
    lineage = {"recipe": "none", "parents": ["a", "b"], "evaluations": {"bpb": 1.25}}
    return Parameters(config, random_state(config), tokenizer, "{{ messages }}", lineage, "F32")

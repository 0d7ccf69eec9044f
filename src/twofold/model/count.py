"""How large a shape is: parameters by category, floating-point operations a token, memory to train and to run.

    key = query = value = output = n_layers · d · (heads · e)      up = down = n_layers · d · f
    embedding = unembedding = v · d                                3Blue1Brown, "Transformers", chapters 5 and 6

    FLOPs a token = 6 N + 6 · n_layers · s · (heads · e)           forward and backward; forward alone is a third

N counts the matrices that a token is multiplied by: all of them but the embedding, which is looked up. The second
term is causal attention, averaged over the positions of a context of s tokens.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from math import prod

from twofold.model.config import ModelConfig
from twofold.model.shapes import parameter_shapes

__all__ = ["CATEGORIES", "ParameterCount", "count", "flops_per_token", "kv_cache_bytes", "training_bytes"]

CATEGORIES = {
    "embedding": "W_E",
    "key": "W_K",
    "query": "W_Q",
    "value": "W_V",
    "output": "W_O",
    "up-projection": "W_in",
    "down-projection": "W_out",
    "unembedding": "W_U",
}
_OF_LEAF = {leaf: category for category, leaf in CATEGORIES.items()} | {"W_gate": "gate", "W_pos": "positions"}
FLOAT32, BFLOAT16 = 4, 2  # bytes


@dataclass(frozen=True)
class ParameterCount:
    """`eight` are 3Blue1Brown's categories, a tied head counted as if it were its own; `rest` is everything else.

    `shared` is what is counted twice in `eight` and held once: the tied head, or 0.
    """

    eight: dict[str, int]
    rest: dict[str, int]
    shared: int

    @property
    def total_of_eight(self) -> int:
        return sum(self.eight.values())

    @property
    def in_blocks(self) -> int:
        """The matrices of the blocks."""
        ends = self.eight["embedding"] + self.eight["unembedding"]
        return self.total_of_eight - ends + self.rest.get("gate", 0)

    @property
    def held(self) -> int:
        """The numbers in the parameters file."""
        return self.total_of_eight + sum(self.rest.values()) - self.shared


def count(config: ModelConfig) -> ParameterCount:
    """Parameters by category. The sum, `held`, is that of the Decoder's own parameters."""
    sizes: Counter[str] = Counter()
    one_block = replace(config, n_layers=min(config.n_layers, 1))  # they are all alike
    for name, shape in parameter_shapes(one_block).items():
        sizes[_category(name)] += prod(shape) * (config.n_layers if name.startswith("blocks.") else 1)
    shared = sizes["embedding"] if config.tied else 0
    eight = {category: sizes.pop(category, 0) for category in CATEGORIES}
    if config.tied:
        eight["unembedding"] = shared
    return ParameterCount(eight, dict(sizes), shared)


def flops_per_token(
    config: ModelConfig, context: int | None = None, backward: bool = True, scored: float = 1.0
) -> int:
    """Floating-point operations to train on one token (or, not `backward`, to read it) in a full context.

    `scored` is the share of the vocabulary that the token after it is scored against.
    """
    parameters = count(config)
    attention = config.n_layers * (context or config.context) * config.n_heads * config.d_head
    return (6 if backward else 2) * (parameters.in_blocks + round(scored * parameters.eight["unembedding"]) + attention)


def kv_cache_bytes(config: ModelConfig, tokens: int = 1, bytes_per_number: int = 2) -> int:
    """Keys and values of `tokens` positions in every layer."""
    return 2 * config.n_layers * config.n_kv_heads * config.d_head * tokens * bytes_per_number


def training_bytes(
    config: ModelConfig, batch: int = 1, context: int | None = None, optimiser: str = "muon", stream: int = BFLOAT16
) -> dict[str, int]:
    """Memory to train on `batch` rows of `context` tokens: weights, gradients, optimiser state, activations.

    Weights, gradients and state are float32. Muon keeps one number for each weight of the blocks' matrices, AdamW two
    for each of the others (`optimiser="adamw"`: two for all). Activations are what the backward pass needs at least:
    nothing recomputed, attention without its s × s table, elementwise steps fused, the stream and what hangs on it of
    `stream` bytes a number, and the logits of the whole batch with their gradient in float32. Compiled training keeps
    1.0 to 1.2 times as much, eager training 1.1 to 1.9 times (measured on four small shapes).
    """
    parameters = count(config)
    held = parameters.held
    state = 2 * held - (parameters.in_blocks if optimiser == "muon" else 0)
    return {
        "weights": FLOAT32 * held,
        "gradients": FLOAT32 * held,
        "optimiser": FLOAT32 * state,
        "activations": batch * (context or config.context) * _activation_bytes(config, stream),
    }


def _activation_bytes(config: ModelConfig, stream: int) -> int:
    """Bytes kept a token: per block the inputs of the norms, of every matrix product and of the nonlinearity."""
    d, q, kv = config.d_model, config.n_heads * config.d_head, config.n_kv_heads * config.d_head
    attention = 2 * d + (q + 2 * kv) + q  # the stream, normed; Q, K, V; what W_O reads
    if config.qk_norm:
        attention += q + kv  # before and after the norm
    wide = {"none": 0, "gelu": 2, "relu2": 2, "swiglu": 3}[config.mlp] * config.d_ff
    mlp = 2 * d + wide if wide else 0
    logits = 2 * FLOAT32 * config.vocab_size
    return stream * (config.n_layers * (attention + mlp) + 2 * d) + logits


def _category(name: str) -> str:
    leaf = name.rsplit(".", 1)[-1]
    if leaf in _OF_LEAF:
        return _OF_LEAF[leaf]
    if "_norm." in name:
        return "query and key norms"
    return "norms" if ".ln" in name or name.startswith("ln") else "biases"

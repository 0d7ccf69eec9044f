"""Which tensor of a file holds which of our parameters: names, fused matrices, transposes, the order of rotary pairs.

A file's tensor is some of our parameters stacked along their first axis, then perhaps turned:

    transposed     GPT-2 in transformers keeps [in, out]
    interleaved    the llama family in GGUF pairs channels (2i, 2i + 1) for the rotation where ours pairs (i, i + e/2)

Names: llama.cpp's tensor names for GGUF, the module paths of transformers for Hugging Face folders. A shape that they
do not know (architecture `twofold`) is stored under the same GGUF names, unfused and not turned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from twofold.model.config import ModelConfig
from twofold.model.shapes import parameter_shapes

__all__ = ["GGUF_NAMES", "HUGGING_FACE_NAMES", "Naming", "Stored", "pack", "stored", "unpack"]

Turn = Literal["as it is", "transposed", "interleaved"]


@dataclass(frozen=True)
class Naming:
    """`whole` and `block` map our names to the file's; `prefix` begins the names of a block."""

    whole: dict[str, str]
    block: dict[str, str]
    prefix: str
    turns: dict[str, Turn]


@dataclass(frozen=True)
class Stored:
    """One tensor of a file: our parameters `parts` and their shapes, stacked; `shape` is what the file must show."""

    name: str
    parts: dict[str, tuple[int, ...]]
    turn: Turn
    d_head: int

    @property
    def shape(self) -> tuple[int, ...]:
        first, *rest = zip(*self.parts.values(), strict=True)
        shape = (sum(first), *(axis[0] for axis in rest))
        return shape[::-1] if self.turn == "transposed" else shape


def stored(config: ModelConfig, naming: Naming) -> Iterator[Stored]:
    """The tensors of a file that holds this shape, in order."""
    groups: dict[str, dict[str, tuple[int, ...]]] = {}
    turns: dict[str, Turn] = {}
    for parameter, shape in parameter_shapes(config).items():
        if parameter.startswith("blocks."):
            _, index, leaf = parameter.split(".", 2)
            name = naming.prefix.format(index) + naming.block[leaf]
        else:
            leaf, name = parameter, naming.whole[parameter]
        groups.setdefault(name, {})[parameter] = shape
        turns[name] = naming.turns.get(leaf, "as it is")
    for name, parts in groups.items():
        yield Stored(name, parts, turns[name], config.d_head)


def pack(tensor: Stored, state: Mapping[str, np.ndarray]) -> np.ndarray:
    """Our parameters → the file's tensor."""
    arrays = [np.asarray(state[name], np.float32) for name in tensor.parts]
    array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
    if tensor.turn == "transposed":
        return array.T
    if tensor.turn == "interleaved":
        return array.reshape(-1, 2, tensor.d_head // 2, array.shape[1]).swapaxes(1, 2).reshape(array.shape)
    return array


def unpack(tensor: Stored, array: np.ndarray) -> dict[str, np.ndarray]:
    """The file's tensor → our parameters. Undoes `pack`."""
    if tensor.turn == "transposed":
        array = np.ascontiguousarray(array.T)
    elif tensor.turn == "interleaved":
        array = array.reshape(-1, tensor.d_head // 2, 2, array.shape[1]).swapaxes(1, 2).reshape(array.shape)
    state, start = {}, 0
    for name, shape in tensor.parts.items():
        state[name] = array[start : start + shape[0]]
        start += shape[0]
    return state


def _pairs(names: Mapping[str, str]) -> dict[str, str]:
    """{"ln1": "attn_norm"} → {"ln1.w": "attn_norm.weight", "ln1.b": "attn_norm.bias"}, {"attn.Q": …} → W_Q and b_Q."""
    table = {}
    for ours, theirs in names.items():
        room, _, leaf = ours.rpartition(".")
        is_norm = leaf.startswith("ln") or leaf.endswith("norm")
        for kind, suffix in (("w", "weight"), ("b", "bias")):
            letter = "W" if kind == "w" else "b"
            table[f"{ours}.{kind}" if is_norm else f"{room}.{letter}_{leaf}"] = f"{theirs}.{suffix}"
    return table


_GGUF_WHOLE = {"W_E": "token_embd.weight", "W_pos": "position_embd.weight", "W_U": "output.weight"}
_GGUF_WHOLE |= _pairs({"ln_final": "output_norm"})
_GGUF_BLOCK = _pairs({
    "ln1": "attn_norm", "attn.Q": "attn_q", "attn.K": "attn_k", "attn.V": "attn_v", "attn.O": "attn_output",
    "attn.q_norm": "attn_q_norm", "attn.k_norm": "attn_k_norm",
    "ln2": "ffn_norm", "mlp.gate": "ffn_gate", "mlp.in": "ffn_up", "mlp.out": "ffn_down",
})
_FUSED = _pairs({"attn.Q": "attn_qkv", "attn.K": "attn_qkv", "attn.V": "attn_qkv"})
_INTERLEAVED: dict[str, Turn] = {"attn.W_Q": "interleaved", "attn.W_K": "interleaved"}

_PLAIN = Naming(_GGUF_WHOLE, _GGUF_BLOCK, "blk.{}.", {})
_LLAMA = Naming(_GGUF_WHOLE, _GGUF_BLOCK, "blk.{}.", _INTERLEAVED)
GGUF_NAMES = {
    "gpt2": Naming(_GGUF_WHOLE, _GGUF_BLOCK | _FUSED, "blk.{}.", {}),
    "llama": _LLAMA,
    "arcee": _LLAMA,
    "qwen3": _PLAIN,
    "twofold": _PLAIN,
}

_HF_WHOLE = {"W_E": "model.embed_tokens.weight", "ln_final.w": "model.norm.weight", "W_U": "lm_head.weight"}
_HF_BLOCK = _pairs({
    "ln1": "input_layernorm", "attn.Q": "self_attn.q_proj", "attn.K": "self_attn.k_proj", "attn.V": "self_attn.v_proj",
    "attn.O": "self_attn.o_proj", "attn.q_norm": "self_attn.q_norm", "attn.k_norm": "self_attn.k_norm",
    "ln2": "post_attention_layernorm",
    "mlp.gate": "mlp.gate_proj", "mlp.in": "mlp.up_proj", "mlp.out": "mlp.down_proj",
})
_HF_LLAMA = Naming(_HF_WHOLE, _HF_BLOCK, "model.layers.{}.", {})
_HF_GPT2_BLOCK = _pairs({
    "ln1": "ln_1", "attn.Q": "attn.c_attn", "attn.K": "attn.c_attn", "attn.V": "attn.c_attn", "attn.O": "attn.c_proj",
    "ln2": "ln_2", "mlp.in": "mlp.c_fc", "mlp.out": "mlp.c_proj",
})
_HF_GPT2_WHOLE = {"W_E": "transformer.wte.weight", "W_pos": "transformer.wpe.weight", "W_U": "lm_head.weight"}
_HF_GPT2_WHOLE |= _pairs({"ln_final": "transformer.ln_f"})
_TRANSPOSED: dict[str, Turn] = {leaf: "transposed" for leaf in _HF_GPT2_BLOCK if ".W_" in leaf}
HUGGING_FACE_NAMES = {
    "gpt2": Naming(_HF_GPT2_WHOLE, _HF_GPT2_BLOCK, "transformer.h.{}.", _TRANSPOSED),
    "llama": _HF_LLAMA,
    "arcee": _HF_LLAMA,
    "qwen3": _HF_LLAMA,
}

"""The parameters of a model with everything that says what it is: in memory, and as one GGUF file.

    save(path, config, state, tokenizer)      load(path) -> Parameters

`state` maps the Decoder's parameter names to float32 arrays. A tied head is the absence of `W_U`. The file is one that
llama.cpp runs when the shape is one it knows; every other shape is stored the same way under the architecture
`twofold`. No torch is needed.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from twofold.errors import ConfigError, FileFormatError
from twofold.model.config import ModelConfig
from twofold.model.shapes import parameter_shapes
from twofold.tokenizer.bpe import BPETokenizer
from twofold.weights import configuration, gguf, vocabulary
from twofold.weights.gguf import TensorInfo
from twofold.weights.layout import GGUF_NAMES, pack, stored, unpack
from twofold.weights.quants import TYPES, WRITABLE
from twofold.weights.strict_json import parse_object

__all__ = ["Parameters", "check_tensors", "load", "lossless_type", "main_type", "save", "storage_type", "tensor_bytes"]

FILE_TYPES = {"F32": 0, "F16": 1, "Q8_0": 7, "BF16": 32}  # general.file_type, as llama.cpp numbers them
QUANTISATION_VERSION = 2


@dataclass(frozen=True)
class Parameters:
    """`dtype` is how most of the file was stored; the arrays are float32 whatever it was."""

    config: ModelConfig
    state: dict[str, np.ndarray]
    tokenizer: BPETokenizer
    chat_template: str | None = None
    lineage: dict[str, Any] = field(default_factory=dict)
    dtype: str = "F32"


def save(
    path: str | os.PathLike[str],
    config: ModelConfig,
    state: Mapping[str, np.ndarray],
    tokenizer: BPETokenizer,
    *,
    dtype: str = "BF16",
    chat_template: str | None = None,
    lineage: Mapping[str, Any] | None = None,
) -> None:
    """Write the file beside and rename it into place.

    Raises ConfigError when the parts do not fit together or a number does not fit `dtype`, DiskFull.
    """
    if dtype not in WRITABLE:
        raise ConfigError(f"parameters cannot be written as {dtype}; choose one of {', '.join(WRITABLE)}")
    _check_state(config, state)
    if tokenizer.vocab_size > config.vocab_size:
        raise ConfigError(f"{tokenizer.vocab_size} tokens do not fit an embedding of {config.vocab_size} rows")
    metadata = configuration.to_metadata(config) | {"general.file_type": FILE_TYPES[dtype]}
    if dtype == "Q8_0":
        metadata["general.quantization_version"] = QUANTISATION_VERSION
    metadata |= vocabulary.to_metadata(tokenizer, config.vocab_size)
    if chat_template is not None:
        metadata["tokenizer.chat_template"] = chat_template
    metadata["twofold.lineage"] = json.dumps(dict(lineage or {}), sort_keys=True, ensure_ascii=False)
    tensors = {one.name: pack(one, state) for one in stored(config, GGUF_NAMES[config.architecture])}
    types = {name: storage_type(name, array.shape, dtype) for name, array in tensors.items()}
    gguf.write(path, metadata, tensors, types)


def load(path: str | os.PathLike[str], *, arrays: bool = True) -> Parameters:
    """Read and check a file, ours or another's. Without `arrays`, `state` stays empty and nothing large is read.

    Raises FileFormatError before anything large is allocated.
    """
    file = gguf.read(path)
    where = str(file.path)
    tied = "output.weight" not in file.tensors or _repeats_embedding(file)
    architecture, config = configuration.from_metadata(file.metadata, tied, where)
    if config.n_layers > len(file.tensors):
        raise FileFormatError(f"{where} claims {config.n_layers} layers and holds {len(file.tensors)} tensors")
    expected = {one.name: one for one in stored(config, GGUF_NAMES[architecture])}
    found = {name: info.shape for name, info in file.tensors.items() if not (tied and name == "output.weight")}
    check_tensors({name: one.shape for name, one in expected.items()}, found, where)
    tokenizer = vocabulary.from_metadata(file.metadata, config.vocab_size, where)
    template = gguf.typed(file.metadata, "tokenizer.chat_template", str, None, where)
    lineage = gguf.typed(file.metadata, "twofold.lineage", str, "{}", where)
    origin = parse_object(lineage, f"{where}: twofold.lineage")
    wanted = expected.values() if arrays else ()
    state = {name: part for one in wanted for name, part in unpack(one, file.array(one.name)).items()}
    return Parameters(config, state, tokenizer, template, origin, main_type(file.tensors.values()))


def storage_type(name: str, shape: tuple[int, ...], dtype: str) -> str:
    """What a tensor is stored as where `dtype` was asked for.

    Vectors and learned positions stay F32, as llama.cpp wants them; rows that Q8_0's blocks do not fill go to BF16.
    """
    if len(shape) == 1 or name in ("position_embd.weight", "transformer.wpe.weight"):
        return "F32"
    return "BF16" if shape[-1] % TYPES[dtype].block else dtype


def tensor_bytes(config: ModelConfig, dtype: str) -> int:
    """Bytes of the tensors in a file of this shape; the tokenizer and the other metadata come on top."""

    def of(n_layers: int) -> int:  # blocks are alike, so that one is enough to know them all
        tensors = stored(replace(config, n_layers=n_layers), GGUF_NAMES[config.architecture])
        return sum(TYPES[storage_type(one.name, one.shape, dtype)].n_bytes(prod(one.shape)) for one in tensors)

    return of(0) + config.n_layers * (of(1) - of(0))


def check_tensors(
    expected: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], where: str
) -> None:
    """Raise FileFormatError unless the file holds exactly the tensors that its config asks for."""
    for name, shape in expected.items():
        if name not in found:
            raise FileFormatError(f"{where} lacks the tensor {name} {list(shape)} that its config asks for")
        if found[name] != shape:
            raise FileFormatError(f"{where}: {name} is {list(found[name])} and the config asks for {list(shape)}")
    strangers = sorted(found.keys() - expected.keys())
    if strangers:
        raise FileFormatError(
            f"{where} holds {len(strangers)} tensors that the config has no place for, such as {strangers[0]!r:.80}; "
            "to leave them out would change what the model computes"
        )


def lossless_type(parameters: Parameters) -> str:
    """The storage that keeps every bit: the one it came in where that can be written, else F32."""
    return parameters.dtype if parameters.dtype in WRITABLE else "F32"


def main_type(infos: Iterable[TensorInfo]) -> str:
    """The storage that takes the most bytes."""
    sizes: Counter[str] = Counter()
    for info in infos:
        sizes[info.type] += info.n_bytes
    return sizes.most_common(1)[0][0]


def _check_state(config: ModelConfig, state: Mapping[str, np.ndarray]) -> None:
    expected = parameter_shapes(config)
    if expected.keys() != state.keys():
        odd = sorted(expected.keys() ^ state.keys())
        raise ConfigError(f"parameters and config do not fit: {len(odd)} names are on one side only, such as {odd[0]}")
    for name, shape in expected.items():
        if state[name].shape != shape:
            raise ConfigError(f"{name} is {list(state[name].shape)} and the config asks for {list(shape)}")


def _repeats_embedding(file: gguf.GGUF) -> bool:
    """Older GPT-2 files hold the tied matrix twice."""
    architecture = gguf.typed(file.metadata, "general.architecture", str, "", str(file.path))
    if architecture != "gpt2" or "token_embd.weight" not in file.tensors:
        return False
    head, embedding = (file.blocks(name) for name in ("output.weight", "token_embd.weight"))
    return head.dtype == embedding.dtype and head.tobytes() == embedding.tobytes()

"""A Hugging Face folder, out and in: config.json, model.safetensors and the tokenizer, as transformers loads them.

Weights come from safetensors only. Pickle (pytorch_model.bin) is never opened: it can run code.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from twofold.atomic import atomic_write
from twofold.errors import ConfigError, FileFormatError
from twofold.tokenizer.bpe import BPETokenizer
from twofold.weights import safetensors
from twofold.weights.hugging_face_config import from_config, to_config
from twofold.weights.layout import HUGGING_FACE_NAMES, pack, stored, unpack
from twofold.weights.parameters import Parameters, check_tensors, main_type, storage_type
from twofold.weights.safetensors import SafeTensors
from twofold.weights.strict_json import read_object

__all__ = ["export_folder", "import_folder"]

LARGEST = 4 << 20  # bytes of a config, a chat template or an index
DTYPES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}
IGNORED = (".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias")  # tables that older folders keep too


def export_folder(parameters: Parameters, folder: str | os.PathLike[str], dtype: str | None = None) -> list[Path]:
    """Write the folder and return its files.

    Without `dtype` the weights keep theirs where safetensors has it, else F32, so that nothing is lost. config.json is
    written last: a folder that was cut short has none. Raises ConfigError when transformers does not know the shape.
    """
    folder, config, tokenizer = Path(folder), parameters.config, parameters.tokenizer
    if dtype is None:
        dtype = parameters.dtype if parameters.dtype in DTYPES else "F32"
    if dtype not in DTYPES:
        raise ConfigError(f"a Hugging Face folder cannot hold {dtype}; choose one of {', '.join(DTYPES)}")
    values = to_config(config)
    if folder.exists() and not (folder.is_dir() and ((folder / "config.json").is_file() or not any(folder.iterdir()))):
        raise ConfigError(f"{folder} exists and is not an exported model; choose another place")
    ends = {"bos_token_id": tokenizer.bos_id, "eos_token_id": tokenizer.eos_id}
    values |= ends | {"dtype": DTYPES[dtype], "torch_dtype": DTYPES[dtype], "twofold": {"lineage": parameters.lineage}}

    (folder / "config.json").unlink(missing_ok=True)
    tensors = {one.name: pack(one, parameters.state) for one in stored(config, HUGGING_FACE_NAMES[config.architecture])}
    types = {name: storage_type(name, array.shape, dtype) for name, array in tensors.items()}
    safetensors.write(folder / "model.safetensors", tensors, types)
    atomic_write(folder / "tokenizer.json", tokenizer.to_json())
    atomic_write(folder / "tokenizer_config.json", _json(_tokenizer_config(parameters)))
    atomic_write(folder / "generation_config.json", _json(ends))
    atomic_write(folder / "config.json", _json(values))
    return sorted(folder.iterdir())


def import_folder(folder: str | os.PathLike[str]) -> Parameters:
    """Read and check a folder. Raises FileFormatError before anything large is allocated."""
    folder = Path(folder)
    values = read_object(folder / "config.json", LARGEST)
    config = from_config(values, str(folder / "config.json"))
    family = values["model_type"]
    found = _tensors(folder, family, config.tied)
    if config.n_layers > len(found):
        raise FileFormatError(f"{folder} claims {config.n_layers} layers and holds {len(found)} tensors")
    expected = {one.name: one for one in stored(config, HUGGING_FACE_NAMES[family])}
    infos = {name: file.tensors[theirs] for name, (file, theirs) in found.items()}
    check_tensors({name: one.shape for name, one in expected.items()},
                  {name: info.shape for name, info in infos.items()}, str(folder))  # fmt: skip
    options = _optional(folder / "tokenizer_config.json")
    tokenizer = _tokenizer(folder, options, values)
    if tokenizer.vocab_size > config.vocab_size:
        raise FileFormatError(f"{folder} has {tokenizer.vocab_size} tokens, its embedding {config.vocab_size} rows")
    template, lineage = _chat_template(folder, options), _lineage(values, folder)
    state: dict[str, np.ndarray] = {}
    for name, one in expected.items():
        file, theirs = found[name]
        state |= unpack(one, file.array(theirs))
    return Parameters(config, state, tokenizer, template, lineage, main_type(infos.values()))


def _tensors(folder: Path, family: str, tied: bool) -> dict[str, tuple[SafeTensors, str]]:
    """Every weight of the folder by its full name: the file that holds it, and its name there."""
    found: dict[str, tuple[SafeTensors, str]] = {}
    for path in _weight_files(folder):
        file = safetensors.read(path)
        for theirs in file.tensors:
            name = theirs
            if family == "gpt2" and not theirs.startswith(("transformer.", "lm_head.")):
                name = f"transformer.{theirs}"  # the first GPT-2 folders leave the prefix out
            if name.endswith(IGNORED) or (tied and name == "lm_head.weight"):
                continue
            if name in found:
                raise FileFormatError(f"{folder} holds {name!r:.80} twice")
            found[name] = file, theirs
    return found


def _weight_files(folder: Path) -> list[Path]:
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        return [whole]
    if index.is_file():
        names = read_object(index, LARGEST).get("weight_map")
        if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
            raise FileFormatError(f"{index} has no weight_map from names to files")
        odd = [name for name in names.values() if Path(name).name != name or not name.endswith(".safetensors")]
        if odd:
            raise FileFormatError(f"{index} points to {odd[0]!r:.80}, which is not a .safetensors file of this folder")
        return [folder / name for name in sorted(set(names.values()))]
    pickles = [path.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for path in sorted(folder.glob(pattern))]
    if pickles:
        raise FileFormatError(
            f"{folder} has its weights in {pickles[0]} only, which is pickle: opening it can run any code, so it is "
            "not opened. Get the model.safetensors, or convert it where you trust it: "
            "AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(OUT)"
        )
    raise FileFormatError(f"{folder} has no model.safetensors")


def _tokenizer(folder: Path, options: Mapping[str, Any], values: Mapping[str, Any]) -> BPETokenizer:
    """tokenizer.json, with the roles that tokenizer_config.json or config.json give to its tokens."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise FileFormatError(
            f"{folder} has no tokenizer.json; make one with transformers: "
            "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)"
        )
    tokenizer = BPETokenizer.from_json(path)
    ids = {token: i for i, token in enumerate(tokenizer.tokens)}
    roles: dict[str, Any] = {}
    for role in ("bos", "eos"):
        token = options.get(f"{role}_token")
        token = token.get("content") if isinstance(token, dict) else token
        i = ids.get(token) if isinstance(token, str) else _first(values.get(f"{role}_token_id"))
        if i is not None and not (type(i) is int and 0 <= i < len(ids)):
            raise FileFormatError(f"{folder}: the {role} token {i!r:.40} is not in the vocabulary of {len(ids)}")
        roles[f"{role}_id"] = i
    add_bos = options.get("add_bos_token", tokenizer.add_bos)
    return BPETokenizer(
        tokenizer.tokens, tokenizer.merges, tokenizer.pre, tokenizer.specials,
        add_bos=add_bos is True and roles["bos_id"] is not None, **roles,
    )  # fmt: skip


def _first(value: Any) -> Any:
    """Some configs list several ids that end a text."""
    return value[0] if isinstance(value, list) and value else value


def _chat_template(folder: Path, options: Mapping[str, Any]) -> str | None:
    path = folder / "chat_template.jinja"
    if path.is_file() and path.stat().st_size <= LARGEST:
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FileFormatError(f"{path} cannot be read as UTF-8 text") from error
    template = options.get("chat_template")
    return template if isinstance(template, str) else None


def _optional(path: Path) -> dict[str, Any]:
    return read_object(path, LARGEST) if path.is_file() else {}


def _lineage(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    own = values.get("twofold", {})
    lineage = own.get("lineage", {}) if isinstance(own, dict) else None
    if not isinstance(lineage, dict):
        raise FileFormatError(f"{folder}/config.json: twofold.lineage is not an object")
    return lineage


def _tokenizer_config(parameters: Parameters) -> dict[str, Any]:
    tokenizer = parameters.tokenizer
    roles = {"bos_token": tokenizer.bos_id, "eos_token": tokenizer.eos_id}
    values: dict[str, Any] = {role: None if i is None else tokenizer.tokens[i] for role, i in roles.items()}
    values |= {"tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": tokenizer.add_bos}
    values |= {"model_max_length": parameters.config.context, "clean_up_tokenization_spaces": False}
    return values if parameters.chat_template is None else values | {"chat_template": parameters.chat_template}


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, sort_keys=True, ensure_ascii=False) + "\n"

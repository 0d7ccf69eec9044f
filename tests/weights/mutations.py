"""Hostile files: sound ones, damaged at random and on purpose, and what may come of opening them.

    Target.attempt(bytes)     opens a damaged file as a user would; True when it was accepted and found usable

A refusal is a UserError, or run.py's Problem. Anything else that is raised, or an accepted model that cannot be used,
is a failure.
Damage is a function of the random generator that is given.
"""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twofold.errors import UserError
from twofold.model.shapes import parameter_shapes
from twofold.run import run
from twofold.weights import gguf
from twofold.weights.hugging_face import export_folder, import_folder
from twofold.weights.parameters import Parameters, load, save

from .models import small_tokenizer, tiny_parameters

__all__ = ["Target", "damaged", "targets"]

WHOLE = (0, 1, 2, 3, 7, 31, 32, 255, 256, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**61, 2**63 - 1, 2**63)
VALUES = (
    None, True, False, 0, 1, -1, 2**31, 10**9, 2**40, 2**64, -(2**63), 10**400, 0.5, -0.0, 1e308, -1e-320,
    "", "x", "\u0000", "a" * 100_000, "../../etc/passwd", "😀", [], {}, [[]], [0] * 10_000, {"": None}, [[[[[[]]]]]],
)  # fmt: skip
TEXTS = ("NaN", "Infinity", "-Infinity", "[" * 200_000, '{"a":' * 100_000, "1" * 10_000, '"\\ud800"', "\xff", "{", "]")
NUMBER_KEYS = ("block_count", "embedding_length", "attention.head_count", "attention.head_count_kv", "context_length",
              "vocab_size", "feed_forward_length", "attention.key_length", "rope.freq_base", "attention.value_length",
              "rope.dimension_count", "rope.scaling.type", "expert_count")  # fmt: skip


@dataclass(frozen=True)
class Target:
    """One kind of file: sound examples of it, and how a user opens one."""

    name: str
    seeds: tuple[bytes, ...]
    place: Path
    use: Callable[[], None]

    def attempt(self, content: bytes) -> bool:
        self.place.write_bytes(content)
        try:
            self.use()
        except (UserError, run.Problem):
            return False
        return True


def use(parameters: Parameters) -> None:
    """What anyone who is given parameters relies on."""
    assert {name: array.shape for name, array in parameters.state.items()} == parameter_shapes(parameters.config)
    assert all(array.dtype == np.float32 for array in parameters.state.values())
    ids = parameters.tokenizer.encode("hello the 1984 é😀\n")
    assert all(0 <= i < parameters.config.vocab_size for i in ids)
    parameters.tokenizer.decode(ids)


@np.errstate(all="ignore")  # damaged numbers overflow
def generate(path: Path) -> None:
    """Three tokens by run.py."""
    file = run.GGUF(str(path))
    tokenizer, model = run.Tokenizer(file), run.Model(file)
    ids = tokenizer.first + tokenizer.encode("hello é")
    tokenizer.decode(list(run.generate(model, ids, 3, tokenizer.last, temperature=0.8, top_k=40, top_p=0.9, min_p=0)))


def targets(folder: Path) -> list[Target]:
    """Write sound files into `folder` and return the kinds of file that are to be damaged."""
    tokenizer = small_tokenizer()
    models = {name: tiny_parameters(name, tokenizer) for name in ("llama", "gpt2", "qwen3-tied", "attention-only")}
    seeds = []
    for (name, one), dtype in zip(models.items(), ("F32", "Q8_0", "BF16", "F16"), strict=True):
        path = folder / f"{name}.gguf"
        save(path, one.config, one.state, tokenizer, dtype=dtype, chat_template="{{ messages }}", lineage={"a": [1]})
        seeds.append(path.read_bytes())
    place = folder / "damaged.gguf"
    found = [Target("gguf", tuple(seeds), place, lambda: use(load(place)))]
    found.append(Target("gguf for run.py", tuple(seeds), place, lambda: generate(place)))
    for name in ("llama", "gpt2"):
        home = folder / name
        export_folder(models[name], home)
        files = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")
        found += [_in_a_folder_of_its_own(home, folder / f"{name}-{file}", file) for file in files]
    return found


def _in_a_folder_of_its_own(home: Path, copy: Path, file: str) -> Target:
    copy.mkdir()
    for path in home.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return Target(copy.name, ((home / file).read_bytes(),), copy / file, lambda: use(import_folder(copy)))


def damaged(target: Target, rng: random.Random) -> Iterator[bytes]:
    """Damaged files without end."""
    structured = hostile_gguf if target.name.startswith("gguf") else hostile_json
    while True:
        seed = rng.choice(target.seeds)
        content = structured(seed, rng) if rng.random() < 0.5 else seed
        if content is seed or rng.random() < 0.2:
            for _ in range(rng.choice((1, 1, 1, 2, 5))):
                content = random_damage(content, rng)
        yield content


def random_damage(content: bytes, rng: random.Random) -> bytes:
    """Bytes lost, flipped, overwritten, repeated or inserted; mostly near the beginning, where the lengths are."""
    raw = bytearray(content or b"\0")
    reach = len(raw) if rng.random() < 0.3 else min(len(raw), rng.choice((64, 512, 4096)))
    at = rng.randrange(reach)
    kind = rng.randrange(6)
    if kind == 0:
        del raw[rng.randrange(len(raw)) :]
    elif kind == 1:
        for _ in range(rng.choice((1, 1, 2, 8, 64))):
            raw[rng.randrange(reach)] ^= 1 << rng.randrange(8)
    elif kind == 2:
        number = struct.pack("<Q", rng.choice(WHOLE))[: rng.choice((1, 2, 4, 8))]
        raw[at : at + len(number)] = number
    elif kind == 3:
        del raw[at : at + rng.choice((1, 4, 8, 100))]
    elif kind == 4:
        raw[at:at] = raw[at : at + rng.choice((1, 8, 64, 1000))]
    else:
        raw[at:at] = rng.randbytes(rng.choice((1, 8, 64)))
    return bytes(raw)


def hostile_gguf(seed: bytes, rng: random.Random) -> bytes:
    """The file taken apart and put together again with one or two entries that lie."""
    keys, tensors, data = take_apart(seed)
    for _ in range(rng.choice((1, 1, 2))):
        kind, i, j = rng.randrange(8), rng.randrange(len(keys)), rng.randrange(len(tensors))
        name, value = keys[i]
        if kind == 0:
            keys[i] = name, _hostile_value(rng)
        elif kind == 1:
            architecture = name.split(".")[0] if name.startswith(("llama", "gpt2", "qwen3", "twofold")) else "llama"
            keys = [(other, kept) for other, kept in keys if not other.startswith("twofold.") or rng.random() < 0.5]
            name = f"{architecture}.{rng.choice(NUMBER_KEYS)}"
            keys = [(other, kept) for other, kept in keys if other != name]
            keys.append((name, rng.choice((_hostile_value(rng), struct.pack("<II", 4, rng.choice(WHOLE[:13]))))))
        elif kind == 2:
            keys.append((rng.choice((name, "general.alignment", "twofold.lineage", "rope")), value))
        elif kind == 3:
            del keys[i]
        elif kind == 4:
            tensors.append(rng.choice(tensors))
        elif kind == 5:
            del tensors[j]
        else:
            tensor, dims, number, offset = tensors[j]
            dims = tuple(rng.choice(WHOLE) if rng.random() < 0.3 else size for size in dims) * rng.choice((1, 1, 1, 3))
            tensors[j] = (tensor, dims, rng.choice((number, 0, 2, 12, 14, 30, 31, 2**32 - 1)),
                          rng.choice((offset, *WHOLE, len(data), offset + 32)))  # fmt: skip
    return put_together(keys, tensors, data)


def _hostile_value(rng: random.Random) -> bytes:
    """A type and a value that may not belong to it."""
    text = json.dumps(rng.choice(VALUES)).encode()
    options = (
        struct.pack("<IQ", 10, rng.choice(WHOLE)),
        struct.pack("<Iq", 11, -rng.randrange(2**63)),
        struct.pack("<If", 6, rng.choice((float("nan"), float("inf"), -1.0, 0.0, 1e30))),
        struct.pack("<Id", 12, rng.choice((float("nan"), float("-inf"), 1e300, 5e-324))),
        struct.pack("<IB", 7, rng.choice((0, 1, 255))),
        struct.pack("<IQ", 8, len(text)) + text,
        struct.pack("<IQ", 8, rng.choice(WHOLE)) + text,
        struct.pack("<IIQ", 9, rng.choice((4, 8, 9, 12, 99)), rng.choice(WHOLE)) + bytes(rng.choice((0, 64, 10_000))),
        struct.pack("<IIQ", 9, 9, 1) * 5_000,
        struct.pack("<IIQ", 9, rng.choice((0, 5, 6, 7, 10)), 2) + bytes(16),
        struct.pack("<IIQ", 9, 8, 3) + b"".join(struct.pack("<Q", len(text)) + text for _ in range(3)),
        struct.pack("<I", rng.choice((13, 255, 2**32 - 1))) + bytes(16),
    )
    return rng.choice(options)


Entry = tuple[str, tuple[int, ...], int, int]


def take_apart(seed: bytes) -> tuple[list[tuple[str, bytes]], list[Entry], bytes]:
    """A sound GGUF file as (key, type and value), (tensor, dims, type, offset) and its data."""
    n_tensors, n_keys = struct.unpack_from("<QQ", seed, 8)
    at = 24

    def string() -> str:
        nonlocal at
        (length,) = struct.unpack_from("<Q", seed, at)
        at += 8 + length
        return seed[at - length : at].decode()

    def skip(kind: int) -> None:
        nonlocal at
        if kind == gguf.STRING:
            string()
        elif kind == gguf.ARRAY:
            inner, count = struct.unpack_from("<IQ", seed, at)
            at += 12
            for _ in range(count):
                skip(inner)
        else:
            at += struct.calcsize(gguf.SCALARS[kind])

    keys, tensors = [], []
    for _ in range(n_keys):
        name, start = string(), at
        at += 4
        skip(struct.unpack_from("<I", seed, start)[0])
        keys.append((name, seed[start:at]))
    for _ in range(n_tensors):
        name = string()
        (n_dims,) = struct.unpack_from("<I", seed, at)
        *dims, kind, offset = struct.unpack_from(f"<{n_dims}QIQ", seed, at + 4)
        at += 4 + 8 * n_dims + 12
        tensors.append((name, tuple(dims), kind, offset))
    return keys, tensors, seed[-(-at // 32) * 32 :]


def put_together(keys: list[tuple[str, bytes]], tensors: list[Entry], data: bytes) -> bytes:
    def string(text: str) -> bytes:
        return struct.pack("<Q", len(text.encode())) + text.encode()

    parts = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(keys))]
    parts += [string(name) + value for name, value in keys]
    parts += [string(name) + struct.pack(f"<I{len(dims)}QIQ", len(dims), *dims, kind, offset)
              for name, dims, kind, offset in tensors]  # fmt: skip
    header = b"".join(parts)
    return header.ljust(-(-len(header) // 32) * 32, b"\0") + data


def hostile_json(seed: bytes, rng: random.Random) -> bytes:
    """A JSON file, or the table of a safetensors file, with a value, a name or a piece of text that lies."""
    table = seed[:1] != b"{"
    length = struct.unpack("<Q", seed[:8])[0] if table else len(seed)
    text, data = (seed[8 : 8 + length], seed[8 + length :]) if table else (seed, b"")
    value = json.loads(text)
    for _ in range(rng.choice((1, 1, 1, 3))):
        _lie(value, rng)
    text = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    if rng.random() < 0.2:
        at = rng.choice([i for i, byte in enumerate(text) if byte in b":,["] or [0])
        text = text[: at + 1] + rng.choice(TEXTS).encode("utf-8", "surrogatepass") + text[at + 1 :]
    if not table:
        return text
    claimed = rng.choice(WHOLE) if rng.random() < 0.05 else len(text)
    return struct.pack("<Q", claimed) + text + data


def _lie(value: object, rng: random.Random) -> None:
    """Change one place of a JSON value, found by a random walk from the root."""
    while True:
        places = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not places:
            return
        place = rng.choice(places)
        inner = value[place]
        if isinstance(inner, dict | list) and inner and rng.random() < 0.8:
            value = inner
            continue
        kind = rng.randrange(4)
        if kind == 0:
            del value[place]
        elif kind == 1 and isinstance(value, dict):
            value[rng.choice(("", "x", "__metadata__", str(place) + "2", *places))] = value.pop(place)
        elif kind == 2 and isinstance(inner, int):
            value[place] = inner + rng.choice((-1, 1, 2, 64, -inner, 2**31, 2**63))
        else:
            value[place] = copy.deepcopy(rng.choice(VALUES))
        return

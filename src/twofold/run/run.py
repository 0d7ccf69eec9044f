"""Run a language model from one file: this script, the Python standard library, and NumPy.

    python run.py parameters.gguf "Once" -n 100 --temperature 0.8 --top-p 0.95 --seed 1     goes on from a text
    python run.py parameters.gguf                                                           talks: a line is a turn

A language model is two files. The parameters file holds what was learned: a vocabulary and some hundred matrices.
This is the other one, to be read from top to bottom, in the order in which a word is made:

    1  the file        names, numbers and packed matrices (GGUF)
    2  the tokenizer   text -> the numbers of its pieces, and back
    3  the model       those numbers -> a score for every piece that may come next
    4  the choice      scores -> one piece, drawn at random; it joins the text, and again from 3
    5  the command     what to run, and how it is shown

It runs the shapes of GPT-2, Llama, Qwen3, Arcee and twofold's own. The same file, text and seed give the same answer.
Axes: s sequence, t positions seen so far, h head, d model width, e head width, f feed-forward width, v vocabulary.
"""

from __future__ import annotations

import argparse
import codecs
import math
import os
import re
import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise, product
from typing import Any

import numpy as np

__all__ = ["GGUF", "Cache", "Model", "Problem", "Tokenizer", "distribution", "generate", "main", "patterns", "turns"]


class Problem(Exception):
    """Something that the person at the keyboard can mend: shown as one line, without a traceback."""


# ── 1  The file ─────────────────────────────────────────────────────────────────────────────────────────────────────
# "GGUF", a version, two counts; named values; each tensor's name, sizes, type and place; then the numbers themselves.
# Nothing in it is believed before it is checked against the length of the file.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9


def _half(block: np.ndarray, at: int) -> np.ndarray:
    return block[:, at : at + 2].copy().view("<f2").astype(np.float32)


def _nibbles(packed: np.ndarray) -> np.ndarray:  # the low halves of the bytes, then the high ones
    return np.concatenate((packed & 15, packed >> 4), 1).astype(np.float32)


TYPES = {  # name, values in a block, bytes in a block, bytes [blocks, bytes] -> float32 [blocks, values]
    0: ("F32", 1, 4, lambda b: b.view("<f4").astype(np.float32)),
    1: ("F16", 1, 2, lambda b: _half(b, 0)),
    30: ("BF16", 1, 2, lambda b: (b.view("<u2").astype(np.uint32) << 16).view(np.float32)),  # a float32's upper half
    8: ("Q8_0", 32, 34, lambda b: _half(b, 0) * b[:, 2:].view(np.int8)),  # small integers, and a scale for each block
    2: ("Q4_0", 32, 18, lambda b: _half(b, 0) * (_nibbles(b[:, 2:]) - 8)),
    3: ("Q4_1", 32, 20, lambda b: _half(b, 0) * _nibbles(b[:, 4:]) + _half(b, 2)),
}


class GGUF:
    """`metadata` is a dictionary; `tensor(name, …)` takes one tensor out. Raises Problem for an unsound file."""

    def __init__(self, path: str) -> None:
        try:
            self.path, self.place, self.data = path, 8, np.asarray(np.memmap(path, np.uint8, "r"))
        except (OSError, ValueError) as error:
            raise Problem(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
        if (begin := self.data[:8].tobytes()) not in (b"GGUF\2\0\0\0", b"GGUF\3\0\0\0"):
            raise Problem(f"{path} is not a GGUF file of version 2 or 3: it begins with {begin!r}")
        n_tensors, n_values = self._unpack("QQ")
        self.metadata = {self._string(): self._value(*self._unpack("I")) for _ in range(n_values)}
        self.tensors = {self._string(): (self._unpack(f"{self._unpack('I')[0]}Q")[::-1], *self._unpack("IQ"))
                        for _ in range(n_tensors)}  # fmt: skip  # name: sizes, type, offset
        self.start = -(-self.place // (align := self.get("general.alignment", int, 32, least=1))) * align

    def _take(self, size: int) -> np.ndarray:
        self.place += size
        if self.place > len(self.data):
            raise Problem(f"{self.path} is truncated or damaged: it has {len(self.data)} bytes and needs {self.place}")
        return self.data[self.place - size : self.place]

    def _unpack(self, form: str) -> tuple:
        return struct.unpack("<" + form, self._take(struct.calcsize("<" + form)).tobytes())

    def _string(self) -> str:
        return self._take(self._unpack("Q")[0]).tobytes().decode("utf-8", "replace")

    def _value(self, kind: int) -> Any:
        if kind in SCALARS:
            return self._unpack(SCALARS[kind])[0]
        if kind == STRING:
            return self._string()
        inner, count = self._unpack("IQ")
        if kind != ARRAY or inner not in (STRING, *SCALARS) or count > len(self.data):
            raise Problem(f"{self.path} is damaged: before byte {self.place} is a value that cannot be")
        return [self._string() for _ in range(count)] if inner == STRING else self._unpack(f"{count}{SCALARS[inner]}")

    def get(self, key: str, kind: Any, default: Any = None, least: float = -1) -> Any:
        """A value of the metadata, of the type that is needed and, if it is a number, from `least` up."""
        value = self.metadata.get(key, default)
        if not isinstance(value, kind) or (kind in (int, float) and not least <= value):
            raise Problem(f"{self.path}: {key} is {str(value)[:60]}, and run.py cannot go on with that")
        return value

    def tensor(self, name: str, *shape: int) -> np.ndarray:
        """float32 [shape]. A bias that the file does not have is zero."""
        if name not in self.tensors and name.endswith(".bias"):
            return np.zeros(shape, np.float32)
        sizes, kind, offset = self.tensors.pop(name, ("missing", 0, 0))
        if sizes != shape or kind not in TYPES or shape[-1] % TYPES[kind][1]:
            raise Problem(f"{self.path}: {name} is {sizes} in {kind}, not {shape} in {[t[0] for t in TYPES.values()]}")
        _, values, size, unpack = TYPES[kind]
        self.place = self.start + offset
        return unpack(self._take(math.prod(shape) // values * size).reshape(-1, size)).reshape(shape)


# ── 2  The tokenizer ────────────────────────────────────────────────────────────────────────────────────────────────
# Byte-level BPE. Text is cut into pieces, and a piece is spelled in bytes; then, of all neighbours that were learned as
# a pair, those of the pair that was learned first are joined, and so on until there is no such pair.
LETTERS = {byte: chr(byte) for byte in (*range(33, 127), *range(161, 173), *range(174, 256))}  # each byte, visibly
LETTERS |= {byte: chr(256 + i) for i, byte in enumerate(b for b in range(256) if b not in LETTERS)}
BYTES = {letter: byte for byte, letter in LETTERS.items()}
START, END = "<|im_start|>", "<|im_end|>"  # of a turn in ChatML

GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?<L>+| ?<N>+| ?<P>+|<S>+(?!<X>)|<S>+"
LATER = "'[sSmMdDtT]|'[rR][eE]|'[vV][eE]|'[lL][lL]|<Q>?<L>+|<N>{1,%d}| ?<P>+[\r\n]*|<S>*[\r\n]+|<S>+(?!<X>)|<S>+"
CUTS = {"gpt-2": [GPT2], "smollm": ["<N>", GPT2], "qwen2": [LATER % 1], "llama-bpe": [LATER % 3]}


def patterns(cuts: Iterable[str]) -> list[re.Pattern]:
    """Python's `re` has no classes for letters and numbers: they are spelled out from what Python knows of Unicode."""
    number = "".join(c for c in map(chr, range(0x20000)) if c.isnumeric() and not c.isalpha())
    space = "\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
    classes = {"L": rf"[^\W_{number}]", "N": f"[{number}]", "S": f"[{space}]", "X": f"[^{space}]"}
    classes |= {"P": rf"(?:[^\w{space}]|_)", "Q": r"(?:[^\w\r\n]|_)"}  # none of L, N, S; none of L, N, \r, \n
    return [re.compile("(" + re.sub("<(.)>", lambda name: classes[name[1]], cut) + ")") for cut in cuts]


class Tokenizer:
    """Text to ids and back. `first` begins a text, where the model wants that; an id in `last` ends it."""

    def __init__(self, gguf: GGUF) -> None:
        model, pre = (gguf.get(f"tokenizer.ggml.{key}", str, "none") for key in ("model", "pre"))
        if model != "gpt2" or pre not in CUTS:
            raise Problem(f"{gguf.path}: its tokenizer is {model}, {pre}; run.py knows gpt2 with {', '.join(CUTS)}")
        self.tokens = gguf.get("tokenizer.ggml.tokens", list)
        kinds = gguf.get("tokenizer.ggml.token_type", tuple, (1,) * len(self.tokens))  # 3: special, 5: unused
        self.ids = {token: i for i, token in enumerate(self.tokens) if kinds[i : i + 1] not in ((3,), (5,))}
        self.rank = {tuple(two.split(" ")): i for i, two in enumerate(gguf.get("tokenizer.ggml.merges", list, []))}
        self.cuts, self.whole = patterns(CUTS[pre]), pre == "llama-bpe"  # there, a piece that is a token stays whole
        bos, *self.last = (gguf.get(f"tokenizer.ggml.{key}_token_id", int, -1) for key in ("bos", "eos", "eot"))
        self.start, self.end = (self.tokens.index(one) if one in self.tokens else -1 for one in (START, END))
        self.first = [bos] if gguf.get("tokenizer.ggml.add_bos_token", bool, False) and 0 <= bos < len(kinds) else []

    def encode(self, text: str) -> list[int]:
        """Ids. The name of a special token is text like any other here."""
        pieces = [text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")]
        for cut in self.cuts:
            pieces = [shorter for piece in pieces for shorter in cut.split(piece) if shorter]
        return [i for piece in pieces for i in self._join("".join(LETTERS[byte] for byte in piece.encode()))]

    def _join(self, piece: str) -> list[int]:
        parts = [piece] if self.whole and piece in self.ids else list(piece)
        while pairs := self.rank.keys() & pairwise(parts):
            pair, joined, i = min(pairs, key=self.rank.__getitem__), [], 0
            while i < len(parts):
                two = parts[i] == pair[0] and parts[i + 1 : i + 2] == [pair[1]]
                joined.append(pair[0] + pair[1] if two else parts[i])
                i += 1 + two
            parts = joined
        return [self.ids[part] for part in parts if part in self.ids]

    def decode(self, ids: Iterable[int]) -> bytes:
        """The bytes that ids stand for; special tokens stand for none."""
        letters = "".join(self.tokens[i] for i in ids if self.tokens[i] in self.ids)
        return b"".join(bytes([BYTES[letter]]) if letter in BYTES else letter.encode() for letter in letters)


# ── 3  The model ────────────────────────────────────────────────────────────────────────────────────────────────────
# A stream x holds one vector of width d for each position. Each block adds to it twice: attention brings in what
# earlier positions know, the MLP works on each position alone. At the end, a token's score is its match with x.
LLAMA = ("rotary", "rms", "swiglu")  # positions, norm, MLP
FAMILIES = {"gpt2": ("learned", "layer", "gelu"), "llama": LLAMA, "qwen3": LLAMA, "arcee": ("rotary", "rms", "relu2")}
SHAPES = {*product(("learned", "rotary", "none"), ("layer", "rms"), ("gelu", "swiglu", "relu2", "none"))}


class Cache:
    """Keys and values of the `length` positions seen so far: `kv` [layer, key or value, head, room, e]."""

    def __init__(self, model: Model) -> None:
        self.length, self.kv = 0, np.zeros((len(model.blocks), 2, model.kv_heads, 0, model.d_head), np.float32)


class Model:
    """`forward(ids, cache)` reads tokens behind those in the cache and scores what may come next."""

    def __init__(self, gguf: GGUF) -> None:
        kind = gguf.get("general.architecture", str, "none")
        shape = FAMILIES.get(kind) or tuple(gguf.get(f"{kind}.{key}", str, "?") for key in ("positions", "norm", "mlp"))
        if shape not in SHAPES:
            raise Problem(f"{gguf.path}: run.py cannot run a {kind} model; it knows {', '.join(FAMILIES)} and twofold")
        self.positions, self.norm, self.mlp = shape
        self.side_by_side = kind in ("llama", "arcee")  # how llama.cpp lays the pairs that a rotary position turns

        def size(key: str, default: int | None = None, least: int = 1) -> int:
            return gguf.get(f"{kind}.{key}", int, default, least)

        layers, d, h = size("block_count", None, 0), size("embedding_length"), size("attention.head_count")
        n, e = size("attention.head_count_kv", h), size("attention.key_length", d // h)
        v, f = len(gguf.get("tokenizer.ggml.tokens", list)), size("feed_forward_length", 0, 0)
        self.heads, self.kv_heads, self.d_head, self.context = h, n, e, size("context_length")
        self.eps = gguf.get(f"{kind}.attention.layer_norm{'_rms' * (self.norm == 'rms')}_epsilon", float, None, 0)
        scaling = gguf.get(f"{kind}.rope.scaling.type", str, "none")
        odd = self.positions == "rotary" and (e % 2 or size("rope.dimension_count", e) != e or scaling != "none")
        if h % n or e > 2**16 or odd:
            raise Problem(f"{gguf.path}: run.py cannot run {h} heads over {n} of width {e} with rope scaling {scaling}")
        self.frequency = gguf.get(f"{kind}.rope.freq_base", float, 10000.0, 1) ** (-np.arange(0, e, 2) / e)
        if "rope_freqs.weight" in gguf.tensors:
            self.frequency /= gguf.tensor("rope_freqs.weight", len(self.frequency))

        def load(at: str, *width: int, **rows: int) -> Callable[[np.ndarray], np.ndarray]:
            """A norm, or the product with a matrix [sum of rows, *width]: all that read the same vector, stacked."""
            w = np.concatenate([gguf.tensor(f"{at}{name}.weight", height, *width) for name, height in rows.items()])
            b = np.concatenate([gguf.tensor(f"{at}{name}.bias", height) for name, height in rows.items()])
            return (lambda x: x @ w.T + b) if width else (lambda x: self._normalise(x) * w + b)

        self.W_E = gguf.tensor("token_embd.weight", v, d)
        self.W_U = gguf.tensor("output.weight", v, d) if "output.weight" in gguf.tensors else self.W_E
        self.W_pos = gguf.tensor("position_embd.weight", self.context, d) if self.positions == "learned" else None
        self.ln_final, self.blocks = load("", output_norm=d), []
        for at in (f"blk.{i}." for i in range(layers)):
            qkv = {"attn_q": h * e, "attn_k": n * e, "attn_v": n * e}
            qkv = {"attn_qkv": sum(qkv.values())} if f"{at}attn_qkv.weight" in gguf.tensors else qkv
            block = {"ln1": load(at, attn_norm=d), "QKV": load(at, d, **qkv), "O": load(at, h * e, attn_output=d)}
            if f"{at}attn_q_norm.weight" in gguf.tensors:
                block |= {"q_norm": load(at, attn_q_norm=e), "k_norm": load(at, attn_k_norm=e)}
            if self.mlp != "none":
                block |= {"ln2": load(at, ffn_norm=d), "out": load(at, f, ffn_down=d)}
                block["in"] = load(at, d, ffn_gate=f, ffn_up=f) if self.mlp == "swiglu" else load(at, d, ffn_up=f)
            self.blocks.append(block)
        if gguf.tensors:
            raise Problem(f"{gguf.path}: run.py has no place for {next(iter(gguf.tensors))}; it would run wrong")

    def forward(self, ids: Sequence[int], cache: Cache, every: bool = False) -> np.ndarray:
        """Scores [v] for what follows the last id; with `every`, [s, v] for what follows each."""
        if not 0 < (total := cache.length + len(ids)) <= self.context:
            raise Problem(f"the model reads 1 to {self.context} tokens, its context; this is {total}: shorten the text")
        streams = [self._stream(np.array(ids[i : i + 256]), cache) for i in range(0, len(ids), 256)]
        x = np.concatenate(streams) if every else streams[-1][-1]
        return self.ln_final(x) @ self.W_U.T

    def _stream(self, ids: np.ndarray, cache: Cache) -> np.ndarray:
        position = np.arange(cache.length, cache.length + len(ids))
        if position[-1] >= (room := cache.kv.shape[3]):  # full: make room for as much again
            cache.kv = np.pad(cache.kv, (*((0, 0),) * 3, (0, max(256, len(ids), room)), (0, 0)))
        x = self.W_E[ids] if self.W_pos is None else self.W_E[ids] + self.W_pos[position]
        turn = [wave(position[:, None] * self.frequency).astype(np.float32) for wave in (np.cos, np.sin)]
        for block, kv in zip(self.blocks, cache.kv, strict=True):
            x = x + self._attention(block, block["ln1"](x), kv, position, turn)
            if self.mlp != "none":
                x = x + self._mlp(block, block["ln2"](x))
        cache.length += len(ids)
        return x

    def _normalise(self, x: np.ndarray) -> np.ndarray:
        x = x - x.mean(-1, keepdims=True) if self.norm == "layer" else x
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps)

    def _attention(self, block: dict, x: np.ndarray, kv: np.ndarray, position: np.ndarray, turn: list) -> np.ndarray:
        """Each position mixes the values v of those up to itself, by how well its query q meets their keys k."""
        h, n, e, s, t = self.heads, self.kv_heads, self.d_head, len(x), position[-1] + 1
        q, k, v = np.split(block["QKV"](x).reshape(s, -1, e).swapaxes(0, 1), (h, h + n))  # [h or n, s, e]
        if "q_norm" in block:
            q, k = block["q_norm"](q), block["k_norm"](k)
        if self.positions == "rotary":
            x, (cos, sin) = np.concatenate((q, k)), turn
            a, b = (x[..., ::2], x[..., 1::2]) if self.side_by_side else np.split(x, 2, -1)
            q, k = np.split(np.concatenate((a * cos - b * sin, a * sin + b * cos), -1), (h,))
        kv[0, :, position[0] : t], kv[1, :, position[0] : t] = k, v
        score = q.reshape(n, -1, e) @ kv[0, :, :t].swapaxes(1, 2) / math.sqrt(e)  # each key serves h / n queries
        score = np.where(np.arange(t) > position[:, None], -np.inf, score.reshape(h, s, t))
        score = np.exp(score - score.max(-1, keepdims=True))
        z = (score / score.sum(-1, keepdims=True)).reshape(n, -1, t) @ kv[1, :, :t]
        return block["O"](z.reshape(h, s, e).swapaxes(0, 1).reshape(s, -1))

    def _mlp(self, block: dict, x: np.ndarray) -> np.ndarray:
        y = block["in"](x)
        if self.mlp == "swiglu":
            gate, up = np.split(y, 2, -1)
            y = gate * (0.5 + 0.5 * np.tanh(0.5 * gate)) * up  # gate · sigmoid(gate) · up, without overflow
        elif self.mlp == "gelu":
            y = 0.5 * y * (1 + np.tanh(math.sqrt(2 / math.pi) * (y + 0.044715 * y * y * y)))
        else:
            y = np.square(np.maximum(y, 0))
        return block["out"](y)


# ── 4  The choice ───────────────────────────────────────────────────────────────────────────────────────────────────
def distribution(
    logits: np.ndarray, temperature: float = 0.8, top_k: int = 40, top_p: float = 0.95, min_p: float = 0.05
) -> tuple[np.ndarray, np.ndarray]:
    """The ids that may come next, likeliest first, and their chances.

    Kept are the `top_k` likeliest (0: all); of these the fewest that hold `top_p` of the chance; of these the ones at
    least `min_p` times as likely as the first. Then the chances are sharpened by `temperature`; 0 takes the first.
    """
    z = logits.astype(np.float64)
    k = min(top_k or len(z), len(z)) if temperature else 1
    ids = np.argpartition(-z, k - 1)[:k] if k > 1 else np.array([z.argmax()])
    ids = ids[np.lexsort((ids, -z[ids]))]
    if not np.isfinite(z.max()):
        raise Problem("the model's scores are not finite numbers: its parameters are damaged")
    p = np.exp(z[ids] - z[ids[0]])
    keep = (np.cumsum(p) - p < top_p * p.sum()) & (p >= min_p)
    keep[0] = True
    p = np.exp((z[ids[keep]] - z[ids[0]]) / (temperature or 1))
    return ids[keep], p / p.sum()


def generate(model: Model, ids: Sequence[int], n: int, last: list[int], seed: int = 0, **choice: Any) -> Iterator[int]:
    """At most n ids that go on from `ids`. When the context is full, its later half is read anew, to go on from."""
    random, cache, read = np.random.default_rng(seed), Cache(model), (ids := list(ids))
    while n > 0:
        if cache.length == model.context:
            cache, read = Cache(model), ids[-(model.context // 2 or 1) :]
        candidates, chances = distribution(model.forward(read, cache), **choice)
        ids.append(int(random.choice(candidates, p=chances)))
        yield ids[-1]
        read, n = ids[-1:], 0 if ids[-1] in last else n - 1


# ── 5  The command ──────────────────────────────────────────────────────────────────────────────────────────────────
OPTIONS = (  # name, type, least, most, default, what it does
    ("-n", int, 0, 2**31, 100, "how many tokens to write"),
    ("--temperature", float, 0, 100, 0.8, "0 takes the likeliest, 1 draws as the model believes, above is bolder"),
    ("--top-k", int, 0, 2**31, 40, "keep this many of the likeliest tokens; 0 keeps all"),
    ("--top-p", float, 0, 1, 0.95, "keep the fewest tokens that hold this much of the chance"),
    ("--min-p", float, 0, 1, 0.05, "keep tokens at least this many times as likely as the likeliest"),
    ("--seed", int, 0, 2**63, 0, "which of the possible texts"),
)


def turns(tokenizer: Tokenizer, jinja: str) -> Iterator[list[int]]:
    """What a model reads before it answers each line of standard input. A call of a tool is text: nothing runs it."""
    if START not in jinja or min(start := tokenizer.start, end := tokenizer.end) < 0:
        raise Problem("the model's file has no chat template in ChatML; give it a text to go on from")
    own, newline = re.search(r"<\|im_start\|>(system(?:\\n|\n)[^'\"{<]+)<\|im_end\|>", jinja), tokenizer.encode("\n")
    ids = tokenizer.first + ([start, *tokenizer.encode(own[1].replace("\\n", "\n")), end, *newline] if own else [])
    for line in iter(lambda: print("> ", end="", flush=True) or sys.stdin.readline(), ""):
        ids += [start, *tokenizer.encode("user\n" + line.removesuffix("\n")), end, *newline]
        yield [*ids, start, *tokenizer.encode("assistant\n")]
        ids = [end, *newline]
    print()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parameters", help="the model, a GGUF file")
    parser.add_argument("text", nargs="?", help="where to begin; - reads it from standard input; without it, a talk")
    for name, kind, _, _, default, told in OPTIONS:
        parser.add_argument(name, type=kind, default=default, help=f"{told} ({default})")
    given = vars(parser.parse_args(arguments))
    for name, _, low, high, _, _ in OPTIONS:
        if not low <= (value := given[name.strip("-").replace("-", "_")]) <= high:
            parser.error(f"{name} {value} is not between {low} and {high}")
    path, text = given.pop("parameters"), given.pop("text")
    np.seterr(all="ignore")  # numbers out of bounds are told of once, by `distribution`
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    utf8, written, begun = codecs.getincrementaldecoder("utf-8")("replace"), 0, time.perf_counter()
    try:
        tokenizer, model, ids = Tokenizer(gguf := GGUF(path)), Model(gguf), list[int]()
        text, last = sys.stdin.read() if text == "-" else text, tokenizer.last + [tokenizer.end] * (text is None)
        talk = turns(tokenizer, gguf.get("tokenizer.chat_template", str, ""))
        print(text or "", end="", flush=True)
        for more in talk if text is None else [tokenizer.first + tokenizer.encode(text)]:
            ids = (ids + more)[-model.context :] if text is None else more
            for i in generate(model, ids, last=last, **given):
                ids, written = [*ids, *[i] * (i not in last)], written + 1
                print(utf8.decode(tokenizer.decode([i])), end="", flush=True)
            print(utf8.decode(b"", True))
        full = f"; past its context, {model.context}, it saw the latest only" * (len(ids) > model.context)
        print(f"{written} tokens in {time.perf_counter() - begun:.1f} s{full}", file=sys.stderr)
    except Problem as problem:
        print(f"run.py: {problem}", file=sys.stderr)
        return 2
    except (KeyboardInterrupt, BrokenPipeError):  # someone has seen enough
        print(file=sys.stderr, flush=True)
        os._exit(130)
    return 0


if __name__ == "__main__":
    sys.exit(main())

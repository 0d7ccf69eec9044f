"""run.c as a backend: the same file that a user carries away, called through ctypes.

    NativeModel(path or bytes)    one open model: batches of texts forward, the token loop, text to ids
    NativeCache                   one text's keys and values in it
    NativeBackend(model)          the two as the engine asks for them (backend.py)

`load_backend(path)` is None where there is no compiled run.c and no compiler; native_build.missing() says so in a line.
What run.c refuses is raised with its own words. A model is used by one thread at a time; others wait.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence
from ctypes import POINTER, c_char_p, c_double, c_float, c_int, c_size_t, c_uint64, c_void_p
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from twofold.contracts import Sampling, Token
from twofold.engine import native_build
from twofold.engine.backend import CacheKind, Reads
from twofold.engine.sampling import RECENT
from twofold.errors import ConfigError, FileFormatError, TwofoldError

__all__ = ["NativeBackend", "NativeCache", "NativeModel", "load_backend"]

KINDS: dict[CacheKind, int] = {"float16": 0, "int8": 1, "float32": 2}
AS_WEIGHTS = -1
SCORES = 1 << 22  # logits that exist at a time when rows are scored: 16 MiB
LAST, EACH, STREAM = range(3)  # what tf_forward is asked for


class _Sampling(ctypes.Structure):
    _fields_ = (("temperature", c_float), ("top_k", c_int), ("top_p", c_float), ("min_p", c_float),
                ("repeat", c_float), ("seed", c_uint64))  # fmt: skip


_Each = ctypes.CFUNCTYPE(c_int, c_int, c_double, c_void_p)
_Ints, _Floats = POINTER(c_int), POINTER(c_float)
_SIGNATURES: dict[str, tuple[Any, ...]] = {  # what it gives, then what it takes
    "tf_error": (c_char_p,),
    "tf_kernel": (c_char_p,),
    "tf_open": (c_void_p, c_char_p, c_void_p, c_size_t, c_int),
    "tf_refresh": (c_int, c_void_p, c_void_p, c_size_t),
    "tf_close": (None, c_void_p),
    "tf_size": (c_int, c_void_p, c_int),
    "tf_cache_new": (c_void_p, c_void_p, c_int, c_int),
    "tf_cache_free": (None, c_void_p),
    "tf_cache_length": (c_int, c_void_p),
    "tf_cache_keep": (c_int, c_void_p, c_int),
    "tf_cache_copy": (c_int, c_void_p, c_void_p, c_int),
    "tf_forward": (c_int, c_void_p, c_int, POINTER(c_void_p), _Ints, _Ints, _Floats, c_int),
    "tf_draw": (c_int, _Floats, c_int, POINTER(_Sampling), c_double, _Ints, c_int, POINTER(c_double)),
    "tf_generate": (c_int, c_void_p, c_void_p, _Ints, c_int, c_int, POINTER(_Sampling), _Each, c_void_p),
    "tf_tokenize": (c_int, c_void_p, c_char_p, c_size_t, c_int, _Ints, c_int),
    "tf_token": (c_void_p, c_void_p, c_int, _Ints, _Ints),
}


@cache
def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    for name, (result, *arguments) in _SIGNATURES.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _ints(ids: Sequence[int] | np.ndarray) -> Any:
    """A C array of ids; it must be kept while C reads it."""
    return np.ascontiguousarray(ids, np.int32).ctypes.data_as(_Ints)


def _settings(sampling: Sampling) -> _Sampling:
    return _Sampling(sampling.temperature, min(sampling.top_k, 2**31 - 1), sampling.top_p, sampling.min_p,
                     sampling.repeat, sampling.seed)  # fmt: skip


class NativeModel:
    """An open model. `threads` 0 takes as many as there are cores for this process.

    Raises FileFormatError for a file that run.c cannot run, ConfigError where there is no compiled run.c.
    """

    def __init__(self, source: str | Path | bytes | memoryview | np.ndarray, threads: int = 0) -> None:
        path = native_build.library()
        if path is None:
            raise ConfigError(f"the native engine is not there: {native_build.missing()}")
        self._c = _load(path)
        self._lock = threading.RLock()
        if isinstance(source, str | Path):
            self._handle = self._c.tf_open(str(source).encode("utf-8", "surrogateescape"), None, 0, threads)
        else:
            whole = np.frombuffer(source, np.uint8)
            self._handle = self._c.tf_open(None, whole.ctypes.data, whole.size, threads)
        if not self._handle:
            raise FileFormatError(self._problem())
        sizes = [self._c.tf_size(self._handle, what) for what in range(5)]
        self.vocab_size, self.context, self.n_layers, self.d_model, self.threads = sizes
        self.kernel: str = self._c.tf_kernel().decode()

    def _problem(self) -> str:
        return self._c.tf_error().decode("utf-8", "replace")

    def close(self) -> None:
        """Free it. Its caches must not be used after."""
        handle, self._handle = getattr(self, "_handle", None), None
        if handle:
            self._c.tf_close(handle)

    def __del__(self) -> None:
        self.close()

    def refresh(self, gguf: bytes | memoryview | np.ndarray) -> None:
        """Take new weights of the same shapes from a GGUF in memory. What caches hold is of the old ones."""
        whole = np.frombuffer(gguf, np.uint8)
        with self._lock:
            if self._c.tf_refresh(self._handle, whole.ctypes.data, whole.size):
                raise FileFormatError(self._problem())

    def forward(self, reads: Reads, every: bool = False) -> np.ndarray:
        """One step of a batch: scores float32 [texts, v] after each text's last id; with `every` [ids, v]."""
        return self._forward(reads, EACH if every else LAST)

    def states(self, ids: Sequence[int]) -> np.ndarray:
        """The stream after the last norm, float32 [s, d], of a text by itself."""
        return self._forward([(NativeCache(self, len(ids), "float32"), ids)], STREAM)

    def _forward(self, reads: Reads, wanted: int) -> np.ndarray:
        caches = (c_void_p * len(reads))(*(cache.handle for cache, _ in reads))
        counts = [len(ids) for _, ids in reads]
        ids = np.concatenate([np.asarray(ids, np.int32) for _, ids in reads])
        rows, width = len(reads) if wanted == LAST else len(ids), self.d_model if wanted == STREAM else self.vocab_size
        out = np.empty((rows, width), np.float32)
        with self._lock:
            if self._c.tf_forward(self._handle, len(reads), caches, _ints(counts), _ints(ids),
                                  out.ctypes.data_as(_Floats), wanted):  # fmt: skip
                raise TwofoldError(self._problem())
        return out

    def draw(self, logits: np.ndarray, sampling: Sampling, u: float, recent: Sequence[int] = ()) -> tuple[int, float]:
        """The id that u from [0, 1) picks from scores [v], and the probability that the model itself gives it."""
        scores, probability = np.ascontiguousarray(logits, np.float32), c_double()
        latest = recent[-RECENT:] if sampling.repeat != 1 else ()
        chosen = self._c.tf_draw(scores.ctypes.data_as(_Floats), len(scores), _settings(sampling), u, _ints(latest),
                                 len(latest), probability)  # fmt: skip
        if chosen < 0:
            raise TwofoldError(self._problem())
        return chosen, probability.value

    def generate(
        self, prompt: Sequence[int], n: int, sampling: Sampling | None = None, *,
        cache: NativeCache | None = None, each: Callable[[Token], object] | None = None,
    ) -> list[Token]:  # fmt: skip
        """The token loop in C: at most `n` tokens that go on from the ids of `prompt`, the last one eos.

        `each` is called with every token and ends the loop by giving True. A `cache` that holds a beginning of the
        prompt saves reading it. When the context is full, its later half is read anew.
        """
        tokens: list[Token] = []
        failures: list[BaseException] = []

        def listen(i: int, probability: float, _: object) -> int:
            try:
                tokens.append(Token(i, probability))
                return bool(each and each(tokens[-1]) is True)
            except BaseException as error:  # an exception cannot cross C
                failures.append(error)
                return 1

        cache = cache or NativeCache(self, self.context)
        with self._lock:
            made = self._c.tf_generate(self._handle, cache.handle, _ints(prompt), len(prompt), n,
                                       _settings(sampling or Sampling()), _Each(listen), None)  # fmt: skip
        if failures:
            raise failures[0]
        if made < 0:
            raise ConfigError(self._problem())
        return tokens

    def tokenize(self, text: str, *, parse_special: bool = False) -> list[int]:
        """The ids of a text, without bos, by the tokenizer in the file. Raises FileFormatError if it cannot be used."""
        raw = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
        room = np.empty(len(raw) * 4 + 8, np.int32)
        n = self._c.tf_tokenize(self._handle, raw, len(raw), parse_special, room.ctypes.data_as(_Ints), len(room))
        if n < 0:
            raise FileFormatError(self._problem())
        return room[:n].tolist()

    def token_bytes(self, i: int) -> bytes:
        """The bytes that a token stands for. Raises ConfigError for an id outside the vocabulary."""
        n, kind = c_int(), c_int()
        at = self._c.tf_token(self._handle, i, n, kind)
        if not at:
            raise ConfigError(self._problem())
        return ctypes.string_at(at, n.value)


class NativeCache:
    """Room for one text. Without a `kind` it is float32 where the weights are floats, else float16.

    Raises TwofoldError when there is not the memory.
    """

    def __init__(self, model: NativeModel, room: int, kind: CacheKind | None = None) -> None:
        self._model, self.room = model, room
        self.handle = model._c.tf_cache_new(model._handle, room, KINDS[kind] if kind else AS_WEIGHTS)
        if not self.handle:
            raise TwofoldError(model._problem())

    @property
    def length(self) -> int:
        return self._model._c.tf_cache_length(self.handle)

    def keep(self, n: int) -> None:
        """Forget all but the first n positions."""
        if n < self.length and self._model._c.tf_cache_keep(self.handle, n):
            raise TwofoldError(self._model._problem())

    def copy_from(self, other: NativeCache, n: int) -> None:
        """Hold the first n positions of another cache of the same model, and nothing else."""
        if self._model._c.tf_cache_copy(self.handle, other.handle, n):
            raise TwofoldError(self._model._problem())

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self._model._c.tf_cache_free(self.handle)


class NativeBackend:
    """A NativeModel as the engine asks for it."""

    name = "native"

    def __init__(self, model: NativeModel) -> None:
        self.model = model

    def new_cache(self, room: int, kind: CacheKind | None = None) -> NativeCache:
        return NativeCache(self.model, room, kind)

    def step(self, reads: Reads, every: bool = False) -> np.ndarray:
        return self.model.forward(reads, every)

    def draw(self, logits: np.ndarray, sampling: Sampling, u: float, recent: Sequence[int]) -> tuple[int, float]:
        return self.model.draw(logits, sampling, u, recent)

    def states(self, ids: Sequence[int]) -> np.ndarray:
        return self.model.states(ids)

    def score_rows(self, rows: np.ndarray) -> np.ndarray:
        return np.stack([self._score(row) for row in rows])

    def _score(self, row: np.ndarray) -> np.ndarray:
        cache, nats = NativeCache(self.model, len(row) - 1, "float32"), []
        width = max(1, SCORES // self.model.vocab_size)
        for at in range(0, len(row) - 1, width):
            target = row[at + 1 : at + 1 + width]
            logits = self.model.forward([(cache, row[at : at + len(target)].tolist())], every=True)
            top = logits.max(-1)
            logits -= top[:, None]
            wanted = logits[np.arange(len(target)), target]
            nats.append(np.log(np.exp(logits, out=logits).sum(-1)) - wanted)
        return np.concatenate(nats)


def load_backend(path: Path, threads: int = 0, tell: Callable[[str], object] | None = None) -> NativeBackend | None:
    """A parameters file on run.c; None where run.c can be neither found compiled nor compiled.

    `tell` is given a line before run.c is compiled, which takes some seconds, once. Raises FileFormatError for a file
    that run.c cannot run.
    """
    return None if native_build.library(tell) is None else NativeBackend(NativeModel(path, threads))

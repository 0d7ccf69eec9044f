"""The engine: a model that is open, and goes on from a prompt or says what a text costs it.

When the context is full, its later half is read anew and generation goes on from there; a prompt longer than the
context is an error. The same rule holds in run.py.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from twofold.contracts import Sampling, Token, Tokenizer
from twofold.engine.backend import Backend
from twofold.engine.numpy_backend import NumpyBackend
from twofold.engine.sampling import check, choose
from twofold.engine.scoring import score_documents
from twofold.errors import ConfigError, FileFormatError, require
from twofold.model.config import ModelConfig
from twofold.weights.locate import locate
from twofold.weights.parameters import load

if TYPE_CHECKING:
    import torch

    from twofold.model.decoder import Decoder
    from twofold.tokenizer.bpe import BPETokenizer

__all__ = ["Engine", "from_decoder", "open_model", "taught_tools"]

BackendName = Literal["auto", "native", "numpy", "torch"]
LONG = 2048  # tokens past which scoring is worth torch's start-up


@dataclass
class Engine:
    """An open model. Any number of texts may be generated at the same time: each has its own cache.

    `tools` are the names of those that it was taught to call; None where its file does not say.
    """

    config: ModelConfig
    tokenizer: Tokenizer
    backend: Backend
    add_bos: bool = True
    chat_template: str | None = None
    path: Path | None = None
    asked: BackendName = "numpy"
    tools: tuple[str, ...] | None = None
    _scorer: Backend | None = field(default=None, repr=False)
    _refresh: Callable[[], None] | None = field(default=None, repr=False)

    @property
    def context(self) -> int:
        return self.config.context

    @property
    def usual(self) -> Sampling:
        """How tokens are drawn unless told otherwise.

        An assistant that was made here, whose file says which tools it knows, is small: it is right more often when it
        does not guess.
        """
        return Sampling() if self.tools is None else Sampling(temperature=0.0)

    @cached_property
    def special_ids(self) -> frozenset[int]:
        return frozenset(self.tokenizer.specials.values())

    @cached_property
    def grammar_tokenizer(self) -> Any:
        """The vocabulary as constrained output needs it."""
        from twofold.engine.constrained import grammar_tokenizer

        return grammar_tokenizer(self)

    def prompt(self, text: str, *, parse_special: bool = False) -> list[int]:
        """The ids to generate from: bos where the model wants one (or where there would be nothing else), then text."""
        ids = self.tokenizer.encode(text, parse_special=parse_special)
        first = self.tokenizer.bos_id
        return [first, *ids] if first is not None and (self.add_bos or not ids) else ids

    def generate(
        self, prompt: Sequence[int], n: int, sampling: Sampling | None = None, *, candidates: int = 10
    ) -> Iterator[Token]:
        """At most `n` tokens that go on from the ids of `prompt`; the last one is eos where the model ends the text.

        Each comes with its `candidates` likeliest alternatives. The iterator may be closed at any time. Raises
        ConfigError, before anything is read, for a prompt that is empty, too long or not of this vocabulary.
        """
        sampling = sampling or Sampling()
        check(sampling)
        self.check_prompt(prompt)
        return self._generate(list(prompt), n, sampling, candidates)

    def _generate(self, ids: list[int], n: int, sampling: Sampling, candidates: int) -> Iterator[Token]:
        random, read = np.random.default_rng(sampling.seed), ids
        cache = self.backend.new_cache(min(self.context, len(ids) + n))
        for _ in range(n):
            if cache.length == self.context:
                cache.keep(0)
                read = ids[-max(1, self.context // 2) :]
            logits = self.backend.step([(cache, read)])[0, : self.tokenizer.vocab_size]  # padding rows are no tokens
            token = choose(logits, sampling, random, candidates, ids)
            ids.append(token.id)
            read = [token.id]
            yield token
            if token.id == self.tokenizer.eos_id:
                return

    __call__ = generate

    def refresh(self) -> None:
        """Take the parameters of the Decoder that this engine is around as they are now; caches are of the old ones."""
        if self._refresh is not None:
            self._refresh()

    def score(self, ids: Sequence[int], *, context: int | None = None, stride: int | None = None) -> np.ndarray:
        """Nats of each token but the first, float64 [len(ids) - 1]; see scoring.py for windows of a long text."""
        return self.score_documents([np.asarray(ids)], context=context, stride=stride)[0]

    def score_documents(
        self, documents: Sequence[np.ndarray], *, context: int | None = None, stride: int | None = None
    ) -> list[np.ndarray]:
        """`score` of each, together and so faster."""
        context = self.context if context is None else context
        if not 1 <= context <= self.context:
            raise ConfigError(f"context={context} must be from 1 to what the model was made for, {self.context}")
        for document in documents:
            self._check_ids(document)
        scorer = self._scorer_for(sum(map(len, documents)))
        return score_documents(scorer.score_rows, documents, context, stride)

    def _scorer_for(self, n_tokens: int) -> Backend:
        long = self.asked == "auto" and self.backend.name == "numpy" and n_tokens > LONG
        if self._scorer is None and long and self.path and importlib.util.find_spec("torch"):
            from twofold.engine.torch_backend import load_backend

            self._scorer = load_backend(self.path)
        return self._scorer or self.backend

    def check_prompt(self, prompt: Sequence[int], *, slide: bool = False) -> None:
        """Raise ConfigError for a prompt that is empty, not of this vocabulary, or, unless it may slide, too long."""
        self._check_ids(prompt)
        if len(prompt) > self.context and not slide:
            raise ConfigError(
                f"the prompt is {len(prompt)} tokens long and the model's context is {self.context}; shorten the prompt"
            )

    def _check_ids(self, ids: Sequence[int] | np.ndarray) -> None:
        if len(ids) == 0:
            raise ConfigError("there are no tokens to read; give at least one")
        low, high = int(min(ids)), int(max(ids))
        if low < 0 or high >= self.config.vocab_size:
            raise ConfigError(
                f"the token {low if low < 0 else high} is not in the model's vocabulary of {self.config.vocab_size}"
            )


def open_model(
    model: str | Path, backend: BackendName = "auto", device: str = "auto", dtype: str = "float32", *,
    threads: int = 0, tell: Callable[[str], object] | None = None,
) -> Engine:
    """Open a folder, a GGUF file or a known name, or one of these with an adapter: MODEL+ADAPTER.

    `auto` runs on run.c ("native"); where there is no compiler, or run.c does not run the file, on run.py ("numpy"),
    and on torch what that does not read either; `tell` is then given a line about it. Naming a device or a dtype means
    torch. `threads` 0 are as many as there are cores. Raises SourceError, MissingExtra, FileFormatError or ConfigError.
    """
    path = locate(model)
    if backend not in get_args(BackendName):
        raise ConfigError(f"backend {backend!r} is not one of {', '.join(get_args(BackendName))}")
    wants_torch = device not in ("auto", "cpu") or dtype != "float32"
    if backend in ("native", "numpy") and wants_torch:
        raise ConfigError(
            f"the {backend} backend runs on the cpu, in types of its own, not on {device} in {dtype}; use torch"
        )
    about = load(path, arrays=False)
    chosen: Backend | None = None
    if backend == "native" or (backend == "auto" and not wants_torch):
        chosen = _native(path, threads, backend, tell)
    if chosen is None and backend in ("auto", "numpy") and not wants_torch:
        chosen = _numpy(path, backend)
    if chosen is None:
        require("torch", "train", "the torch backend")
        from twofold.engine.torch_backend import load_backend

        chosen = load_backend(path, device, dtype)
    return Engine(
        about.config, about.tokenizer, chosen, about.tokenizer.add_bos, about.chat_template, path, backend,
        taught_tools(about.lineage),
    )


def taught_tools(lineage: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Which tools a model was taught to call, as its file says; None where it does not."""
    tools = lineage.get("tools")
    return tuple(map(str, tools)) if isinstance(tools, list) else None


def _native(
    path: Path, threads: int, backend: BackendName, tell: Callable[[str], object] | None
) -> Backend | None:
    """None where the choice is free and run.c cannot be had, or cannot run this file."""
    from twofold.engine import native, native_build

    try:
        found = native.load_backend(path, threads, tell)
    except FileFormatError as error:
        if backend == "native":
            raise
        reason: str | None = str(error)
    else:
        reason = native_build.missing()
        if found is not None:
            return found
    if backend == "native":
        raise ConfigError(f"the native backend cannot be had: {reason}")
    if tell and reason:
        tell(reason)
    return None


def _numpy(path: Path, backend: BackendName) -> Backend | None:
    """None where the choice is free, run.py does not read the form that the file is packed in, and torch is here."""
    try:
        return NumpyBackend(path)
    except FileFormatError:
        if backend == "auto" and importlib.util.find_spec("torch"):
            return None
        raise


def from_decoder(
    model: Decoder, tokenizer: BPETokenizer, dtype: torch.dtype | None = None,
    backend: Literal["torch", "native"] = "torch", *, threads: int = 0,
) -> Engine:
    """An engine around a Decoder in memory, such as one that is being trained.

    On torch it is the Decoder itself, and nothing has to be copied; on run.c ("native") writing is many times quicker,
    and `Engine.refresh` takes the parameters as they have become. Raises ConfigError, FileFormatError where run.c
    cannot be had or does not run this shape.
    """
    if backend == "native":
        from twofold.engine.living import LivingFile
        from twofold.engine.native import NativeBackend, NativeModel

        file = LivingFile(model, tokenizer)
        native = NativeModel(file.data, threads)
        return Engine(model.config, tokenizer, NativeBackend(native), tokenizer.add_bos,
                      _refresh=lambda: native.refresh(file.update()))  # fmt: skip
    from twofold.engine.torch_backend import TorchBackend
    from twofold.model.devices import DTYPES

    return Engine(model.config, tokenizer, TorchBackend(model, dtype or DTYPES["float32"]))

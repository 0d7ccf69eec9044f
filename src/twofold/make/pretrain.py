"""Pretraining, from tokens to trained parameters: the batches, the loss, and what is measured at rest.

Now and then the model is measured on held-out rows and asked for a sample; course.py does the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from twofold.contracts import Sampling, Tokenizer
from twofold.data.batches import Batches
from twofold.data.tokens import TokenStore
from twofold.engine.open import Engine, from_decoder
from twofold.engine.torch_backend import score_rows
from twofold.errors import ConfigError, FileFormatError
from twofold.make.course import Course, nats_to_bits
from twofold.make.observer import Observer
from twofold.make.recipe import Recipe
from twofold.model.count import flops_per_token
from twofold.model.decoder import Decoder, initialise
from twofold.tokenizer.bpe import BPETokenizer
from twofold.train.average import Average
from twofold.train.bigram import bigram_counts, fit_bigrams
from twofold.train.distributed import Group
from twofold.train.loop import Step
from twofold.train.losses import NextTokenLoss
from twofold.train.machine import Machine
from twofold.train.optimiser import Optimiser
from twofold.train.previous_token import look_back
from twofold.train.schedule import Schedule
from twofold.train.shortlist import Candidates, Shortlist

__all__ = ["Trained", "bytes_of_tokens", "held_out_bits", "pretrain"]

_EVALUATION_ROWS = 32  # per source, in each of them
_SAMPLE_TOKENS = 32


@dataclass(frozen=True)
class Trained:
    """`schedule` holds the revisions that were made; `seconds` counts compiling and measuring too."""

    model: Decoder
    schedule: Schedule
    seconds: float
    tokens: int


def pretrain(
    recipe: Recipe, store: TokenStore, tokenizer: BPETokenizer, folder: Path, machine: Machine, observer: Observer,
    group: Group, prompt: str = "The",
) -> Trained:
    """Train in `folder`, going on from its last checkpoint if there is one. Raises Interrupted after Ctrl-C."""
    return _Run(recipe, store, tokenizer, folder, machine, observer, group, prompt).go()


class _Run:
    def __init__(self, recipe: Recipe, store: TokenStore, tokenizer: BPETokenizer, folder: Path, machine: Machine,
                 observer: Observer, group: Group, prompt: str) -> None:
        self.recipe, self.settings, self.store, self.tokenizer = recipe, recipe.train, store, tokenizer
        self.machine, self.observer, self.prompt, self.group = machine, observer, prompt, group
        self.device, self.dtype = torch.device(machine.device), machine.torch_dtype
        settings, shortlist = self.settings, self.settings.shortlist
        self.batches = Batches(store, "train", settings.context, settings.batch // settings.accumulate,
                               settings.seed, recipe.mix, group.rank, group.world)
        self.model = initialise(Decoder(recipe.model), settings.seed).to(self.device)
        self.average = Average(self.model, settings.average) if settings.average else None
        self.shortlist = Shortlist(self.frequencies(), shortlist, settings.seed)
        self.tokens_per_step = settings.batch * settings.context
        self.bytes_of = bytes_of_tokens(tokenizer)
        self.course = Course(
            self.model, Optimiser(self.model, settings.optimiser, self.dtype), settings.schedule, 60 * recipe.minutes,
            folder, observer, told=self.told, rest=self.rest, whole=shortlist.whole if shortlist.drawn else 0.0,
            seen_whole=self.sees_all, group=group, average=self.average, save_seconds=recipe.machine.save_seconds,
            keep=recipe.machine.keep)
        self.journal = self.course.journal

    def go(self) -> Trained:
        course = self.course
        course.resume()
        loss = NextTokenLoss(self.model, self.dtype, self.machine.compiles)
        if course.step == 0:
            self.begin(loss)
        course.go(lambda batch: loss(*batch), self.batch, self.settings.clip, self.settings.accumulate)
        if self.average:
            self.average.settle()
        return Trained(self.model, course.clock.schedule, course.clock.spent, course.step * self.tokens_per_step)

    def batch(self, part: int) -> tuple[torch.Tensor, Candidates | None]:
        """Rows, and the tokens that they are scored on: all for None."""
        step = part // self.settings.accumulate
        rows = torch.from_numpy(self.batches.at(part)).to(self.device)
        return rows, None if self.sees_all(step) else self.shortlist.draw(step)

    def sees_all(self, step: int) -> bool:
        return self.settings.shortlist.sees_all(step, self.course.clock.schedule.steps_at(step))

    def frequencies(self) -> torch.Tensor:
        """How often each token comes up in training, float32 [v]."""
        counts = np.zeros(self.recipe.model.vocab_size)
        for source, weight in self.weights.items():
            counts += weight * np.bincount(self.store.tokens("train", source), minlength=len(counts))
        return torch.from_numpy(counts.astype(np.float32)).to(self.device)

    @property
    def weights(self) -> dict[str, float]:
        """What one token of each source counts for, by its share of the batches."""
        return {source: share / len(self.store.tokens("train", source))
                for source, share in self.batches.shares.items()}

    def begin(self, loss: NextTokenLoss) -> None:
        """What is known before the first step: where heads should look, and which token follows which.

        Pairs are fitted beside the compiler, which keeps one processor busy and leaves the others idle.
        """
        if self.settings.look_back:
            look_back(self.model, self.settings.seed)
        with ThreadPoolExecutor(1) as aside:
            fitting = aside.submit(self.fit_bigrams) if self.settings.bigram_steps else None
            loss.compile_now(self.batch(0)[0], self.shortlist.draw(0))
        if fitting:
            self.observer.note(f"pairs fitted: {self.bits(fitting.result()):.3f} bits per byte before the first step")
        if self.device.type == "cpu":
            torch.set_num_threads(self.machine.threads)

    def fit_bigrams(self) -> float:
        if self.device.type == "cpu" and self.machine.compiles:
            torch.set_num_threads(max(1, self.machine.threads - 1))
        streams = [self.store.tokens("train", source) for source in self.weights]
        counts = bigram_counts(streams, self.recipe.model.vocab_size, self.weights.values()).to(self.device)
        return fit_bigrams(self.model, counts, self.settings.bigram_steps, dtype=self.dtype)

    def bits(self, nats: float) -> float:
        """Nats per token to bits per byte, by the training text's bytes per token."""
        length = {source: self.store.bytes("train", source) / len(self.store.tokens("train", source))
                  for source in self.batches.shares}
        return nats_to_bits(nats, sum(share * length[source] for source, share in self.batches.shares.items()))

    def told(self, done: Step) -> dict[str, float]:
        rate = self.tokens_per_step / done.seconds
        scored = self.settings.shortlist.scored(done.step, self.course.clock.schedule.steps_at(done.step))
        flops = flops_per_token(self.recipe.model, self.settings.context, scored=scored)
        return {"bits_per_byte": self.bits(done.loss), "tokens_per_second": rate,
                "mfu": rate * flops / (self.machine.peak * self.group.world), "scored": scored}

    def rest(self, step: int) -> float:
        measured = self.evaluate(step)
        self.sample(step)
        return measured

    def evaluate(self, step: int) -> float:
        """Bits per byte of a fixed, evenly spread part of the held-out rows, by source; returns their mean."""
        with self.at_rest():
            bits = held_out_bits(self.model, self.store, self.settings.context, _EVALUATION_ROWS, self.bytes_of,
                                 self.dtype)
        self.journal.write("evaluation", step=step, bits_per_byte=bits)
        self.observer.evaluated(step, bits)
        return sum(bits.values()) / len(bits) if bits else float("nan")

    def sample(self, step: int) -> None:
        with self.at_rest():
            engine = self.writer()
            sampling = Sampling(seed=self.settings.seed)
            ids = [token.id for token in engine.generate(engine.prompt(self.prompt), _SAMPLE_TOKENS, sampling)]
        text = self.tokenizer.decode(ids)
        self.journal.write("sample", step=step, prompt=self.prompt, text=text)
        self.observer.sample(step, self.prompt, text)

    def writer(self) -> Engine:
        """The model as it is now, on run.c where it can be had: there, writing is many times quicker."""
        try:
            return from_decoder(self.model, self.tokenizer, backend="native")
        except (ConfigError, FileFormatError):
            return from_decoder(self.model, self.tokenizer, self.dtype)

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """The model as it would be left: averaged, and not compiled again for the shapes of reading."""
        with torch.compiler.set_stance("force_eager"), self.average.in_place() if self.average else nullcontext():
            yield


def held_out_bits(
    model: Decoder, store: TokenStore, context: int, most: int, bytes_of: np.ndarray, dtype: torch.dtype
) -> dict[str, float]:
    """Bits per byte of up to `most` rows of each source's held-out text, evenly spread over it."""
    bits = {}
    for source in store.sources:
        rows = _spread(store.tokens("val", source), context, most)
        if len(rows):
            nats = score_rows(model, rows, dtype).sum()
            bits[source] = float(nats_to_bits(nats, bytes_of[rows[:, 1:]].sum()))
    return bits


def bytes_of_tokens(tokenizer: Tokenizer) -> np.ndarray:
    """How many bytes of text each token stands for, [v]; special ones for none."""
    specials = set(tokenizer.specials.values())
    return np.array([0 if i in specials else len(tokenizer.decode_bytes([i])) for i in range(tokenizer.vocab_size)])


def _spread(tokens: np.ndarray, context: int, most: int) -> np.ndarray:
    """Up to `most` rows [context + 1], evenly spread over the stream."""
    n_rows = (len(tokens) - 1) // context
    chosen = np.unique(np.linspace(0, max(0, n_rows - 1), min(n_rows, most)).astype(int))
    return np.array([tokens[i * context : i * context + context + 1] for i in chosen], np.int64)

"""Pretraining, from tokens to trained parameters: the loop, and all that is done around it.

Every step is logged; now and then the model is measured on held-out rows, asked for a sample, and saved. The run can
end at any moment, by Ctrl-C or by a kill, and goes on from its last checkpoint to the same losses.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from twofold.contracts import Sampling
from twofold.data.batches import Batches
from twofold.data.tokens import TokenStore
from twofold.engine.open import Engine, from_decoder
from twofold.engine.torch_backend import score_rows
from twofold.errors import ConfigError, FileFormatError
from twofold.interrupts import Interrupted, interrupt_as_event
from twofold.make.clock import Clock
from twofold.make.observer import Observer
from twofold.make.recipe import Recipe
from twofold.model.count import flops_per_token
from twofold.model.decoder import Decoder, initialise
from twofold.tokenizer.bpe import BPETokenizer
from twofold.train import checkpoint
from twofold.train.average import Average
from twofold.train.bigram import bigram_counts, fit_bigrams
from twofold.train.checkpoint import Progress
from twofold.train.distributed import Group
from twofold.train.journal import Journal
from twofold.train.loop import Step, run_steps
from twofold.train.losses import NextTokenLoss
from twofold.train.machine import Machine
from twofold.train.optimiser import Optimiser
from twofold.train.previous_token import look_back
from twofold.train.schedule import Schedule
from twofold.train.shortlist import Candidates, Shortlist

__all__ = ["Trained", "pretrain", "spread"]

_EVALUATIONS = 5  # in the course of a run
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
        self.leads = group.rank == 0
        self.device, self.dtype = torch.device(machine.device), machine.torch_dtype
        self.checkpoints, self.journal = folder / "checkpoints", Journal(folder / "log.jsonl")
        settings = self.settings
        self.batches = Batches(store, "train", settings.context, settings.batch // settings.accumulate,
                               settings.seed, recipe.mix, group.rank, group.world)
        self.model = initialise(Decoder(recipe.model), settings.seed).to(self.device)
        self.optimiser = Optimiser(self.model, settings.optimiser, self.dtype)
        self.average = Average(self.model, settings.average) if settings.average else None
        self.shortlist = Shortlist(self.frequencies(), settings.shortlist, settings.seed)
        self.clock = self.clock_from(settings.schedule)
        self.tokens_per_step = settings.batch * settings.context
        specials = set(tokenizer.specials.values())
        self.bytes_of = np.array([0 if i in specials else len(tokenizer.decode_bytes([i]))
                                  for i in range(tokenizer.vocab_size)])
        self.saved_at = time.monotonic()

    def go(self) -> Trained:
        step = self.resume()
        loss = NextTokenLoss(self.model, self.dtype, self.machine.compiles)
        if step == 0:
            self.begin(loss)
        steps = run_steps(self.model, lambda batch: loss(*batch), self.optimiser, self.batch,
                          lambda s: self.clock.schedule.scale(s), step, self.settings.clip, self.settings.accumulate,
                          self.group)
        with interrupt_as_event() as interrupted:
            while step < self.clock.schedule.steps_at(step):
                done = next(steps)
                step += 1
                if self.average:
                    self.average.update()
                self.tell(done)
                self.revise(step)
                self.pause(step)
                if self.group.agree(float(interrupted.is_set())):
                    self.save(step)
                    raise Interrupted
        self.save(step)
        if self.average:
            self.average.settle()
        return Trained(self.model, self.clock.schedule, self.clock.spent, step * self.tokens_per_step)

    def batch(self, part: int) -> tuple[torch.Tensor, Candidates | None]:
        """Rows, and the tokens that they are scored on: all for None."""
        step = part // self.settings.accumulate
        rows = torch.from_numpy(self.batches.at(part)).to(self.device)
        return rows, None if self.sees_all(step) else self.shortlist.draw(step)

    def sees_all(self, step: int) -> bool:
        return self.settings.shortlist.sees_all(step, self.clock.schedule.steps_at(step))

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

    def clock_from(self, schedule: Schedule, spent: float = 0.0) -> Clock:
        shortlist = self.settings.shortlist
        return Clock(60 * self.recipe.minutes, schedule, shortlist.whole if shortlist.drawn else 0.0, spent)

    def resume(self) -> int:
        """Take up the last checkpoint and the revisions of the plan that were written down, whenever that was."""
        schedule = self.settings.schedule
        revisions = tuple((entry["step"], entry["steps"]) for entry in self.journal.events("revision"))
        path = checkpoint.latest(self.checkpoints)
        if path is None:
            if self.leads:
                self.journal.cut(0)
            return 0
        progress, extra = checkpoint.restore(path, self.model, self.optimiser)
        if self.average:
            self.average.load_state(extra)
        if self.leads:
            self.journal.cut(progress.step)
        revised = dataclasses.replace(schedule, revisions=schedule.revisions + revisions)
        self.clock = self.clock_from(revised, progress.seconds)
        self.observer.note(f"going on from step {progress.step} of {self.clock.schedule.steps_at(progress.step)}")
        return progress.step

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
        return nats / (math.log(2) * self.bytes_per_token)

    @property
    def bytes_per_token(self) -> float:
        return sum(share * self.store.bytes("train", source) / len(self.store.tokens("train", source))
                   for source, share in self.batches.shares.items())

    def tell(self, done: Step) -> None:
        rate = self.tokens_per_step / done.seconds
        elapsed = self.clock.tick(whole=self.sees_all(done.step))
        left = self.clock.left(done.step + 1)
        scored = self.settings.shortlist.scored(done.step, self.clock.schedule.steps_at(done.step))
        flops = flops_per_token(self.recipe.model, self.settings.context, scored=scored)
        info = {"bits_per_byte": self.bits(done.loss), "tokens_per_second": rate, "elapsed": elapsed,
                "mfu": rate * flops / (self.machine.peak * self.group.world), "scored": scored}
        if self.leads:
            self.journal.write("step", **dataclasses.asdict(done), **info)
            self.observer.step(done, {**info, "steps": self.clock.schedule.steps_at(done.step), "seconds_left": left})

    def revise(self, step: int) -> None:
        """Fit the number of steps to the time that is left, unless that was decided before."""
        known = [since for since, _ in self.clock.schedule.revisions]
        if not self.clock.due(step) or (known and known[-1] >= step):
            return
        steps = int(self.group.agree(float(self.clock.better_plan(step))))
        if steps != self.clock.schedule.steps_at(step):
            if self.leads:
                self.journal.write("revision", step=step, steps=steps)
            self.clock.schedule = self.clock.schedule.revise(step, steps)

    def pause(self, step: int) -> None:
        """Between two steps: measure, sample, save, when it is time."""
        total = self.clock.schedule.steps_at(step)
        measured = None
        if step < total and step % max(1, -(-total // _EVALUATIONS)) == 0 and self.leads:
            measured = self.evaluate(step)
            self.sample(step)
        due = measured is not None or step % 10 == 0
        if step < total and due and self.leads and time.monotonic() - self.saved_at >= self.recipe.machine.save_seconds:
            self.save(step, measured)

    def evaluate(self, step: int) -> float:
        """Bits per byte of a fixed, evenly spread part of the held-out rows, by source; returns their mean."""
        bits = {}
        with self.at_rest():
            for source in self.store.sources:
                rows = spread(self.store.tokens("val", source), self.settings.context, _EVALUATION_ROWS)
                if len(rows):
                    nats = score_rows(self.model, rows, self.dtype).sum()
                    bits[source] = float(nats / (math.log(2) * self.bytes_of[rows[:, 1:]].sum()))
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

    def save(self, step: int, measured: float | None = None) -> None:
        if self.leads:
            progress = Progress(step, self.clock.spent, measured)
            extra = self.average.values if self.average else None
            checkpoint.save(self.checkpoints, self.model, self.optimiser, progress, extra)
            self.saved_at = time.monotonic()


def spread(tokens: np.ndarray, context: int, most: int) -> np.ndarray:
    """Up to `most` rows [context + 1], evenly spread over the stream."""
    n_rows = (len(tokens) - 1) // context
    chosen = np.unique(np.linspace(0, max(0, n_rows - 1), min(n_rows, most)).astype(int))
    return np.array([tokens[i * context : i * context + context + 1] for i in chosen], np.int64)

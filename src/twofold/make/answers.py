"""Finetuning, from packed conversations to trained parameters: the loop, and all that is done around it.

Every step is logged; now and then the held-out answers are measured (and held-out text, to see what is forgotten), a
held-out question is answered, and the run is saved. It can end at any moment, and goes on from its last checkpoint.
"""

from __future__ import annotations

import dataclasses
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twofold.contracts import Sampling
from twofold.data.batches import Batches
from twofold.data.tokens import TokenStore
from twofold.engine.conversation import chat_prompt, turn_ends
from twofold.engine.open import Engine
from twofold.engine.torch_backend import score_rows
from twofold.interrupts import Interrupted, interrupt_as_event
from twofold.make.clock import Clock
from twofold.make.observer import Observer
from twofold.make.pretrain import spread
from twofold.model.count import count, flops_per_token
from twofold.model.decoder import Decoder
from twofold.train import checkpoint
from twofold.train.checkpoint import Progress
from twofold.train.journal import Journal
from twofold.train.loop import Step, run_steps
from twofold.train.machine import Machine
from twofold.train.optimiser import Optimiser
from twofold.train.optimiser_settings import OptimiserSettings
from twofold.train.schedule import Schedule
from twofold.tune.batches import AnswerBatch, AnswerBatches
from twofold.tune.losses import AnswerLoss
from twofold.tune.packing import Rows
from twofold.tune.settings import TuneSettings

__all__ = ["AnswerRun"]

_EVALUATIONS = 4  # in the course of a run
_EVALUATION_ROWS = 16
_ANSWER_TOKENS = 40
_PART = 512  # tokens of a large model that go through it at a time
_WORTH_COMPILING = 90.0  # seconds of training


class AnswerRun:
    """`go` trains, and returns what held-out answers and text cost before and after, in bits per byte."""

    def __init__(self, model: Decoder, engine: Engine, settings: TuneSettings, rows: Rows, held: Rows | None,
                 text: TokenStore | None, folder: Path, machine: Machine, observer: Observer,
                 asked: list[dict[str, Any]], save_seconds: float) -> None:  # fmt: skip
        self.model, self.engine, self.settings, self.held, self.text = model, engine, settings, held, text
        self.machine, self.observer, self.asked, self.save_seconds = machine, observer, asked, save_seconds
        self.dtype = machine.torch_dtype
        self.checkpoints, self.journal = folder / "checkpoints", Journal(folder / "log.jsonl")
        large = count(model.config).held > 50_000_000
        self.accumulate = math.gcd(settings.batch, -(-settings.batch * settings.context // _PART)) if large else 1
        replay = Batches(text, "train", settings.context, 1, settings.seed) if text and settings.replay else None
        self.batches = AnswerBatches(rows, settings.batch, settings.seed, self.accumulate, settings.replay,
                                     replay.rows if replay else None, device=machine.device)
        self.optimiser = Optimiser(model, _optimiser(settings, large), self.dtype)
        self.clock = self._clock(Schedule(settings.steps or self._first_plan()))
        self.step, self.tokens_per_step = 0, settings.batch * settings.context
        tokenizer = engine.tokenizer
        specials = set(tokenizer.specials.values())
        self.bytes_of = np.array([0 if i in specials else len(tokenizer.decode_bytes([i]))
                                  for i in range(tokenizer.vocab_size)])  # fmt: skip
        learned = rows.ids[:, 1:][rows.own[:, 1:]]
        self.bytes_per_token = max(1e-9, float(self.bytes_of[learned].mean()))
        self.saved_at = time.monotonic()

    @property
    def tokens(self) -> int:
        return self.step * self.tokens_per_step

    def go(self) -> tuple[dict[str, float], dict[str, float]]:
        """Raises Interrupted after Ctrl-C, when the run is saved."""
        before = self.resume()
        budget = self.clock.budget or math.inf
        loss = AnswerLoss(self.model, self.dtype, self.machine.compiles and budget >= _WORTH_COMPILING)
        if before is None:
            before = self.evaluate()
        steps = run_steps(self.model, loss, self.optimiser, self.batches.at, lambda s: self.clock.schedule.scale(s),
                          self.step, 1.0, self.accumulate)  # fmt: skip
        with interrupt_as_event() as interrupted:
            while self.step < self.clock.schedule.steps_at(self.step):
                done = next(steps)
                self.step += 1
                self.tell(done)
                self.revise()
                self.pause()
                if interrupted.is_set():
                    self.save()
                    raise Interrupted
        self.save()
        return before, self.evaluate()

    def resume(self) -> dict[str, float] | None:
        """Take up the last checkpoint and the plan's revisions; returns what was measured before the first step."""
        first = next((entry["bits_per_byte"] for entry in self.journal.events("evaluation") if not entry["step"]), None)
        revisions = tuple((entry["step"], entry["steps"]) for entry in self.journal.events("revision"))
        path = checkpoint.latest(self.checkpoints)
        if path is None:
            self.journal.cut(0)
            return None
        progress, _ = checkpoint.restore(path, self.model, self.optimiser)
        self.journal.cut(progress.step)
        self.step = progress.step
        self.clock = self._clock(dataclasses.replace(self.clock.schedule, revisions=revisions), progress.seconds)
        self.observer.note(f"going on from step {self.step} of {self.clock.schedule.steps_at(self.step)}")
        return first

    def tell(self, done: Step) -> None:
        rate = self.tokens_per_step / done.seconds
        elapsed = self.clock.tick()
        steps = self.clock.schedule.steps_at(done.step)
        flops = flops_per_token(self.model.config, self.settings.context) * (2 / 3 if self.settings.rank else 1)
        info = {"bits_per_byte": self.bits(done.loss), "tokens_per_second": rate, "elapsed": elapsed,
                "mfu": rate * flops / self.machine.peak}  # fmt: skip
        self.journal.write("step", **dataclasses.asdict(done), **info)
        self.observer.step(done, {**info, "steps": steps, "seconds_left": self.clock.left(done.step + 1)})

    def bits(self, nats: float) -> float:
        return nats / (math.log(2) * self.bytes_per_token)

    def revise(self) -> None:
        """Fit the number of steps to the time that is left, unless that was decided before."""
        known = [since for since, _ in self.clock.schedule.revisions]
        if not self.clock.due(self.step) or (known and known[-1] >= self.step):
            return
        steps = self.clock.better_plan(self.step)
        if steps != self.clock.schedule.steps_at(self.step):
            self.journal.write("revision", step=self.step, steps=steps)
            self.clock.schedule = self.clock.schedule.revise(self.step, steps)

    def pause(self) -> None:
        """Between two steps: measure, answer, save, when it is time."""
        total = self.clock.schedule.steps_at(self.step)
        if self.step >= total:
            return
        measured = self.step % max(1, -(-total // _EVALUATIONS)) == 0
        if measured:
            self.evaluate()
            self.answer()
        due = measured or self.step % 10 == 0
        if due and time.monotonic() - self.saved_at >= self.save_seconds:
            self.save()

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Bits per byte of held-out answers, and of the text that the model comes from, where it is there."""
        bits: dict[str, float] = {}
        with torch.compiler.set_stance("force_eager"):
            if self.held is not None:
                bits["answers"] = self._answers(self.held)
            if self.text is not None:
                bits |= self._texts(self.text)
        self.journal.write("evaluation", step=self.step, bits_per_byte=bits)
        if bits:
            self.observer.evaluated(self.step, bits)
        return bits

    def _answers(self, held: Rows) -> float:
        chosen = np.unique(np.linspace(0, len(held.ids) - 1, min(len(held.ids), _EVALUATION_ROWS)).astype(int))
        loss, nats, n_bytes = AnswerLoss(self.model, self.dtype), 0.0, 0
        for i in chosen:
            ids, texts, own = (torch.from_numpy(one[i : i + 1]).to(self.machine.device)
                               for one in (held.ids, held.texts, held.own))  # fmt: skip
            nats += float(loss(AnswerBatch(ids.long(), texts[:, :-1].long(), own[:, 1:], 1.0)))
            n_bytes += int(self.bytes_of[held.ids[i, 1:][held.own[i, 1:]]].sum())
        return nats / (math.log(2) * max(1, n_bytes))

    def _texts(self, text: TokenStore) -> dict[str, float]:
        bits = {}
        for source in text.sources:
            rows = spread(text.tokens("val", source), self.settings.context, _EVALUATION_ROWS)
            if len(rows):
                nats = score_rows(self.model, rows, self.dtype).sum()
                bits[source] = float(nats / (math.log(2) * self.bytes_of[rows[:, 1:]].sum()))
        return bits

    def answer(self) -> None:
        """To a held-out question, greedily."""
        if not self.asked:
            return
        ends, ids = turn_ends(self.engine), []
        with torch.compiler.set_stance("force_eager"):
            prompt = chat_prompt(self.engine, self.asked)
            for token in self.engine.generate(prompt, _ANSWER_TOKENS, Sampling(temperature=0.0)):
                if token.id in ends:
                    break
                ids.append(token.id)
        question, text = f"{self.asked[-1]['content']} ", self.engine.tokenizer.decode(ids)
        self.journal.write("sample", step=self.step, prompt=question, text=text)
        self.observer.sample(self.step, question, text)

    def save(self) -> None:
        checkpoint.save(self.checkpoints, self.model, self.optimiser, Progress(self.step, self.clock.spent), keep=1)
        self.saved_at = time.monotonic()

    def _clock(self, schedule: Schedule, spent: float = 0.0) -> Clock:
        return Clock(0.0 if self.settings.steps else 60 * self.settings.minutes, schedule, 0.0, spent)

    def _first_plan(self) -> int:
        """Before the first step: a third of the peak, six operations for each parameter and token."""
        flops = flops_per_token(self.model.config, self.settings.context)
        tokens = self.settings.batch * self.settings.context
        return max(1, round(60 * self.settings.minutes * 0.3 * self.machine.peak / (flops * tokens)))


def _optimiser(settings: TuneSettings, large: bool) -> OptimiserSettings:
    """Additions and large models by AdamW, at one rate; small models as they were trained, at smaller rates."""
    lr = settings.lr
    if settings.rank or large:
        return OptimiserSettings("adamw", lr, lr, lr, lr, beta1=0.9, beta2=0.99)
    return OptimiserSettings("muon", lr, 3.5 * lr, 0.4 * lr, 0.5 * lr)

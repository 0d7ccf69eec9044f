"""Finetuning, from packed conversations to trained parameters: the batches, the loss, and what is measured at rest.

Now and then the held-out answers are measured (and held-out text, to see what is forgotten) and a held-out question is
answered; course.py does the rest.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twofold.contracts import Sampling
from twofold.data.batches import Batches
from twofold.data.tokens import TokenStore
from twofold.engine.conversation import chat_prompt, turn_ends
from twofold.engine.open import Engine
from twofold.make.course import Course, nats_to_bits
from twofold.make.observer import Observer
from twofold.make.pretrain import bytes_of_tokens, held_out_bits
from twofold.model.count import count, flops_per_token
from twofold.model.decoder import Decoder
from twofold.train.loop import Step
from twofold.train.machine import Machine
from twofold.train.optimiser import Optimiser
from twofold.train.optimiser_settings import OptimiserSettings
from twofold.train.schedule import Schedule
from twofold.train.shortlist import Candidates, Shortlist
from twofold.train.shortlist_settings import ShortlistSettings
from twofold.tune.batches import AnswerBatch, AnswerBatches
from twofold.tune.losses import AnswerLoss
from twofold.tune.packing import Rows
from twofold.tune.settings import TuneSettings

__all__ = ["AnswerRun"]

_RESTS = 4  # in the course of a run
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
        self.machine, self.observer, self.asked = machine, observer, asked
        self.dtype = machine.torch_dtype
        large = count(model.config).held > 50_000_000
        self.accumulate = math.gcd(settings.batch, -(-settings.batch * settings.context // _PART)) if large else 1
        self.replayed = Batches(text, "train", settings.context, 1, settings.seed) if text and settings.replay else None
        self.batches = AnswerBatches(rows, settings.batch, settings.seed, self.accumulate, settings.replay,
                                     self.replayed.rows if self.replayed else None, device=machine.device)
        self.shortlist = Shortlist(self._frequencies(rows), self._scored, settings.seed)
        self.tokens_per_step = settings.batch * settings.context
        self.bytes_of = bytes_of_tokens(engine.tokenizer)
        self.learned = settings.replay + (1 - settings.replay) * float(rows.own[:, 1:].mean())
        learned = rows.ids[:, 1:][rows.own[:, 1:]]
        self.bytes_per_token = max(1e-9, float(self.bytes_of[learned].mean()))
        self.course = Course(
            model, Optimiser(model, _optimiser(settings, large), self.dtype),
            Schedule(settings.steps or self._first_plan(), revisions=settings.revisions),
            0.0 if settings.steps else 60 * settings.minutes,
            folder, observer, told=self.told, rest=self.rest, rests=_RESTS, save_seconds=save_seconds, keep=1,
            whole=self._scored.whole if self._scored.drawn else 0.0, seen_whole=self.sees_all)

    @property
    def tokens(self) -> int:
        return self.course.step * self.tokens_per_step

    def go(self) -> tuple[dict[str, float], dict[str, float]]:
        """Raises Interrupted after Ctrl-C, when the run is saved."""
        course = self.course
        known = (entry["bits_per_byte"] for entry in course.journal.events("evaluation") if not entry["step"])
        before = next(known, None)
        course.resume()
        worth = not course.clock.budget or course.clock.budget >= _WORTH_COMPILING
        loss = AnswerLoss(self.model, self.dtype, self.machine.compiles and worth)
        if before is None or not course.step:
            before = self.evaluate(course.step)
        course.go(lambda batch: loss(*batch), self.batch, accumulate=self.accumulate)
        return before, self.evaluate(course.step)

    def batch(self, part: int) -> tuple[AnswerBatch, Candidates | None]:
        """Rows, and the tokens that they are scored on: all for None."""
        step = part // self.accumulate
        return self.batches.at(part), None if self.sees_all(step) else self.shortlist.draw(step)

    def sees_all(self, step: int) -> bool:
        return self._scored.sees_all(step, self.course.clock.schedule.steps_at(step))

    @property
    def _scored(self) -> ShortlistSettings:
        """Additions to a frozen model learn little in a step, and see all of the vocabulary."""
        return ShortlistSettings(drawn=0.0) if self.settings.rank else self.settings.shortlist

    def _frequencies(self, rows: Rows) -> torch.Tensor:
        """How often each token is to be foretold, float32 [v]: in answers, and in the text that is replayed."""
        size, share = self.model.config.vocab_size, self.settings.replay
        streams = [(1 - share, rows.ids[:, 1:][rows.own[:, 1:]])]
        if self.replayed and self.text:
            streams += [(share * part, self.text.tokens("train", name)) for name, part in self.replayed.shares.items()]
        counts = np.zeros(size)
        for part, ids in streams:
            counts += part * np.bincount(ids, minlength=size) / max(1, len(ids))
        return torch.from_numpy(counts.astype(np.float32)).to(self.machine.device)

    def told(self, done: Step) -> dict[str, float]:
        rate = self.tokens_per_step / done.seconds
        scored = self.learned * self._scored.scored(done.step, self.course.clock.schedule.steps_at(done.step))
        frozen = 2 / 3 if self.settings.rank else 1
        flops = frozen * flops_per_token(self.model.config, self.settings.context, scored=scored)
        return {"bits_per_byte": nats_to_bits(done.loss, self.bytes_per_token), "tokens_per_second": rate,
                "mfu": rate * flops / self.machine.peak}  # fmt: skip

    def rest(self, step: int) -> None:
        self.evaluate(step)
        self.answer(step)

    @torch.no_grad()
    def evaluate(self, step: int) -> dict[str, float]:
        """Bits per byte of held-out answers, and of the text that the model comes from, where it is there."""
        bits: dict[str, float] = {}
        with torch.compiler.set_stance("force_eager"):
            if self.held is not None:
                bits["answers"] = self._answers(self.held)
            if self.text is not None:
                bits |= held_out_bits(self.model, self.text, self.settings.context, _EVALUATION_ROWS, self.bytes_of,
                                      self.dtype)
        self.course.journal.write("evaluation", step=step, bits_per_byte=bits)
        if bits:
            self.observer.evaluated(step, bits)
        return bits

    def _answers(self, held: Rows) -> float:
        chosen = np.unique(np.linspace(0, len(held.ids) - 1, min(len(held.ids), _EVALUATION_ROWS)).astype(int))
        loss, nats, n_bytes = AnswerLoss(self.model, self.dtype), 0.0, 0
        for i in chosen:
            ids, texts, own = (torch.from_numpy(one[i : i + 1]).to(self.machine.device)
                               for one in (held.ids, held.texts, held.own))  # fmt: skip
            nats += float(loss(AnswerBatch(ids.long(), texts[:, :-1].long(), own[:, 1:], 1.0)))
            n_bytes += int(self.bytes_of[held.ids[i, 1:][held.own[i, 1:]]].sum())
        return nats_to_bits(nats, max(1, n_bytes))

    def answer(self, step: int) -> None:
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
        self.course.journal.write("sample", step=step, prompt=question, text=text)
        self.observer.sample(step, question, text)

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

"""Learning from rewards, from prompts to a changed policy: experiences, the loss, and what is measured at rest.

Answers are written by run.c where it can be had, with the parameters as they are at that step; course.py does the rest.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from twofold.agent.tool import Tool
from twofold.engine.open import Engine, from_decoder
from twofold.errors import ConfigError, Diverged, FileFormatError
from twofold.intervals import Z
from twofold.make import stage
from twofold.make.course import Course
from twofold.make.observer import Observer
from twofold.make.tasks import Asked
from twofold.model.decoder import Decoder
from twofold.train.loop import Step
from twofold.train.machine import Machine
from twofold.train.optimiser import Optimiser
from twofold.train.optimiser_settings import OptimiserSettings
from twofold.train.schedule import Schedule
from twofold.tune.head import WithHead
from twofold.tune.on_policy import Experience, Experiences, PolicyLoss, appraised
from twofold.tune.reference import Reference
from twofold.tune.reinforce_settings import PolicySettings, ReinforceSettings
from twofold.tune.rewards import Reward, Task, rewarded
from twofold.tune.rollouts import Answer, answers

__all__ = ["PolicyRun"]

_RESTS = 4
_FIRST_PLAN = 100  # steps, until it is known how long one takes
_PART = 8192  # tokens that go through a model at a time; of a large one an eighth
_LEARNED, _MEASURED, _SHUFFLED = range(3)  # streams of random numbers


class PolicyRun:
    """`go` trains, and returns the rewards of answers to held-out prompts before and after."""

    def __init__(self, decoder: Decoder, engine: Engine, settings: ReinforceSettings, asked: Asked, reward: Reward,
                 held: Sequence[Task], tools: Sequence[Tool], folder: Path, machine: Machine, observer: Observer,
                 save_seconds: float) -> None:  # fmt: skip
        self.policy = dataclasses.replace(settings.policy, accumulate=_parts(decoder, settings.policy))
        self.settings, self.asked, self.reward = settings, asked, reward
        self.held, self.observer, self.machine = held, observer, machine
        self.dtype, lr = machine.torch_dtype, settings.lr
        self.tools = {tool.name: lambda given, tool=tool: tool.run(given).text for tool in tools}
        self.reference = Reference(decoder, self.dtype)
        self.model: Decoder | WithHead = WithHead(decoder) if self.policy.algorithm == "ppo" else decoder
        self.writer = self._writer(decoder, engine)
        self.loss = PolicyLoss(self.model, self.policy, self.dtype)
        self.seen: dict[str, float] = {}
        self.experiences = Experiences(self.collect, self.policy.updates, self.policy.accumulate)
        steady = OptimiserSettings("adamw", lr, lr, lr, 10 * lr, beta1=0.9, beta2=0.99)
        self.course = Course(
            self.model, Optimiser(self.model, steady, self.dtype), Schedule(settings.steps or _FIRST_PLAN),
            0.0 if settings.steps else 60 * settings.minutes, folder, observer, told=self.told, rest=self.rest,
            rests=_RESTS, save_seconds=save_seconds, keep=1, unit=self.policy.updates)  # fmt: skip

    def go(self) -> tuple[dict[str, float], dict[str, float]]:
        """Raises Interrupted after Ctrl-C, when the run is saved."""
        known = (entry["rewards"] for entry in self.course.journal.events("held out") if not entry["step"])
        before = next(known, None)
        self.course.resume()
        if before is None or not self.course.step:
            before = self.evaluate(self.course.step)
        self.course.go(self.loss, self.experiences.at, accumulate=self.policy.accumulate)
        return before, self.evaluate(self.course.step)

    def collect(self, number: int) -> Experience:
        """Answers of the model as it is now, and what they are worth."""
        policy, seed = self.policy, self.settings.seed
        tasks = self.asked.learned(number * policy.prompts, policy.prompts)
        groups, rewards = self._answered(tasks, policy.group, (seed, _LEARNED, number), policy.temperature)
        flat = [one for group in groups for one in group]
        self.seen = {"reward": float(rewards.mean()), "length": statistics.fmean(one.drawn for one in flat),
                     "tokens": float(sum(one.drawn for one in flat)),
                     "same": float((rewards == rewards[:, :1]).all(1).mean())}  # fmt: skip
        if self.settings.shuffled:
            random = np.random.default_rng((seed, _SHUFFLED, number))
            rewards = random.permutation(rewards.reshape(-1)).reshape(rewards.shape)
        examples = [one.example() for one in flat]
        return appraised(examples, rewards, self.model, self.reference, policy, self.dtype, self.machine.device)

    def _answered(
        self, tasks: Sequence[Task], each: int, seed: Sequence[int], temperature: float
    ) -> tuple[list[list[Answer]], np.ndarray]:
        """Answers and rewards, [tasks, each]."""
        self.writer.refresh()
        groups = answers(self.writer, [task.messages for task in tasks], each, self.policy.longest, seed=seed,
                         temperature=temperature, tools=self.tools)  # fmt: skip
        rewards = [[rewarded(self.reward, task, one.text) for one in group]
                   for task, group in zip(tasks, groups, strict=True)]  # fmt: skip
        return groups, np.array(rewards)

    def told(self, done: Step) -> dict[str, Any]:
        """Raises Diverged where the model has moved away too far."""
        seen = self.loss.seen.take()
        if not seen["kl"] < self.policy.kl_limit:
            raise Diverged(
                f"after step {done.step} answers are {seen['kl']:.3g} nats likelier than they were to the model that "
                f"this began as, beyond the limit of {self.policy.kl_limit:g}: lower --lr or raise --beta, or "
                "--kl-limit where that is meant; the last checkpoint is from before"
            )
        shown = {name: self.seen[name] for name in ("reward", "length", "same")} | seen
        return {"tokens_per_second": self.seen["tokens"] / self.policy.updates / done.seconds, "shown": shown}

    def rest(self, step: int) -> None:
        self.evaluate(step)

    @torch.no_grad()
    def evaluate(self, step: int) -> dict[str, float]:
        """Rewards of drawn answers to the held-out prompts, with a 95 % interval over prompts, and one of them."""
        groups, rewards = self._answered(self.held, self.settings.samples, (0, _MEASURED), 1.0)
        mean = rewards.mean(1)
        half = Z * float(mean.std(ddof=1)) / math.sqrt(len(mean)) if len(mean) > 1 else math.nan
        found = {"reward": float(mean.mean()), "low": float(mean.mean()) - half, "high": float(mean.mean()) + half,
                 "prompts": float(len(mean)), "samples": float(rewards.shape[1]),
                 "length": statistics.fmean(one.drawn for group in groups for one in group)}  # fmt: skip
        self.course.journal.write("held out", step=step, rewards=found)
        self.observer.measured(step, f"reward {found['reward']:.3f} ({found['low']:.3f} to {found['high']:.3f})")
        task, answer = self.held[0], groups[0][0]
        calls = [f"[{', '.join(map(str, call.arguments.values()))} -> {result}] " for call, result in answer.calls]
        text = "".join(calls) + answer.text
        self.course.journal.write("sample", step=step, prompt=task.text, text=text)
        self.observer.sample(step, f"{task.text} ", text)
        return found

    def _writer(self, decoder: Decoder, engine: Engine) -> Engine:
        """The model as it is now, on run.c where it can be had."""
        try:
            writer = from_decoder(decoder, engine.tokenizer, backend="native",  # type: ignore[arg-type]
                                  threads=self.machine.threads)  # fmt: skip
        except (ConfigError, FileFormatError):
            return engine
        writer.chat_template = engine.chat_template
        return writer


def _parts(decoder: Decoder, policy: PolicySettings) -> int:
    """In how many equal parts a step's answers go through the model."""
    rows = policy.prompts * policy.group
    large = sum(parameter.numel() for parameter in decoder.parameters()) > stage.LARGE
    at_once = max(1, (_PART // 8 if large else _PART) // policy.longest)
    return next(n for n in range(-(-rows // at_once), rows + 1) if rows % n == 0)

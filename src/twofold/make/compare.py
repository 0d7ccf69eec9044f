"""`reward` and `prefer`, the table of contents: a model and comparisons in; a reward model or a better assistant out.

    model -> comparisons -> training -> two files -> measures

    RUN/reward.json, RUN/prefer.json   all that decides the run        RUN/log.jsonl      what happened, step by step
    RUN/parameters.gguf, RUN/run.py    the two files, merged           RUN/checkpoints    where to go on from
    RUN/reward.safetensors             of a reward model: its head     RUN/results.json   what was reached
    RUN/adapter.safetensors            with a rank: what was learned, by itself

An unfinished run goes on from its last checkpoint to the losses that it would have had.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from twofold import __version__
from twofold.atomic import atomic_write
from twofold.data import taste
from twofold.data.preferences import Preference, read
from twofold.engine.open import Engine
from twofold.errors import ConfigError
from twofold.intervals import wilson
from twofold.make import stage
from twofold.make.course import Course
from twofold.make.observer import Observer
from twofold.make.recipe import MachineSettings
from twofold.model.decoder import Decoder
from twofold.train.loop import Step
from twofold.train.machine import Machine
from twofold.train.optimiser import Optimiser
from twofold.train.optimiser_settings import OptimiserSettings
from twofold.train.schedule import Schedule
from twofold.tune.comparison_settings import ComparisonSettings
from twofold.tune.head import WithHead
from twofold.tune.pairs import Pair, PairBatches, PreferenceLoss, RewardLoss, pair, pair_batch
from twofold.tune.reference import Reference
from twofold.tune.reward_model import save_head
from twofold.weights import adapters
from twofold.weights.locate import PARAMETERS, locate
from twofold.weights.parameters import Parameters, load

__all__ = ["TASTE", "compare"]

TASTE = "taste"  # the built-in comparisons, by a rule that is known
_PAIRS = 2_000  # of them
_LONGEST = 512  # tokens, unless another length is wished for
_RESTS = 4
_FIRST_PLAN = 200  # steps, until it is known how long one takes
_MEASURED = 400  # held-out pairs, at most


def compare(
    model: str, settings: ComparisonSettings, machine: MachineSettings, folder: Path, observer: Observer
) -> dict[str, Any]:
    """Learn from comparisons in `folder`; return the results.

    Raises ConfigError when the folder holds another run or the choices do not fit the model, SourceError for
    comparisons that cannot be read, and Interrupted after Ctrl-C.
    """
    stage.alone(machine)
    path = locate(model)
    base = adapters.fingerprint(path)
    wishes = folder / f"{settings.kind}.json"
    begun = stage.begun(wishes, stage.wishes(settings, base, settings.data))

    observer.stage("model", str(path))
    parameters = load(path)
    settings = _resolved(settings, parameters)
    engine = stage.engine_of(parameters)

    observer.stage("comparisons", ", ".join(settings.data))
    learned, held = _pairs(engine, settings, observer)

    observer.stage("machine", "measuring this machine")
    found = stage.measured(stage.as_begun(machine, begun))
    decoder = stage.learning(engine, settings.rank, settings.alpha, settings.seed, found)
    stage.begin(wishes, stage.wishes(settings, base, settings.data), found)

    run = _Run(decoder, settings, learned, held, found, folder, observer, machine.save_seconds)
    time = f"{settings.steps} steps" if settings.steps else f"{settings.minutes:g} minutes"
    observer.stage("training", f"{time}, {stage.what_learns(run.model)}")
    before, after = run.go()

    observer.stage("two files", f"{folder / PARAMETERS} and run.py")
    lineage = {"code": __version__, "parents": [{"sha256": base, "lineage": parameters.lineage}],
               settings.kind: dataclasses.asdict(settings), "tools": parameters.lineage.get("tools", [])}  # fmt: skip
    written = stage.write_files(decoder, load(path), bool(settings.rank), base, lineage, folder)
    if isinstance(run.model, WithHead):
        head = run.model.head
        path = save_head(folder, head.w.detach().cpu().numpy(), head.b.item(), written[PARAMETERS]["sha256"])
        written[path.name] = {"bytes": path.stat().st_size, "sha256": adapters.fingerprint(path)}
    results = {
        "name": folder.name, "code_version": __version__, "base": {"path": str(locate(model)), "sha256": base},
        "settings": dataclasses.asdict(settings), "machine": found.to_dict(), "files": written,
        "pairs": {"learned": len(learned), "held_out": len(held)}, "steps": run.course.step,
        "learned_parameters": sum(p.numel() for p in run.model.parameters() if p.requires_grad),
        "training_seconds": run.course.clock.spent, "held_out": {"before": before, "after": after},
    }  # fmt: skip
    atomic_write(folder / "results.json", json.dumps(results, indent=1))
    return results


def _resolved(settings: ComparisonSettings, parameters: Parameters) -> ComparisonSettings:
    """With what was left open decided by the model's size."""
    config = parameters.config
    context = settings.context or min(_LONGEST, config.context)
    if context > config.context:
        raise ConfigError(f"context={context} is more than the {config.context} that the model was made for")
    large = sum(array.size for array in parameters.state.values()) > stage.LARGE
    usual = {"reward": (5e-4, 2e-5, 1e-3), "prefer": (2e-4, 5e-6, 2e-4)}[settings.kind]
    lr = settings.lr or (usual[0] if settings.rank else usual[1] if large else usual[2])
    return dataclasses.replace(settings, context=context, batch=settings.batch or (8 if large else 16), lr=lr)


def _pairs(engine: Engine, settings: ComparisonSettings, observer: Observer) -> tuple[list[Pair], list[Pair]]:
    """All answers to a question go to one side, by a hash of it, so that what is held out was never seen."""
    learned: list[Pair] = []
    held: list[Pair] = []
    long = 0
    for name in settings.data:
        for number, one in enumerate(_read(name, settings.seed), 1):
            made = pair(engine, one, f"{name}, comparison {number}")
            said = one.to_dict() if one.source == TASTE else one.to_dict()["prompt"]  # whose questions are few
            digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).digest()
            out = int.from_bytes(digest[:4], "big") < settings.held_out * 2**32
            long += made.longest > settings.context
            if made.longest <= settings.context:
                (held if out else learned).append(made)
            if number % 1000 == 0:
                observer.progress("reading comparisons", number, number)
    observer.note(f"{len(learned):,} pairs to learn from, {len(held):,} held out"
                  + (f"; {long:,} are longer than {settings.context} tokens and were left out" if long else ""))
    return learned, held


def _read(name: str, seed: int) -> Iterator[Preference]:
    """A file's comparisons, or the built-in ones."""
    return taste.preferences(_PAIRS, seed) if name == TASTE and not Path(name).exists() else read(Path(name))


class _Run:
    """`go` trains, and returns what the held-out pairs said before and after."""

    def __init__(self, decoder: Decoder, settings: ComparisonSettings, learned: list[Pair], held: list[Pair],
                 machine: Machine, folder: Path, observer: Observer, save_seconds: float) -> None:  # fmt: skip
        self.held, self.observer, self.device = held[:_MEASURED], observer, machine.device
        self.rewards = settings.kind == "reward"
        if self.rewards and not decoder.config.tied:
            decoder.W_U.requires_grad_(False)  # no word is said
        self.model: Decoder | WithHead = WithHead(decoder) if self.rewards else decoder
        dtype, lr = machine.torch_dtype, settings.lr
        self.loss: RewardLoss | PreferenceLoss = (
            RewardLoss(self.model, dtype) if isinstance(self.model, WithHead)
            else PreferenceLoss(self.model, Reference(self.model, dtype), settings.beta, dtype))  # fmt: skip
        large = sum(parameter.numel() for parameter in decoder.parameters()) > stage.LARGE
        self.accumulate = settings.batch if large else 1
        self.batches = PairBatches(learned, settings.batch, settings.seed, self.accumulate, machine.device)
        steady = OptimiserSettings("adamw", lr, lr, lr, 10 * lr if self.rewards else lr, beta1=0.9, beta2=0.99)
        self.course = Course(
            self.model, Optimiser(self.model, steady, dtype), Schedule(settings.steps or _FIRST_PLAN),
            0.0 if settings.steps else 60 * settings.minutes, folder, observer, told=self.told, rest=self.rest,
            rests=_RESTS, save_seconds=save_seconds, keep=1)  # fmt: skip

    def go(self) -> tuple[dict[str, float], dict[str, float]]:
        """Raises Interrupted after Ctrl-C, when the run is saved."""
        known = (entry["pairs"] for entry in self.course.journal.events("held out") if not entry["step"])
        before = next(known, None)
        self.course.resume()
        if before is None or not self.course.step:
            before = self.evaluate(self.course.step)
        self.course.go(self.loss, self.batches.at, accumulate=self.accumulate)
        return before, self.evaluate(self.course.step)

    def told(self, done: Step) -> dict[str, Any]:
        shown = self.loss.seen.take()
        return {"tokens_per_second": shown.pop("tokens") * self.accumulate / done.seconds, "shown": shown}

    def rest(self, step: int) -> None:
        self.evaluate(step)

    @torch.no_grad()
    def evaluate(self, step: int) -> dict[str, float]:
        """Of the held-out pairs: how many it orders as they are labelled, with interval, and by how much."""
        if not self.held:
            return {}
        seen: dict[str, float] = {}
        for at in range(0, len(self.held), 8):
            some = self.held[at : at + 8]
            self.loss(pair_batch(some, self.device))
            for name, value in self.loss.seen.take().items():
                seen[name] = seen.get(name, 0.0) + value * len(some) / len(self.held)
        del seen["tokens"]
        low, high = wilson(round(seen["accuracy"] * len(self.held)), len(self.held))
        found = {**seen, "low": low, "high": high, "pairs": float(len(self.held))}
        self.course.journal.write("held out", step=step, pairs=found)
        self.observer.measured(step, f"{seen['accuracy']:.1%} of {len(self.held)} pairs in the right order "
                                     f"({low:.1%} to {high:.1%}), margin {seen['margin']:.3f}")  # fmt: skip
        return found

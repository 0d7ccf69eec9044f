"""The lab of circuits that form: small models of attention alone learn repeats, and one watches their heads.

    no layer       learns which token follows which
    one layer      has heads, but none that knows of another's work
    two layers     can look for what came after an earlier copy: an induction head, and it comes suddenly

Every seed of every depth is trained by the one loop, measured on periods that it never saw, and told as it came out:
the conclusions are computed. Elhage et al. 2021; Olsson et al. 2022. What is done is kept after each model, so that a
run which was stopped goes on with the next.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from twofold.atomic import atomic_write
from twofold.circuits.induction import Induction, cut, induction
from twofold.circuits.repeats import Baselines, Repeats
from twofold.errors import ConfigError
from twofold.model.config import ModelConfig
from twofold.model.decoder import Decoder, initialise
from twofold.train.loop import run_steps
from twofold.train.optimiser import Optimiser
from twofold.train.optimiser_settings import OptimiserSettings
from twofold.train.schedule import Schedule

__all__ = ["Course", "Lab", "Outcome", "conclusions", "layers_of", "run", "train"]

RESULTS = "results.json"
_HALF, _INDUCTS, _KNOWS_PAIRS = 0.5, 0.9, 0.1
_FROM, _TO = 0.4, 0.9  # of a change: what one layer can do comes before it, slowly


@dataclass(frozen=True)
class Lab:
    """`measures` along each training, evenly spread; `lr` is Muon's, for the matrices."""

    seeds: int = 5
    depths: tuple[int, ...] = (0, 1, 2)
    steps: int = 400
    batch: int = 64
    width: int = 64
    heads: int = 4
    measures: int = 20
    lr: float = 0.02
    text: Repeats = field(default_factory=Repeats)

    def __post_init__(self) -> None:
        for name in ("seeds", "steps", "batch", "measures"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        if not self.depths or min(self.depths) < 0 or max(self.depths) > 4:
            raise ConfigError(f"depths {', '.join(map(str, self.depths))} must be from 0 to 4 layers")

    def config(self, layers: int) -> ModelConfig:
        """Attention alone; positions go into queries and keys only, as in the paper."""
        return ModelConfig(self.text.vocabulary, layers, self.width, self.heads, self.text.context, mlp="none",
                           qk_norm=False)  # fmt: skip


@dataclass(frozen=True)
class Course:
    """One training. `losses` a step, `points` by step; `cut` is what is still right when a path is cut."""

    layers: int
    seed: int
    losses: list[float]
    points: list[tuple[int, Induction]]
    seconds: float
    cut: dict[str, float] | None = None

    @property
    def end(self) -> Induction:
        return self.points[-1][1]

    def phase(self) -> tuple[int, int] | None:
        """The measures between which the share that is right rose from four to nine tenths of what it came to."""
        top = self.end.right
        before = max((step for step, one in self.points if one.right < _FROM * top), default=0)
        after = next((step for step, one in self.points if one.right >= _TO * top and step > before), None)
        return None if after is None else (before, after)

    def composed(self) -> str:
        """Q or K, whichever cut costs more; neither where neither costs half of what is right."""
        if self.cut is None:
            return ""
        kind = min(("K", "Q"), key=lambda one: (self.cut or {})[one])
        return kind if self.cut[kind] < _HALF * self.end.right else "neither"


@dataclass(frozen=True)
class Outcome:
    lab: Lab
    baselines: Baselines
    courses: list[Course]

    def of(self, layers: int) -> list[Course]:
        return [course for course in self.courses if course.layers == layers]

    def inducts(self, course: Course) -> bool:
        """It gets nine tenths of what looking up the latest copy would."""
        return course.end.right >= _INDUCTS * self.baselines.looked_up


def run(lab: Lab, folder: Path, tell: Callable[[str], object], drawn: Callable[[Course], object]) -> Outcome:
    """Train what is not in `folder` yet. `tell` is given lines about what goes on, `drawn` each course that ended."""
    baselines = lab.text.baselines()
    courses = _done(folder, lab)
    for course in courses:
        drawn(course)
    known = {(course.layers, course.seed) for course in courses}
    for layers in lab.depths:
        for seed in range(lab.seeds):
            if (layers, seed) in known:
                continue
            course = _finish(train(lab, layers, seed), tell)
            courses.append(course)
            outcome = Outcome(lab, baselines, courses)
            atomic_write(folder / RESULTS, json.dumps(_plain(outcome), indent=1))
            drawn(course)
    return Outcome(lab, baselines, sorted(courses, key=lambda one: (one.layers, one.seed)))


def _finish(going: Iterator[Course], tell: Callable[[str], object]) -> Course:
    course = next(going)
    for course in going:
        step, point = course.points[-1]
        tell(f"{_named(course)}: step {step}, {point.nats:.2f} nats, {100 * point.right:.0f} % right")
    return course


def train(lab: Lab, layers: int, seed: int, model: Decoder | None = None) -> Iterator[Course]:
    """The course so far, at each measure; the last one has the cuts. `model`, if given, is what is trained."""
    began, text, test = time.monotonic(), lab.text, lab.text.test()
    model = initialise(Decoder(lab.config(layers)) if model is None else model, seed)
    settings = OptimiserSettings("muon", lab.lr, embedding_lr=lab.lr, unembedding_lr=lab.lr / 7, gain_lr=lab.lr,
                                 beta1=0.9, beta2=0.98)  # fmt: skip
    schedule = Schedule(lab.steps, warmup=min(50, lab.steps // 4), cooldown=0.2)

    def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
        rows, counted = batch
        return F.cross_entropy(model(rows[:, :-1])[counted], rows[:, 1:][counted])

    steps = run_steps(model, loss, Optimiser(model, settings),
                      lambda step: text.rows(text.periods, lab.batch, (seed + 1) * 2**32 + step), schedule.scale)
    losses: list[float] = []
    points = [(0, induction(model, *test))]
    every = max(1, lab.steps // lab.measures)
    yield Course(layers, seed, losses, points, 0.0)
    while len(losses) < lab.steps:
        losses.append(next(steps).loss)
        if len(losses) % every == 0 or len(losses) == lab.steps:
            points.append((len(losses), induction(model, *test)))
            ended = len(losses) == lab.steps and layers > 1
            yield Course(layers, seed, losses, points, time.monotonic() - began, cut(model, *test) if ended else None)


def conclusions(outcome: Outcome) -> list[str]:
    """What came out, in sentences."""
    known, said = outcome.baselines, []
    for layers in outcome.lab.depths:
        courses = outcome.of(layers)
        able = [course for course in courses if outcome.inducts(course)]
        said.append(_came_to(layers, courses, len(able), known))
        if layers > 1 and able:
            said += _formed(outcome, able)
        said += [f"{_named(course)} failed: {100 * course.end.right:.0f} % right after {len(course.losses)} steps."
                 for course in courses if layers > 1 and course not in able]  # fmt: skip
    return said


def _came_to(layers: int, courses: list[Course], able: int, known: Baselines) -> str:
    nats, right = mean(course.end.nats for course in courses), sorted(course.end.right for course in courses)
    ends = list(dict.fromkeys(f"{100 * share:.0f}" for share in (right[0], right[-1])))
    got = f"{' to '.join(ends)} %"
    some = f"{able} of {len(courses)} seeds induct"
    count = {0: "no seed inducts", len(courses): "every seed inducts"}.get(able, some)
    text = (f"{layers_of(layers)}: {count}; {nats:.2f} nats (the best table of pairs gets {known.pairs:.2f}), {got} "
            f"right (looking up the latest copy gets {100 * known.looked_up:.0f} %).")  # fmt: skip
    if layers:
        return text
    close = abs(nats - known.pairs) <= _KNOWS_PAIRS
    return f"{text} It has {'' if close else 'not '}learned the bigrams."


def _formed(outcome: Outcome, courses: list[Course]) -> list[str]:
    phases = [(course.seed, phase) for course in courses if (phase := course.phase())]
    steps = ", ".join(f"{before} to {after}" for _, (before, after) in phases)
    kinds = ", ".join(f"seed {course.seed} {course.composed()}" for course in courses)
    when = f"The change, from four to nine tenths of what is right in the end, came at steps {steps}"
    return [f"{when} of {outcome.lab.steps}.", f"What the later heads read through, found by cutting: {kinds}."]


def _named(course: Course) -> str:
    return f"{layers_of(course.layers)}, seed {course.seed}"


def layers_of(n: int) -> str:
    return {0: "no layer", 1: "one layer", 2: "two layers"}.get(n, f"{n} layers")


def _plain(outcome: Outcome) -> dict[str, Any]:
    return {"lab": asdict(outcome.lab), "baselines": asdict(outcome.baselines),
            "courses": [asdict(course) for course in outcome.courses]}  # fmt: skip


def _done(folder: Path, lab: Lab) -> list[Course]:
    """What a run with the same settings has left in the folder. Raises ConfigError for one with others."""
    path = folder / RESULTS
    if not path.exists():
        return []
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept["lab"] != json.loads(json.dumps(asdict(lab))):
            raise ConfigError(f"{folder} holds the lab with other settings; name another place with --out")
        return [Course(one["layers"], one["seed"], one["losses"],
                       [(step, Induction(**point)) for step, point in one["points"]], one["seconds"], one["cut"])
                for one in kept["courses"]]  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); delete it to begin anew") from error

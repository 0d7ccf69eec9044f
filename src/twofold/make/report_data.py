"""What a run's folder tells, as far as it is there: a run may be young, cut short, or made by an older version.

    recipe.toml  wishes.json  plan.json  results.json  log.jsonl  text/manifest.json
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twofold.errors import ConfigError
from twofold.make import recipe as recipes
from twofold.make.places import ASSISTANT
from twofold.make.recipe import Recipe
from twofold.model.count import flops_per_token

__all__ = ["COLUMNS", "Run", "mapping", "mappings", "number_at", "read_run", "texts"]

COLUMNS = ("step", "loss", "bits_per_byte", "gradient_norm", "scale", "elapsed", "tokens_per_second", "mfu")
DRAWN = 4000  # steps on the page; of longer runs every second, third … is taken
_DIGITS = 7  # as float32 has


@dataclass(frozen=True)
class Run:
    """`log` holds columns of equal length by name, of every `every`-th step; None where a value is missing."""

    folder: Path
    recipe: Recipe | None
    wishes: dict[str, Any]
    results: dict[str, Any]
    manifest: dict[str, Any]
    log: dict[str, list[float | None]]
    every: int = 1
    logged: int = 0
    seconds: float | None = None
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    revisions: list[dict[str, Any]] = field(default_factory=list)
    assistant_evaluations: list[dict[str, Any]] = field(default_factory=list)
    assistant_samples: list[dict[str, Any]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.results.get("name") or self.folder.resolve().name)

    def part(self, name: str) -> dict[str, Any]:
        """A part of the results, empty where it is missing or no mapping."""
        return mapping(self.results.get(name))

    @property
    def evaluation(self) -> dict[str, dict[str, Any]]:
        """The final measures by source, those that hold a figure."""
        found = self.part("evaluation")
        return {source: found[source] for source in found if number_at(found, source, "bits_per_byte") is not None}

    @property
    def sources(self) -> list[str]:
        """In one order for the whole page, so that each keeps its colour."""
        named = [step.get("source") for step in self.waterfall] + list(self.evaluation)
        named += [source for each in self.evaluations for source in each["bits_per_byte"]]
        return list(dict.fromkeys(str(name) for name in named if name))

    @property
    def waterfall(self) -> list[dict[str, Any]]:
        return mappings(self.manifest.get("waterfall"))

    @property
    def tokens_per_step(self) -> int | None:
        return self.recipe.train.batch * self.recipe.train.context if self.recipe else None

    @property
    def flops_per_token(self) -> int | None:
        if self.recipe is None:
            return None
        train = self.recipe.train
        return flops_per_token(self.recipe.model, train.context, scored=train.shortlist.scored_in_all)

    def for_page(self) -> dict[str, Any]:
        """What the page's script draws."""
        return {
            "steps": self.log, "every": self.every, "sources": self.sources,
            "evaluations": [{key: each[key] for key in ("step", "bits_per_byte")} for each in self.evaluations],
            "final": {source: {key: number_at(one, key) for key in ("bits_per_byte", "low", "high")}
                      for source, one in self.evaluation.items()},
            "tokens_per_step": self.tokens_per_step, "flops_per_token": self.flops_per_token,
        }


def read_run(folder: Path) -> Run:
    """Read what is there; a file that is absent or damaged counts as empty."""
    try:
        recipe = recipes.read(folder / "recipe.toml")
    except ConfigError:
        recipe = None
    steps, evaluations, samples, revisions = _events(folder / "log.jsonl")
    _, taught, said, _ = _events(folder / ASSISTANT / "log.jsonl")
    every = max(1, -(-len(steps) // DRAWN))
    results = _object(folder / "results.json")
    if "plan" not in results and (plan := _object(folder / "plan.json")):
        results |= {"plan": plan, "machine": plan.get("machine")}
    return Run(
        folder, recipe, _object(folder / "wishes.json"), results, _object(folder / "text" / "manifest.json"),
        _columns(steps, every), every, len(steps), _elapsed(steps),
        _measured(evaluations), _texts(samples), revisions, _measured(taught), _texts(said),
    )


def _events(path: Path) -> tuple[list[dict[str, Any]], ...]:
    """Steps, evaluations, samples and revisions of a log, in the order of their steps."""
    events: dict[str, dict[int, dict[str, Any]]] = {kind: {} for kind in ("step", "evaluation", "sample", "revision")}
    for entry in _lines(path):
        step = entry.get("step")
        if entry.get("event") in events and isinstance(step, int):
            events[entry["event"]][step] = entry  # what was logged again after a resume counts
    return tuple([kind[step] for step in sorted(kind)] for kind in events.values())


def _measured(evaluations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**each, "bits_per_byte": _figures(each.get("bits_per_byte"))} for each in evaluations]


def _texts(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in samples if isinstance(each.get("text"), str)]


def mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def mappings(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def texts(value: Any) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def number_at(value: Any, *path: str) -> float | None:
    """The finite number at the end of a path of keys, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else None


def _columns(steps: list[dict[str, Any]], every: int) -> dict[str, list[float | None]]:
    """Every `every`-th step; the time between two that are kept is the sum of the times in between."""
    kept = steps[every - 1 :: every]
    columns = {name: [_rounded(number_at(entry, name)) for entry in kept] for name in COLUMNS}
    if every > 1:
        columns["elapsed"] = [_rounded(_elapsed(steps[i : i + every])) for i in range(0, every * len(kept), every)]
    return columns


def _elapsed(steps: list[dict[str, Any]]) -> float | None:
    """Seconds of training, pauses between steps included where they were logged."""
    times = [number_at(entry, "elapsed") or number_at(entry, "seconds") for entry in steps]
    known = [time for time in times if time is not None]
    return sum(known) if known else None


def _rounded(value: float | None) -> float | None:
    return value if value is None or isinstance(value, int) else float(f"{value:.{_DIGITS}g}")


def _figures(found: Any) -> dict[str, float]:
    return {source: value for source in mapping(found) if (value := number_at(found, source)) is not None}


def _object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return mapping(found)


def _lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a log that are whole."""
    found = []
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return []
    for line in lines:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return found

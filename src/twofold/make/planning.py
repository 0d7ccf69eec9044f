"""From wishes to a recipe: what the user said stays, and the plan decides the rest."""

from __future__ import annotations

import dataclasses
import json
import lzma
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twofold.data.corpus import Corpus
from twofold.data.settings import DataSettings
from twofold.errors import ConfigError
from twofold.make.recipe import MachineSettings, Recipe, TokenizerSettings, from_dict
from twofold.train.machine import Machine
from twofold.train.planner import BIGRAM_STEPS, LARGEST_BIGRAM, Budget, Plan, bytes_per_token, plan
from twofold.train.schedule import Schedule
from twofold.train.settings import TrainSettings
from twofold.tune.reinforce_settings import PolicySettings, ReinforceSettings
from twofold.tune.settings import TuneSettings

__all__ = ["AUTO", "WISHES", "Wishes", "planned", "written"]

WISHES = "wishes.json"  # in a run's folder: what it was begun with
AUTO = "auto"  # conversations that fit the text

_ALMANAC = 1.8726  # bits for a byte of its training text by LZMA, measured as _difficulty does
_ASSISTANT_SHARE, _ASSISTANT_SOON, _ASSISTANT_LATER = 0.5, 2.5, 0.2  # of all minutes; minutes; of those minutes
_REWARDS_FROM, _REWARDS_SHARE, _REWARDS_MOST = 20.0, 0.1, 10.0  # minutes; of all minutes; minutes
_LONGEST, _SHORTEST = 96, 64  # tokens of a call and of what is said about it, where that is half of the context
_REPLAY = 0.1  # of an assistant's rows are text, so that it is not forgotten
_PLANNED = {  # where the recipe holds what the plan decides
    "tokenizer.vocab_size": "vocab_size",
    "model.n_layers": "n_layers",
    "model.d_model": "d_model",
    "model.n_heads": "n_heads",
    "train.batch": "batch",
}


@dataclass(frozen=True)
class Wishes:
    """What the user asked for. `choices` are dotted places in the recipe, such as model.n_layers, and their values.

    `conversations` to learn to answer from: files, built-in sets, or AUTO; none leave a base model.
    """

    sources: tuple[str, ...] = ("almanac",)
    minutes: float = 8.0
    conversations: tuple[str, ...] = ()
    mix: dict[str, float] = field(default_factory=dict)
    text: DataSettings = field(default_factory=DataSettings)
    machine: MachineSettings = field(default_factory=MachineSettings)
    choices: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.minutes <= 60 * 24 * 365:
            raise ConfigError(f"minutes={self.minutes:g} is not a time to train for; try --minutes 5")

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def written(wanted: Wishes | Recipe) -> str:
    """As it stands in WISHES; a run goes on only with the same."""
    return json.dumps(wanted.to_dict(), indent=1, sort_keys=True)


def planned(wishes: Wishes, machine: Machine, corpus: Corpus) -> tuple[Recipe, dict[str, Any]]:
    """The recipe, and what the plan expects of it. Raises ConfigError for choices that cannot be."""
    minutes, assistant, rewards = _stages(wishes)
    fixed = {name: wishes.choices[place] for place, name in _PLANNED.items() if place in wishes.choices}
    context = wishes.choices.get("train.context", 256)
    ways = [Budget(60 * minutes, machine.peak, max(1, corpus.bytes("train")), context, compiled)
            for compiled in ((True, False) if machine.compiles else (False,))]
    budget, best = min(((way, plan(way, **fixed)) for way in ways), key=lambda each: each[1].bits_per_byte)
    base = Recipe(
        sources=wishes.sources, minutes=minutes, mix=dict(wishes.mix), text=wishes.text, model=best.model,
        tokenizer=TokenizerSettings(best.model.vocab_size),
        train=TrainSettings(batch=best.batch, context=context, schedule=Schedule(best.steps),
                            bigram_steps=BIGRAM_STEPS if best.model.vocab_size <= LARGEST_BIGRAM else 0),
        machine=MachineSettings(machine.device, machine.dtype, machine.threads, budget.compiled), assistant=assistant,
        rewards=rewards,
    )
    recipe = _chosen(base, wishes.choices)
    prediction = {
        "bits_per_byte": best.bits_per_byte * _difficulty(corpus), "tokens_per_second": best.tokens_per_second,
        "steps": best.steps, "tokens": best.tokens, "reasons": _reasons(best, budget),
    }
    return recipe, prediction


def _stages(wishes: Wishes) -> tuple[float, TuneSettings | None, ReinforceSettings | None]:
    """The minutes of the base model, and the stages after it.

    A few minutes teach an assistant what it will know of its conversations; what more time there is makes the base
    model better first. One that was taught to calculate then learns from whether it is right, if there is time.
    """
    if not wishes.conversations:
        return wishes.minutes, None, None
    data = tuple(name for one in wishes.conversations for name in (_fitting(wishes) if one == AUTO else (one,)))
    steps = wishes.choices.get("train.schedule.steps", 0)
    seed = wishes.choices.get("train.seed", 0)
    longest = min(_LONGEST, wishes.choices.get("train.context", 256) // 2)
    minutes, rewards = wishes.minutes, None
    if minutes >= _REWARDS_FROM and longest >= _SHORTEST and {"almanac", "everyday"} & set(data):
        share = min(_REWARDS_SHARE * minutes, _REWARDS_MOST)
        rewards = ReinforceSettings("arithmetic", policy=PolicySettings(longest=longest), minutes=share, steps=steps,
                                    seed=seed)  # fmt: skip
        minutes -= share
    share = min(_ASSISTANT_SHARE * minutes, _ASSISTANT_SOON + _ASSISTANT_LATER * minutes)
    return minutes - share, TuneSettings(data, minutes=share, steps=steps, replay=_REPLAY, seed=seed), rewards


def _fitting(wishes: Wishes) -> tuple[str, ...]:
    """Questions on the factbook where that was read; else talk and sums, and the text itself to go on with."""
    return ("almanac",) if {"almanac", "factbook"} & set(wishes.sources) else ("everyday", "text")


def _chosen(recipe: Recipe, choices: Mapping[str, Any]) -> Recipe:
    """The recipe with every dotted choice put in its place."""
    content = recipe.to_dict()
    for place, value in choices.items():
        *path, leaf = place.split(".")
        section = content
        for name in path:
            section = section.get(name, {})
        if not isinstance(section, dict) or leaf not in section:
            raise ConfigError(f"a recipe has no {place!r}; look at a run's recipe.toml for what there is to choose")
        section[leaf] = value
    derivations = {"d_head": ("d_model", "n_heads"), "n_kv_heads": ("n_heads",), "d_ff": ("d_model", "mlp")}
    for derived, causes in derivations.items():
        if f"model.{derived}" not in choices and any(f"model.{cause}" in choices for cause in causes):
            content["model"][derived] = 0
    content["model"]["context"] = content["train"]["context"]
    content["model"]["vocab_size"] = content["tokenizer"]["vocab_size"]
    if "train.schedule.steps" in choices:
        content["minutes"] = 0.0
    chosen: Recipe = from_dict(Recipe, content, "the recipe")
    return chosen


def _reasons(best: Plan, budget: Budget) -> list[str]:
    passes = best.tokens * bytes_per_token(best.model.vocab_size) / budget.text_bytes
    return [
        (f"at {best.tokens_per_second:,.0f} tokens a second, {best.tokens / 1e6:.1f} million tokens fit: "
        f"{passes:.1f} passes over the text"),
        f"{best.bigram_seconds:.0f} s go to fitting pairs of tokens, and some to compiling and measuring",
        "a larger model would see too little text in this time, a smaller one would learn less from it",
    ]


def _difficulty(corpus: Corpus, sample: int = 2_000_000) -> float:
    """How far LZMA gets on the training text, against how far it gets on the text that the law was fitted to."""
    text = b""
    for document in corpus.documents("train"):
        text += document.text.encode()
        if len(text) > sample:
            break
    return 8 * len(lzma.compress(text[:sample])) / max(1, len(text[:sample])) / _ALMANAC

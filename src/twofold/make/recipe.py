"""The recipe: all that decides a run, as one TOML file. The same recipe on the same machine gives the same bits.

    sources = ["almanac"]      [text] [mix] [tokenizer] [model] [train] [train.schedule] [train.optimiser] [machine]
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import tomli_w

from twofold.atomic import atomic_write
from twofold.data.settings import DataSettings
from twofold.errors import ConfigError, UserError
from twofold.model.config import ModelConfig
from twofold.train.settings import TrainSettings
from twofold.tune.reinforce_settings import ReinforceSettings
from twofold.tune.settings import TuneSettings

__all__ = ["MachineSettings", "Recipe", "TokenizerSettings", "from_dict", "read", "write"]


@dataclass(frozen=True)
class TokenizerSettings:
    vocab_size: int = 4096
    pre: str = "qwen2"


@dataclass(frozen=True)
class MachineSettings:
    """`dtype` and `threads` as measured when the recipe was resolved; they decide the last bits of every loss.

    A checkpoint is written when `save_seconds` have passed since the last, at the next tenth step; `keep` of them stay.
    """

    device: str = "auto"
    dtype: str = "auto"
    threads: int = 0
    compiled: bool = True
    save_seconds: float = 60.0
    keep: int = 2


@dataclass(frozen=True)
class Recipe:
    """`minutes` is the budget that the base model's plan was made for; 0 means that the schedule's steps alone decide.

    `assistant` says how the base model is then taught to answer; None leaves it as it is. `rewards` is what that
    assistant then learns from being right.
    """

    sources: tuple[str, ...]
    model: ModelConfig
    minutes: float = 0.0
    mix: dict[str, float] = field(default_factory=dict)
    text: DataSettings = field(default_factory=DataSettings)
    tokenizer: TokenizerSettings = field(default_factory=TokenizerSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    machine: MachineSettings = field(default_factory=MachineSettings)
    store: Literal["F32", "BF16", "F16", "Q8_0"] = "BF16"
    assistant: TuneSettings | None = None
    rewards: ReinforceSettings | None = None

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @property
    def hash(self) -> str:
        """SHA-256 of the recipe's canonical JSON."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()


def write(path: str | os.PathLike[str], recipe: Recipe) -> None:
    """TOML has no null: fields that are None are left out, and read back as their default, None."""
    atomic_write(path, tomli_w.dumps(_without_none(recipe.to_dict())))


def read(path: str | os.PathLike[str]) -> Recipe:
    """Raises ConfigError for a file that is absent, not TOML, or holds a field or value that a recipe has not."""
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path} is not a recipe: {error}") from error
    recipe: Recipe = from_dict(Recipe, content, str(path))
    return recipe


def from_dict(kind: type, content: Mapping[str, Any], where: str) -> Any:
    """A frozen record of `kind` from plain values, each name and type checked. Raises ConfigError."""
    hints = typing.get_type_hints(kind)
    unknown = sorted(content.keys() - hints.keys())
    if unknown:
        raise ConfigError(f"{where}: there is no {unknown[0]!r}; what there is: {', '.join(hints)}")
    values = {name: _value(hints[name], value, f"{where}: {name}") for name, value in content.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ConfigError(f"{where}: {error}") from error
    except UserError as error:
        raise ConfigError(f"{where}: {error}") from error


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint) and isinstance(value, Mapping):
        return from_dict(typing.cast(type, hint), value, where)
    if isinstance(hint, types.UnionType):
        records = [one for one in typing.get_args(hint) if dataclasses.is_dataclass(one)]
        return _value(records[0], value, where) if records and value is not None else value
    origin = typing.get_origin(hint)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(tuple(item) if isinstance(item, list) else item for item in value)
    if origin is Literal and value in typing.get_args(hint):
        return value
    wanted = {dict: Mapping, float: (int, float)}.get(origin or hint, origin or hint)
    if isinstance(wanted, type | tuple) and isinstance(value, wanted) and (hint is bool or not isinstance(value, bool)):
        return float(typing.cast(float, value)) if hint is float else value
    raise ConfigError(f"{where} = {value!r} is not {getattr(hint, '__name__', hint)}")


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return value

"""Options that choose a place in the recipe: `--layers 4` and `--set model.n_layers=4` are the same wish."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from twofold.errors import ConfigError

__all__ = ["choices", "parse_sets"]


def parse_sets(pairs: Sequence[str]) -> dict[str, Any]:
    """["train.optimiser.lr=0.03"] as {"train.optimiser.lr": 0.03}; what is not JSON is a text. Raises ConfigError."""
    found: dict[str, Any] = {}
    for pair in pairs:
        place, equals, value = pair.partition("=")
        if not equals or not place.strip():
            raise ConfigError(f"--set {pair!r} is not of the form PLACE=VALUE, as in train.optimiser.lr=0.03")
        try:
            found[place.strip()] = json.loads(value)
        except ValueError:
            found[place.strip()] = value
    return found


def choices(sets: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """All that was chosen. Raises ConfigError for a place that is chosen twice, differently."""
    found = dict(sets)
    for place, value in options.items():
        if value is None:
            continue
        if place in found and found[place] != value:
            raise ConfigError(f"{place} is chosen twice: {found[place]!r} and {value!r}")
        found[place] = value
    return found

"""How much of each source: `sotu=1,factbook=2` makes the factbook twice as likely as its size alone would."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from twofold.errors import ConfigError

__all__ = ["parse_mix", "weights"]


def parse_mix(text: str) -> dict[str, float]:
    """"sotu=1,factbook=2" as {"sotu": 1.0, "factbook": 2.0}. Raises ConfigError."""
    mix: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, number = part.rpartition("=")
        try:
            mix[name.strip()] = float(number)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise ConfigError(f"mix {text!r}: {part!r} is not of the form source=weight, as in sotu=1,factbook=2")
    return mix


def weights(mix: Mapping[str, float], sources: Sequence[str]) -> dict[str, float]:
    """A weight for every source, 1 where `mix` says nothing. Raises ConfigError for unknown names and bad numbers."""
    for name, weight in mix.items():
        if name not in sources:
            raise ConfigError(f"mix names {name!r}, which is not among the sources: {', '.join(sources)}")
        if not (math.isfinite(weight) and weight >= 0):
            raise ConfigError(f"mix gives {name!r} the weight {weight}; a weight is a number of 0 or more")
    return {name: float(mix.get(name, 1.0)) for name in sources}

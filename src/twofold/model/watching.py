"""Open taps for a while: look at what a pass computes, or change it.

    with recording(model, "blocks.*.attn.hook_pattern") as seen:
        model(ids)
    seen["blocks.3.attn.hook_pattern"]                       [b, h, q, k]

    with tapped(model, {"blocks.3.hook_mlp_out": lambda value, name: torch.zeros_like(value)}):
        model(ids)                                           without the MLP of block 3

It holds for whatever runs the model inside the `with`: a call, a step of training, generation on torch. Only passes of
the same thread are looked at, so that a model which a server uses at the same time answers as ever. Code that was
compiled rests meanwhile, and the same blocks run eagerly: what is shown is what that pass computed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from fnmatch import fnmatchcase
from threading import Lock, get_ident
from typing import Any

import torch
from torch import Tensor

from twofold.errors import ConfigError, TwofoldError
from twofold.model.decoder import Decoder
from twofold.model.tap import ON_REQUEST, Act, Owned, Tap, places

__all__ = ["Record", "chosen", "recording", "tapped"]

_changing = Lock()  # two threads may open taps on one model


class Record(Mapping[str, Tensor]):
    """What went by, by place, in the order of the pass; of a place that was passed several times, the latest."""

    def __init__(self) -> None:
        self.passes: dict[str, list[Tensor]] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self.passes:
            raise ConfigError(f"nothing was recorded at {name!r}; {_nearest(name, list(self.passes))}")
        return self.passes[name][-1]

    def __iter__(self) -> Iterator[str]:
        return iter(self.passes)

    def __len__(self) -> int:
        return len(self.passes)

    def __contains__(self, name: object) -> bool:
        return name in self.passes

    def each(self, name: str) -> list[Tensor]:
        """The value of each pass, such as of each token that was generated."""
        return [] if name not in self else self.passes[name]

    def first_unsound(self) -> str | None:
        """The first place with a value that is no number: NaN, or infinite (as scores are where nobody may look)."""
        for name, values in self.passes.items():
            masked = name.endswith("hook_attn_scores")
            if any(bool((value.isnan() if masked else ~value.isfinite()).any()) for value in values):
                return name
        return None

    def check(self) -> None:
        """Raise TwofoldError where a value is no number, with the place where that began."""
        if place := self.first_unsound():
            raise TwofoldError(
                f"the model's own numbers are not sound: {place} is the first place with NaN or infinity; "
                "the parameters may be damaged, or the training they come from diverged"
            )


def chosen(model: Decoder, pattern: str) -> list[str]:
    """The places that a name or a pattern such as `blocks.*.hook_mlp_out` means.

    Raises ConfigError, with the nearest names, where there is none.
    """
    everywhere = places(model.config)
    if pattern in everywhere:
        return [pattern]
    named = ON_REQUEST in pattern
    found = [name for name in everywhere if fnmatchcase(name, pattern) and (named or not name.endswith(ON_REQUEST))]
    if not found:
        raise ConfigError(f"there is no place {pattern!r} in this model; {_nearest(pattern, everywhere)}")
    return found


@contextmanager
def tapped(model: Decoder, acts: Mapping[str, Act]) -> Iterator[None]:
    """Inside the block, `act(value, name)` is asked at every place that its name or pattern means.

    An act gives the value to go on with, or None for the one that is there; it must not write into it. Acts at one
    place are asked in the order in which they were opened, each with what the one before gave. Raises ConfigError.
    """
    mine: dict[str, dict[str, list[Owned]]] = {}
    for pattern, act in acts.items():
        owned = (get_ident(), act, object())
        for place in chosen(model, pattern):
            module, _, name = place.rpartition(".")
            mine.setdefault(module, {}).setdefault(name, []).append(owned)
    compiled = "torch._dynamo" in sys.modules
    _change(model, mine, opening=True)
    try:
        with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            yield
    finally:
        _change(model, mine, opening=False)


@contextmanager
def recording(model: Decoder, *names: str) -> Iterator[Record]:
    """Keep what goes by at these places, or everywhere. Nothing is copied, and no bit of the pass changes.

    The scores and the pattern of attention are written down by no fused kernel; they are computed beside it, from the
    same queries and keys.
    """
    seen = Record()

    def keep(value: Tensor, name: str) -> None:
        seen.passes.setdefault(name, []).append(value)

    with tapped(model, dict.fromkeys(names or ("*",), keep)):
        yield seen


def _change(model: Decoder, mine: Mapping[str, Mapping[str, list[Owned]]], *, opening: bool) -> None:
    """Put acts at their places, or take them away. A pass under way in another thread keeps the taps that it holds."""
    with _changing:
        for module, wanted in mine.items():
            owner: Any = model.get_submodule(module)
            acts = {} if owner.tap is None else dict(owner.tap.acts)
            for name, owned in wanted.items():
                there = acts.pop(name, ())
                left = (*there, *owned) if opening else tuple(one for one in there if one not in owned)
                if left:
                    acts[name] = left
            if acts:
                owner.tap = Tap(module, acts)
            else:
                del owner.tap  # the class says None, and compiled code is sure of that


def _nearest(name: str, among: list[str]) -> str:
    near = get_close_matches(name, among, n=3, cutoff=0.5)
    return f"did you mean {' or '.join(near)}?" if near else f"the places are named like {', '.join(among[:3])}"

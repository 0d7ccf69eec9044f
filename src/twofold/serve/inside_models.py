"""The models that are looked into: in torch, beside those that answer, and what was last seen in them.

The server answers with run.c, which shows nothing of what is on the way; here the same file is opened once more, the
first time that someone looks. Taps hold for passes of their own thread only, so answers go on meanwhile.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.errors import require
from twofold.serve.problems import Problem
from twofold.serve.shelf import Served
from twofold.serve.wire_inside import Asked

if TYPE_CHECKING:
    from torch import Tensor

    from twofold.circuits.look import Look
    from twofold.model.decoder import Decoder

__all__ = ["MOST", "Inside", "steps_of"]

MOST = 256  # tokens of a text that are shown: patterns grow with their square
DECODERS = 4  # that are kept, checkpoints among them
BYTES = 512 << 20  # of activations that are kept


@dataclass
class Inside:
    """One thread at a time computes; what was computed for the last texts is kept, so that a panel can ask for more."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    _decoders: OrderedDict[tuple[str, int | None], Decoder] = field(default_factory=OrderedDict)
    _looks: OrderedDict[object, Look] = field(default_factory=OrderedDict)

    def decoder(self, served: Served, step: int | None = None) -> Decoder:
        """Raises MissingExtra, FileFormatError, ConfigError, and Problem 404 for a checkpoint that there is not."""
        require("torch", "train", "looking inside a model")
        with self.lock:
            place = served.name, step
            if place not in self._decoders:
                self._decoders[place] = _opened(served, step)
                while len(self._decoders) > DECODERS:
                    self._decoders.popitem(last=False)
            self._decoders.move_to_end(place)
            return self._decoders[place]

    def ids(self, served: Served, text: str) -> list[int]:
        """As the model would read it to go on from it. Raises Problem 400 for more than is shown, or than it reads."""
        ids = served.engine.prompt(text, parse_special=True)
        most = min(MOST, served.engine.context)
        if len(ids) > most:
            why = f"the context of {served.name} is {most}" if most < MOST else f"this page shows {most} at most"
            raise Problem(400, f"the text is {len(ids):,} tokens long, and {why}; shorten it", param="text",
                          code="context_length_exceeded")  # fmt: skip
        return ids

    @contextmanager
    def looking(self, served: Served, asked: Asked, *, whole: bool = False) -> Iterator[Look]:
        """What one pass of the text showed, with the parts cut out that are `asked` for, or with the `whole` model.

        Inside the block they are cut out, or, where there is an `other` text, as they are in it; and nobody else
        computes. Raises what `decoder` and `ids` raise, ConfigError for parts that there are not, and TwofoldError
        where the model's numbers are not sound.
        """
        from twofold.circuits.look import look
        from twofold.circuits.patching import ablated
        from twofold.circuits.reading import row

        with self.lock:
            model, ids = self.decoder(served, asked.step), self.ids(served, asked.text)
            heads = [] if whole else sorted({(layer, head) for layer, head in asked.heads})
            mlps = [] if whole else sorted(set(asked.mlps))
            others = self._other(served, asked, len(ids)) if heads or mlps else None
            key = (served.name, asked.step, tuple(ids), tuple(heads), tuple(mlps), asked.other if others else None)
            with ablated(model, heads, mlps, others):
                if key not in self._looks:
                    self._looks[key] = look(model, row(model, ids))
                    self._forget()
                self._looks.move_to_end(key)
                yield self._looks[key]

    def _other(self, served: Served, asked: Asked, n: int) -> dict[str, Tensor] | None:
        """What each part gives in the other text, by place: heads [h, s, e], MLPs [s, d]."""
        if asked.other is None:
            return None
        with self.looking(served, asked.model_copy(update={"text": asked.other}), whole=True) as them:
            if (there := them.ids.shape[1]) != n:
                raise Problem(400, f"the other text is {there} tokens long and this one {n}; parts can be exchanged "
                              "only between texts of one length", param="other")  # fmt: skip
            ends = {"hook_z": lambda value: value[0].transpose(0, 1), "hook_mlp_out": lambda value: value[0]}
            return {name: take(value) for name, value in them.record.items() for end, take in ends.items()
                    if name.endswith(end)}  # fmt: skip

    def _forget(self) -> None:
        """The oldest, until what is left fits; two stay, since what is cut is compared with what is whole."""
        sizes = [sum(value.nbytes for value in one.record.values()) + one.logits.nbytes for one in self._looks.values()]
        while len(sizes) > 2 and sum(sizes) > BYTES:
            self._looks.popitem(last=False)
            del sizes[0]


def steps_of(served: Served) -> list[int]:
    """The checkpoints that stand beside the model's file."""
    return [] if served.engine.path is None else [int(path.name) for path in _checkpoints(served.engine.path)]


def _checkpoints(path: Path) -> list[Path]:
    return sorted(one for one in (path.resolve().parent / "checkpoints").glob("[0-9]*") if one.name.isdigit())


def _opened(served: Served, step: int | None) -> Decoder:
    from twofold.model.decoder import Decoder
    from twofold.weights.parameters import load
    from twofold.weights.torch_state import to_decoder

    path = served.engine.path
    if path is None:
        raise Problem(400, f"{served.name} was not opened from a file, so it cannot be looked into")
    if step is None:
        return to_decoder(load(path)).requires_grad_(False)
    from twofold.train.checkpoint import restore_model

    found = [one for one in _checkpoints(path) if int(one.name) == step]
    if not found:
        raise Problem(404, f"there is no checkpoint of step {step:,} beside {served.name}; load the page again",
                      param="step")  # fmt: skip
    model = Decoder(served.engine.config)
    restore_model(found[0], model)
    return model.requires_grad_(False)

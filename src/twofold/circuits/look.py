"""One text through one model: all that a page shows of it, from one pass.

    seen = look(model, ids)
    seen.pattern(3)            [h, s, s]   who looks at whom in layer 3
    seen.lens()                what the model would say after each layer, at each position
    seen.next(temperature=1)   what it says in the end
    seen.attribution()         what each head and MLP wrote towards the likeliest next token
    seen.meeting(3, 0, q, k)   the numbers of one query and one key

    without(model, ids, heads=[(3, 0)])    the same end with parts taken away
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from twofold.circuits.attribution import Attribution, attribute
from twofold.circuits.lens import Lens, lens_of
from twofold.circuits.patching import Head, ablated
from twofold.model.decoder import Decoder
from twofold.model.watching import Record, recording

__all__ = ["Look", "Meeting", "Next", "look", "without"]


@dataclass(frozen=True)
class Meeting:
    """A query and a key as they meet, [e] each: their products add up to `score` · √e."""

    query: Float[Tensor, " e"]
    key: Float[Tensor, " e"]
    value: Float[Tensor, " e"]
    score: float
    weight: float

    @property
    def products(self) -> Float[Tensor, " e"]:
        return self.query * self.key


@dataclass(frozen=True)
class Next:
    ids: list[int]
    probabilities: list[float]


@dataclass(frozen=True)
class Look:
    """`record` holds every activation; the rest is computed from it as it is asked for."""

    model: Decoder
    ids: Int[Tensor, "1 s"]
    record: Record
    logits: Float[Tensor, "s v"]

    def pattern(self, layer: int) -> Float[Tensor, "h s s"]:
        return self.record[f"blocks.{layer}.attn.hook_pattern"][0]

    def patterns_as_bytes(self) -> bytes:
        """Every pattern, layer by layer and head by head, a byte a weight: 255 is all of the attention."""
        layers = range(self.model.config.n_layers)
        return b"".join((self.pattern(i) * 255).round().to(torch.uint8).cpu().numpy().tobytes() for i in layers)

    def lens(self, k: int = 5) -> Lens:
        """What the model would say after each layer, at each position."""
        return lens_of(self.model, self.ids, self.record, k)

    def next(self, position: int = -1, k: int = 10, temperature: float = 1.0) -> Next:
        best = (self.logits[position] / max(temperature, 1e-6)).softmax(-1).topk(min(k, self.logits.shape[-1]))
        return Next(best.indices.tolist(), best.values.tolist())

    def attribution(self, token: int | None = None, against: int | None = None, position: int = -1) -> Attribution:
        """Of the likeliest next token, if none is named."""
        token = int(self.logits[position].argmax()) if token is None else token
        return attribute(self.model, self.ids, token, against, position)

    def meeting(self, layer: int, head: int, query: int, key: int) -> Meeting:
        """The chosen pair of positions in one head."""
        config, at = self.model.config, f"blocks.{layer}.attn."
        shared = head // (config.n_heads // config.n_kv_heads)
        return Meeting(
            self._meets(layer, "q")[0, query, head], self._meets(layer, "k")[0, key, shared],
            self.record[f"{at}hook_v"][0, key, shared],
            float(self.record[f"{at}hook_attn_scores"][0, head, query, key]),
            float(self.record[f"{at}hook_pattern"][0, head, query, key]),
        )  # fmt: skip

    def _meets(self, layer: int, letter: str) -> Float[Tensor, "1 s n e"]:
        """Queries or keys as they are multiplied: normed and turned where the model does so."""
        at = f"blocks.{layer}.attn."
        if self.model.config.positions == "rotary":
            return self.record[f"{at}hook_rot_{letter}"]
        if self.model.config.qk_norm:
            norm: Any = self.model.get_submodule(f"{at}{letter}_norm")
            bias = getattr(norm, "b", None)
            return self.record[f"{at}{letter}_norm.hook_normalized"] * norm.w + (0 if bias is None else bias)
        return self.record[f"{at}hook_{letter}"]

    def neurons(self, layer: int, position: int = -1, k: int = 10) -> list[tuple[int, float]]:
        """The MLP's most active neurons there, with their activations."""
        post = self.record[f"blocks.{layer}.mlp.hook_post"][0, position]
        top = post.abs().topk(min(k, len(post))).indices
        return list(zip(top.tolist(), post[top].tolist(), strict=True))


@torch.no_grad()
def look(model: Decoder, ids: Int[Tensor, "1 s"]) -> Look:
    """Raises TwofoldError, with the place, where the model's numbers are not sound."""
    with recording(model) as seen:
        logits = model(ids)[0]
    seen.check()
    return Look(model, ids, seen, logits)


@torch.no_grad()
def without(
    model: Decoder, ids: Int[Tensor, "1 s"], heads: Iterable[Head] = (), mlps: Iterable[int] = (),
    position: int = -1, k: int = 10,
) -> Next:
    """What the model says with these heads and MLPs giving zeros."""
    with ablated(model, heads, mlps):
        best = model(ids)[0, position].softmax(-1).topk(min(k, model.config.vocab_size))
    return Next(best.indices.tolist(), best.values.tolist())

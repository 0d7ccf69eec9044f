"""The logit lens: what the model would say if it ended here.

    logits after layer l = W_U norm_final(resid_post of layer l)

nostalgebraist 2020, "interpreting GPT: the logit lens". After the last layer it is what the model says. It assumes that
early layers already write in the last one's language, which is often so only roughly.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from twofold.circuits.matrices import plain
from twofold.model.decoder import Decoder
from twofold.model.watching import Record, recording

__all__ = ["Lens", "lens", "lens_of", "logits_of", "stream_places"]


@dataclass(frozen=True)
class Lens:
    """By place, from the embedding on, and position: the k likeliest next tokens, their chances, and the surprise.

    `nats` is what the token that really comes next costs there; the last position has none.
    """

    places: list[str]
    ids: Int[Tensor, "l s k"]
    probabilities: Float[Tensor, "l s k"]
    nats: Float[Tensor, "l s1"]


@torch.no_grad()
def lens(model: Decoder, ids: Int[Tensor, "1 s"], k: int = 5) -> Lens:
    """Of one text. Raises TwofoldError where the model's numbers are not sound."""
    with recording(model, *stream_places(model)) as seen:
        model.hidden(ids)
    seen.check()
    return lens_of(model, ids, seen, k)


@torch.no_grad()
def lens_of(model: Decoder, ids: Int[Tensor, "1 s"], seen: Record, k: int = 5) -> Lens:
    """Of what was recorded."""
    names = stream_places(model)
    tops, chances, nats = [], [], []
    for name in names:  # one layer at a time: a row of logits for each position is the largest thing here
        log_p = logits_of(model, seen[name][0]).log_softmax(-1)
        best = log_p.topk(min(k, log_p.shape[-1]))
        tops.append(best.indices)
        chances.append(best.values.exp())
        nats.append(-log_p[:-1].gather(-1, ids[0, 1:, None])[:, 0])
    return Lens(names, torch.stack(tops), torch.stack(chances), torch.stack(nats))


def logits_of(model: Decoder, stream: Float[Tensor, "*b d"]) -> Float[Tensor, "*b v"]:
    """What the model's end makes of a vector in the stream."""
    return F.linear(model.ln_final(stream), plain(model.W_U))


def stream_places(model: Decoder) -> list[str]:
    """Before the first layer, and after each."""
    n = model.config.n_layers
    return ["blocks.0.hook_resid_pre" if n else "hook_embed", *(f"blocks.{i}.hook_resid_post" for i in range(n))]

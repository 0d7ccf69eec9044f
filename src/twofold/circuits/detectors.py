"""What kind of head is it? Measured on random tokens, where nothing is to be known but what stood there before.

    previous     mean of A[i, i−1]
    duplicate    attention from a token to its own earlier copies
    prefix       attention from a token to the tokens after its earlier copies: an induction head looks there
    copying      of the scores that a head raises, the share that falls on the token it looks at most

Olsson et al. 2022, "In-context Learning and Induction Heads", appendix "Head Activation Evaluators": 25 random tokens,
four times over, after bos; the mean over ten such texts. There the copying evaluator takes 25 tokens once; the head's
output through the direct path, over those tokens' scores, less their mean, and only what is raised; the share from 0 to
½ stands for −1 to 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from twofold.circuits.matrices import unembedding
from twofold.errors import ConfigError
from twofold.model.decoder import Decoder
from twofold.model.watching import recording

__all__ = ["HeadScores", "detect", "in_context_score", "repeated"]


@dataclass(frozen=True)
class HeadScores:
    """`uniform` is what a head that looks everywhere alike gets."""

    previous: Float[Tensor, "l h"]
    duplicate: Float[Tensor, "l h"]
    prefix: Float[Tensor, "l h"]
    copying: Float[Tensor, "l h"]
    uniform: dict[str, float]


def repeated(
    model: Decoder, length: int = 25, times: int = 4, texts: int = 10, seed: int = 0, bos: int | None = None
) -> Int[Tensor, "n s"]:
    """Random tokens, all different within a text, `times` over. Raises ConfigError where the context has no room."""
    config, start = model.config, 0 if bos is None else 1
    if start + length * times > config.context or length > config.vocab_size - start:
        raise ConfigError(
            f"{times} times {length} random tokens do not fit a context of {config.context} and a vocabulary of "
            f"{config.vocab_size}; ask for fewer or shorter ones"
        )
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for _ in range(texts):
        drawn = torch.randperm(config.vocab_size, generator=generator)
        once = drawn[drawn != bos][:length] if bos is not None else drawn[:length]
        rows.append(torch.cat([torch.full((start,), bos or 0), once.repeat(times)]))
    return torch.stack(rows).to(model.W_E.device)


@torch.no_grad()
def detect(
    model: Decoder, length: int = 25, times: int = 4, texts: int = 10, seed: int = 0, bos: int | None = None
) -> HeadScores:
    """Of every head. Raises ConfigError for a model without layers, or whose context is too short."""
    if not model.config.n_layers:
        raise ConfigError("this model has no layers, and so no heads to look for")
    ids, start = repeated(model, length, times, texts, seed, bos), 0 if bos is None else 1
    s, place = ids.shape[1], torch.arange(ids.shape[1], device=ids.device)
    apart = place[:, None] - place[None, :]  # query less key
    later = place[:, None] >= start + length  # a token that has an earlier copy
    inside = (place[None, :] >= start) & later
    wanted = {
        "previous": (apart == 1).float() / (s - 1),
        "duplicate": (inside & (apart > 0) & (apart % length == 0)).float() / (s - start - length),
        "prefix": (inside & (apart > 0) & (apart % length == length - 1)).float() / (s - start - length),
    }
    flat = torch.ones(s, s, device=ids.device).tril() / (place + 1)[:, None]
    found: dict[str, list[Tensor]] = {name: [] for name in wanted}
    for row in ids.split(1):
        with recording(model, "*.hook_pattern") as seen:
            model.hidden(row)
        pattern = torch.stack([seen[name][0] for name in seen])  # [l, h, q, k]
        for name, mask in wanted.items():
            found[name].append(torch.einsum("lhqk,qk->lh", pattern, mask))
    scores = {name: torch.stack(each).mean(0) for name, each in found.items()}
    chance = {name: float((flat * mask).sum()) for name, mask in wanted.items()}
    return HeadScores(**scores, copying=_copying(model, ids[:, : start + length], start), uniform=chance)


def _copying(model: Decoder, ids: Int[Tensor, "n s"], start: int) -> Float[Tensor, "l h"]:
    """Each head's z through W_O and the unembedding, over the text's own tokens."""
    reads = unembedding(model)
    shares = []
    for row in ids.split(1):
        with recording(model, "*.hook_pattern", "*.hook_result") as seen:
            model.hidden(row)
        written = torch.stack([seen[name][0] for name in seen if name.endswith("result")])  # [l, s, h, d]
        pattern = torch.stack([seen[name][0] for name in seen if name.endswith("pattern")])
        raised = written[:, start:] @ reads[row[0, start:]].T  # [l, q, h, tokens of the text]
        raised = F.relu(raised - raised.mean(-1, keepdim=True)).transpose(1, 2)
        looked = pattern[:, :, start:, start:].argmax(-1, keepdim=True)
        share = raised.gather(-1, looked)[..., 0] / raised.sum(-1).clamp(min=1e-30)
        shares.append(share.mean(-1))
    return (4 * torch.stack(shares).mean(0) - 1).clamp(-1, 1)


@torch.no_grad()
def in_context_score(model: Decoder, rows: Int[Tensor, "b s1"], late: int = 500, early: int = 50) -> float:
    """Nats at token `late` less nats at token `early`, over texts; the further below 0, the more a context helps.

    Raises ConfigError for texts that are shorter.
    """
    if not 0 <= early < late < rows.shape[1] - 1:
        raise ConfigError(f"the tokens {early} and {late} are not both in texts of {rows.shape[1] - 1}; "
                          "name earlier ones")  # fmt: skip
    total = 0.0
    for row in rows.split(8):
        hidden = model.hidden(row[:, :-1])[:, [early, late]]
        nats = F.cross_entropy((hidden @ model.W_U.T).flatten(0, 1), row[:, [early + 1, late + 1]].flatten(),
                               reduction="none").view(-1, 2)  # fmt: skip
        total += float((nats[:, 1] - nats[:, 0]).sum())
    return total / len(rows)

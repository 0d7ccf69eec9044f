"""A Decoder as a backend: on any device, in any float type; and the fast way to score many rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int

from twofold.contracts import Sampling
from twofold.engine.backend import CacheKind, Reads
from twofold.engine.sampling import draw
from twofold.errors import ConfigError
from twofold.model.decoder import Decoder
from twofold.model.devices import DTYPES, pick_device
from twofold.weights.parameters import load
from twofold.weights.torch_state import to_decoder

__all__ = ["TorchBackend", "TorchCache", "load_backend", "score_rows"]

BATCH_TOKENS = 16384  # that go through the blocks at a time
SCORES = 1 << 22  # logits that exist at a time: 16 MiB in float32, which a cache can hold


class TorchCache:
    """One dict of keys and values a block, which grow as needed, so that `room` is only a number."""

    def __init__(self, model: Decoder, room: int) -> None:
        self.room, self.blocks = room, model.new_cache()
        self.positions = 0

    @property
    def length(self) -> int:
        return self.positions

    def keep(self, n: int) -> None:
        self._take(self, n, copy=False)

    def copy_from(self, other: TorchCache, n: int) -> None:
        self._take(other, n, copy=True)

    def _take(self, other: TorchCache, n: int, copy: bool) -> None:
        self.positions = min(other.positions, n)
        first = [{name: kv[:, :, : self.positions] for name, kv in block.items()} for block in other.blocks]
        self.blocks = [{name: kv.clone() if copy else kv for name, kv in block.items()} for block in first]
        if not self.positions:
            self.blocks = [{} for _ in self.blocks]


class TorchBackend:
    """Matrix products run in `dtype`, on the device of the model; the texts of a step one after another."""

    name = "torch"

    def __init__(self, model: Decoder, dtype: torch.dtype = torch.float32) -> None:
        self.model, self.dtype = model, dtype

    def new_cache(self, room: int, kind: CacheKind | None = None) -> TorchCache:
        return TorchCache(self.model, room)

    def step(self, reads: Reads, every: bool = False) -> np.ndarray:
        return np.concatenate([self._read(cache, ids, every) for cache, ids in reads])

    def _read(self, cache: TorchCache, ids: Sequence[int], every: bool) -> np.ndarray:
        with torch.inference_mode():
            x = self.model.hidden(self._table(ids), self.dtype, cache.blocks)[0]
            cache.positions += len(ids)
            return F.linear(x if every else x[-1:], self.model.W_U.to(self.dtype)).float().cpu().numpy()

    def _table(self, ids: Sequence[int]) -> torch.Tensor:
        return torch.tensor([list(ids)], device=self.model.W_E.device)

    def draw(self, logits: np.ndarray, sampling: Sampling, u: float, recent: Sequence[int]) -> tuple[int, float]:
        return draw(logits, sampling, u, recent)

    def states(self, ids: Sequence[int]) -> np.ndarray:
        with torch.inference_mode():
            return self.model.hidden(self._table(ids), self.dtype)[0].float().cpu().numpy()

    def score_rows(self, rows: np.ndarray) -> np.ndarray:
        return score_rows(self.model, rows, self.dtype)


def load_backend(path: Path, device: str = "auto", dtype: str = "float32") -> TorchBackend:
    """A parameters file on a device; `auto` takes CUDA, else Apple's, else the CPU.

    Raises ConfigError for a device or dtype that there is not.
    """
    if dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r} is not one of {', '.join(DTYPES)}")
    model = to_decoder(load(path)).requires_grad_(False).to(pick_device(device))
    return TorchBackend(model, DTYPES[dtype])


def score_rows(
    model: Decoder,
    rows: Int[np.ndarray, "n row"],
    dtype: torch.dtype = torch.float32,
    batch: int | None = None,
) -> Float[np.ndarray, "n s"]:
    """Nats of tokens 1 … of each row of s + 1 ids, float32 [n, s].

    `batch` rows go through the blocks at a time. The scores over the vocabulary, by far the largest array, exist for a
    few positions at a time, and are float32 whatever `dtype` the products run in.
    """
    device = model.W_E.device
    batch = batch or max(1, BATCH_TOKENS // rows.shape[1])
    step = max(1, SCORES // model.config.vocab_size)
    with torch.inference_mode():
        nats = torch.empty(rows.shape[0], rows.shape[1] - 1, device=device)
        head = model.W_U.to(dtype)
        for at in range(0, len(rows), batch):
            ids = torch.from_numpy(rows[at : at + batch].astype(np.int64)).to(device)
            parts = model.hidden(ids[:, :-1], dtype).flatten(0, 1).split(step)
            targets = ids[:, 1:].flatten().split(step)
            costs = [_costs(F.linear(part, head).float(), target) for part, target in zip(parts, targets, strict=True)]
            nats[at : at + batch] = torch.cat(costs).view(len(ids), -1)
        return nats.cpu().numpy()


def _costs(logits: Float[torch.Tensor, "n v"], target: Int[torch.Tensor, " n"]) -> Float[torch.Tensor, " n"]:
    return logits.logsumexp(-1) - logits.gather(-1, target[:, None])[:, 0]

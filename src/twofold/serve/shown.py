"""A network as it is shown: what it is, how well it reads, and a word about it."""

from __future__ import annotations

from dataclasses import dataclass

from twofold.neuron.images import Digits
from twofold.neuron.saved import AnyNetwork
from twofold.neuron.scoring import Score, score

__all__ = ["Shown"]


@dataclass(frozen=True)
class Shown:
    network: AnyNetwork
    score: Score  # on the held-out images
    told: str

    @classmethod
    def measured(cls, network: AnyNetwork, digits: Digits, told: str) -> Shown:
        return cls(network, score(network, digits.held_out), told)

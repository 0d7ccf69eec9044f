"""What training on something else has changed: two models of one shape, matrix by matrix and head by head.

    ‖W' − W‖ / ‖W‖        of every matrix
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from twofold.circuits.factored import FactoredMatrix
from twofold.circuits.matrices import heads
from twofold.errors import ConfigError
from twofold.model.decoder import Decoder

__all__ = ["Changes", "changes"]


@dataclass(frozen=True)
class Changes:
    """Relative, of every parameter by name; and of what each head looks for (QK) and moves (OV), [l, h]."""

    parameters: dict[str, float]
    QK: Float[Tensor, "l h"]
    OV: Float[Tensor, "l h"]


@torch.no_grad()
def changes(before: Decoder, after: Decoder) -> Changes:
    """Raises ConfigError for models of different shapes."""
    if before.config != after.config:
        unlike = [name for name, value in before.config.to_dict().items() if value != after.config.to_dict()[name]]
        raise ConfigError(f"these models differ in shape ({', '.join(unlike)}), so no number of the one belongs to one "
                          "of the other")  # fmt: skip
    theirs = dict(after.named_parameters())
    parameters = {name: _relative(value, theirs[name]) for name, value in before.named_parameters()}
    shape = before.config.n_layers, before.config.n_heads
    first, second = heads(before), heads(after)
    found = []
    for one, other in ((_exact(first.QK), _exact(second.QK)), (_exact(first.OV), _exact(second.OV))):
        # ‖X − Y‖² = ‖X‖² − 2 tr(XᵀY) + ‖Y‖², none of them written out; what is left of the sum may be tiny
        together = (one.T @ other).trace()
        apart = one.norm().square() - 2 * together + other.norm().square()
        found.append((apart.clamp(min=0).sqrt() / one.norm().clamp(min=1e-30)).float().view(shape))
    return Changes(parameters, *found)


def _exact(one: FactoredMatrix) -> FactoredMatrix:
    return FactoredMatrix(one.A.double(), one.B.double())


def _relative(before: Tensor, after: Tensor) -> float:
    return float((after - before).norm() / before.norm().clamp(min=1e-30))

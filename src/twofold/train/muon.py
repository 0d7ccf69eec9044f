"""Muon: a step for a matrix that moves all its singular directions equally far.

    m = mu m + (1 - mu) g;   u = (1 - mu) g + mu m;   W = W - lr * sqrt(max(1, rows/cols)) * polar(u)

polar(u) = U Vᵀ of the SVD u = U S Vᵀ, reached by a few odd polynomials of matrix products alone:

    X = a X + b (X Xᵀ) X + c (X Xᵀ)² X

Jordan et al. 2024 (Muon); the coefficients are Polar Express, Amsel et al. 2025, arXiv:2505.16932, table 1:
the best for singular values between 0.001 and 1 at each number of steps so far.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Muon", "polar"]

POLAR_EXPRESS = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
)
_SAFETY = 1.01  # each polynomial blows up just beyond its interval, and rounding must not reach there
_COEFFICIENTS = tuple((a / _SAFETY, b / _SAFETY**3, c / _SAFETY**5) for a, b, c in POLAR_EXPRESS)


def polar(
    matrices: Float[Tensor, "n r c"], steps: int = 5, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "n r c"]:
    """The nearest semi-orthogonal matrix to each of `matrices`, approximately (singular values within about 0.3 of 1)."""
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.mT
    x = (x / (_SAFETY * x.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(dtype)
    for a, b, c in _COEFFICIENTS[:steps]:
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x if wide else x.mT


class Muon:
    """Muon over matrices, stacked by shape so that each shape takes one batch of products."""

    def __init__(
        self, named: Iterable[tuple[str, nn.Parameter]], lr: float, momentum: float = 0.95,
        weight_decay: float = 0.0, steps: int = 5, dtype: torch.dtype = torch.float32,
    ) -> None:
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.steps, self.dtype = steps, dtype
        stacks: dict[tuple[int, ...], list[tuple[str, nn.Parameter]]] = {}
        for name, parameter in named:
            stacks.setdefault(tuple(parameter.shape), []).append((name, parameter))
        self.stacks = list(stacks.values())
        self.momenta = [torch.zeros(len(s), *s[0][1].shape, device=s[0][1].device) for s in self.stacks]

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """One update at learning rate lr * scale from the parameters' gradients."""
        lr = self.lr * scale
        for stack, momentum in zip(self.stacks, self.momenta, strict=True):
            parameters = [parameter for _, parameter in stack]
            gradient = torch.stack([parameter.grad for parameter in parameters])
            momentum.lerp_(gradient, 1 - self.momentum)
            update = polar(gradient.lerp_(momentum, self.momentum), self.steps, self.dtype).float()
            rows, columns = parameters[0].shape
            if self.weight_decay:
                torch._foreach_mul_(parameters, 1 - lr * self.weight_decay)
            torch._foreach_add_(parameters, list(update), alpha=-lr * max(1.0, rows / columns) ** 0.5)

    def state(self) -> dict[str, Tensor]:
        """The momentum of every matrix, by the parameter's name."""
        return {
            name: momentum[index]
            for stack, momentum in zip(self.stacks, self.momenta, strict=True)
            for index, (name, _) in enumerate(stack)
        }

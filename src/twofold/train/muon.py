"""Muon: a step for a matrix that moves all its singular directions equally far.

    m = mu m + (1 - mu) g;   u = (1 - mu) g + mu m;   W = W - lr * sqrt(rows / rank) * polar(u)

polar(u) = U Vᵀ of the SVD u = U S Vᵀ, reached by a few odd polynomials of matrix products alone:

    X = a X + b (X Xᵀ) X + c (X Xᵀ)² X

Whatever the shape, the step's Frobenius norm is lr * sqrt(rows): inputs of RMS 1 move each output by about lr.

The polynomials cost as many operations as some hundred tokens of training, much when a step has only some thousand.
So a matrix is taken in blocks of one head, or as many neurons: rows of what reads the stream, columns of what writes
to it. That costs a fifth, and learned as well in the runs that LOG.md lists.

Jordan et al. 2024 (Muon); the coefficients are Polar Express, Amsel et al. 2025, arXiv:2505.16932, table 1:
the best for singular values between 0.001 and 1 at each number of steps so far.
"""

from __future__ import annotations

import math
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
_WRITERS = ("W_O", "W_out")


def polar(
    matrices: Float[Tensor, "n r c"], steps: int = 5, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "n r c"]:
    """The nearest semi-orthogonal matrix to each of `matrices`, approximately: singular values within 0.3 of 1."""
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.mT
    x = (x / (_SAFETY * x.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(dtype)
    for a, b, c in _COEFFICIENTS[:steps]:
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x if wide else x.mT


class Muon:
    """Muon over matrices, stacked by shape so that each shape takes one batch of products. `block` of 0: whole."""

    def __init__(
        self, named: Iterable[tuple[str, nn.Parameter]], lr: float, momentum: float = 0.95, weight_decay: float = 0.0,
        block: int = 64, dtype: torch.dtype = torch.float32,
    ) -> None:
        self.lr, self.momentum, self.weight_decay, self.dtype = lr, momentum, weight_decay, dtype
        stacks: dict[tuple[bool, int, int], list[tuple[str, nn.Parameter]]] = {}
        for name, parameter in named:
            writes = name.rsplit(".", 1)[-1] in _WRITERS
            stacks.setdefault((writes, *parameter.shape), []).append((name, parameter))
        self.stacks = list(stacks.values())
        self.writes = [writes for writes, _, _ in stacks]
        self.blocks = [_fitting(columns if writes else rows, block) for writes, rows, columns in stacks]
        self.momenta = [torch.zeros(len(s), *s[0][1].shape, device=s[0][1].device) for s in self.stacks]

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """One update at learning rate lr * scale from the parameters' gradients."""
        lr = self.lr * scale
        for stack, momentum, writes, block in zip(self.stacks, self.momenta, self.writes, self.blocks, strict=True):
            parameters: list[Tensor] = [parameter for _, parameter in stack]
            gradient = torch.stack([parameter.grad for parameter in parameters if parameter.grad is not None])
            momentum.lerp_(gradient, 1 - self.momentum)
            update, rank = self._direction(gradient.lerp_(momentum, self.momentum), writes, block)
            if self.weight_decay:
                torch._foreach_mul_(parameters, 1 - lr * self.weight_decay)
            step = lr * math.sqrt(gradient.shape[1] / rank)
            torch._foreach_add_(parameters, list(update), alpha=-step)

    def _direction(
        self, matrices: Float[Tensor, "n r c"], writes: bool, block: int
    ) -> tuple[Float[Tensor, "n r c"], int]:
        """polar() of each block of each matrix, and the sum of the blocks' ranks."""
        turned = matrices.mT if writes else matrices
        n, inner, outer = turned.shape
        made = polar(turned.reshape(-1, block, outer), dtype=self.dtype).float().view(n, inner, outer)
        return made.mT if writes else made, inner // block * min(block, outer)

    def state(self) -> dict[str, Tensor]:
        """The momentum of every matrix, by the parameter's name."""
        return {
            name: momentum[index]
            for stack, momentum in zip(self.stacks, self.momenta, strict=True)
            for index, (name, _) in enumerate(stack)
        }


def _fitting(inner: int, block: int) -> int:
    """The block nearest to what is wanted that divides the matrix evenly; the whole when only splinters would."""
    shared = math.gcd(inner, block) if block else inner
    return shared if shared >= 16 else inner

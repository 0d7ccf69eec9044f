"""A matrix that is a product of a tall and a wide one, handled without ever being written out.

    M = A B,   A [m, r], B [r, n], r small

    eigenvalues   of AB are those of the r × r matrix BA, and zeros
    ‖AB‖_F²       = tr((AᵀA)(BBᵀ))
    SVD           A = U_A S_A V_Aᵀ, B = U_B S_B V_Bᵀ; that of the small S_A V_Aᵀ U_B S_B is U_C S V_Cᵀ,
                  so AB = (U_A U_C) S (V_B V_C)ᵀ

A head's QK and OV circuits are such matrices (Elhage et al. 2021, "Virtual Weights and the Residual Stream"), and any
product of such a matrix with another is one again. All of it works on stacks of matrices too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from twofold.errors import ConfigError

__all__ = ["FactoredMatrix"]


@dataclass(frozen=True)
class FactoredMatrix:
    A: Float[Tensor, "*stack m r"]
    B: Float[Tensor, "*stack _ n"]

    def __post_init__(self) -> None:
        if self.A.shape[-1] != self.B.shape[-2]:
            shapes = f"{list(self.A.shape)} and {list(self.B.shape)}"
            raise ConfigError(f"matrices of {shapes} have no product: the inner sizes differ")

    @property
    def shape(self) -> tuple[int, int]:
        return self.A.shape[-2], self.B.shape[-1]

    @property
    def T(self) -> FactoredMatrix:
        return FactoredMatrix(self.B.mT, self.A.mT)

    def __matmul__(self, other: FactoredMatrix | Tensor) -> FactoredMatrix:
        """The product, with the smaller of the two ranks."""
        if isinstance(other, Tensor):
            return FactoredMatrix(self.A, self.B @ other)
        middle = self.B @ other.A
        if middle.shape[-2] <= middle.shape[-1]:
            return FactoredMatrix(self.A, middle @ other.B)
        return FactoredMatrix(self.A @ middle, other.B)

    def __rmatmul__(self, other: Tensor) -> FactoredMatrix:
        return FactoredMatrix(other @ self.A, self.B)

    def __getitem__(self, index: int) -> FactoredMatrix:
        """One of a stack."""
        return FactoredMatrix(self.A[index], self.B[index])

    def full(self) -> Float[Tensor, "*stack m n"]:
        """The matrix written out, for where it is small."""
        return self.A @ self.B

    def column(self, j: int) -> Float[Tensor, "*stack m"]:
        return (self.A @ self.B[..., j, None])[..., 0]

    def row(self, i: int) -> Float[Tensor, "*stack n"]:
        return (self.A[..., i, None, :] @ self.B)[..., 0, :]

    def trace(self) -> Float[Tensor, "*stack"]:
        return (self.A * self.B.mT).sum((-2, -1))

    def eigenvalues(self) -> Tensor:
        """Complex [*stack, r]: all that are not zero for certain, of a square matrix."""
        if self.shape[0] != self.shape[1]:
            raise ConfigError(f"a matrix of {list(self.shape)} has no eigenvalues; only a square one has")
        return torch.linalg.eigvals(self.B @ self.A)

    def norm(self) -> Float[Tensor, "*stack"]:
        """Frobenius' norm."""
        return ((self.A.mT @ self.A) * (self.B @ self.B.mT)).sum((-2, -1)).clamp(min=0).sqrt()

    def svd(self) -> tuple[Tensor, Tensor, Tensor]:
        """U [*stack, m, k], S [*stack, k] from the largest on, V [*stack, n, k]; k is the smallest of m, r and n."""
        U_A, S_A, Vt_A = torch.linalg.svd(self.A, full_matrices=False)
        U_B, S_B, Vt_B = torch.linalg.svd(self.B, full_matrices=False)
        U_C, S, Vt_C = torch.linalg.svd((S_A[..., :, None] * Vt_A) @ (U_B * S_B[..., None, :]), full_matrices=False)
        return U_A @ U_C, S, Vt_B.mT @ Vt_C.mT

    def singular_values(self) -> Float[Tensor, "*stack k"]:
        return self.svd()[1]

"""A product that is never written out has the eigenvalues, singular values and norms of the one that is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twofold.circuits.factored import FactoredMatrix
from twofold.errors import ConfigError


def factors(seed, m, r, n, stack=()):
    generator = torch.Generator().manual_seed(seed)
    return FactoredMatrix(*(torch.randn(*stack, *shape, generator=generator, dtype=torch.float64)
                            for shape in ((m, r), (r, n))))  # fmt: skip


sizes = st.integers(1, 12)


@pytest.mark.slow
@given(seed=st.integers(0, 99), m=sizes, r=sizes, n=sizes)
def test_singular_values_and_norm_are_the_products(seed, m, r, n):
    one = factors(seed, m, r, n)
    full = (one.A @ one.B).numpy()
    U, S, V = one.svd()
    np.testing.assert_allclose((U * S) @ V.T, full, atol=1e-9)
    np.testing.assert_allclose(S, np.linalg.svd(full, compute_uv=False)[: len(S)], atol=1e-9)
    np.testing.assert_allclose(U.T @ U, np.eye(len(S)), atol=1e-9)
    assert float(one.norm()) == pytest.approx(np.linalg.norm(full), rel=1e-9)


@given(seed=st.integers(0, 99), m=sizes, r=sizes)
def test_eigenvalues_are_the_products_and_zeros(seed, m, r):
    one = factors(seed, m, r, m)
    ours, full = one.eigenvalues().numpy(), np.linalg.eigvals(one.full().numpy())
    rest = list(full)
    for value in sorted(ours, key=abs, reverse=True)[: min(m, r)]:
        rest.remove(nearest := min(rest, key=lambda each: abs(each - value)))
        assert abs(nearest - value) < 1e-6
    assert all(abs(value) < 1e-6 for value in rest)
    assert float(one.trace()) == pytest.approx(float(np.trace(one.full().numpy())), abs=1e-9)


@pytest.mark.slow
def test_products_with_matrices_and_with_one_another():
    one, other = factors(1, 7, 3, 5), factors(2, 5, 2, 6)
    left, right = torch.randn(4, 7, dtype=torch.float64), torch.randn(5, 9, dtype=torch.float64)
    torch.testing.assert_close((one @ other).full(), one.full() @ other.full())
    assert (one @ other).A.shape[-1] == 2, "the smaller rank is kept"
    torch.testing.assert_close((left @ one).full(), left @ one.full())
    torch.testing.assert_close((one @ right).full(), one.full() @ right)
    torch.testing.assert_close(one.T.full(), one.full().T)
    torch.testing.assert_close(one.column(2), one.full()[:, 2])
    torch.testing.assert_close(one.row(6), one.full()[6])


def test_stacks_are_many_at_once():
    many = factors(3, 6, 2, 6, stack=(4,))
    for i in range(4):
        torch.testing.assert_close(many.norm()[i], many[i].norm())
        torch.testing.assert_close(many.singular_values()[i], many[i].singular_values())


def test_what_has_no_product_or_no_eigenvalues_says_so():
    with pytest.raises(ConfigError, match=r"\[3, 2\] and \[3, 4\]"):
        FactoredMatrix(torch.ones(3, 2), torch.ones(3, 4))
    with pytest.raises(ConfigError, match=r"\[3, 4\] has no eigenvalues"):
        FactoredMatrix(torch.ones(3, 2), torch.ones(2, 4)).eigenvalues()

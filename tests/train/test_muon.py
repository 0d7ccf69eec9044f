"""Muon moves all singular directions equally, and a step of it is what the formula says."""

import pytest
import torch

from twofold.train.muon import Muon, polar


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 8, 40), (2, 40, 8)])
def test_polar_keeps_singular_vectors_and_brings_singular_values_near_one(shape):
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    u, _, vh = torch.linalg.svd(matrices, full_matrices=False)
    inside = u.mT @ polar(matrices) @ vh.mT
    values = torch.diagonal(inside, dim1=-2, dim2=-1)
    assert (values - 1).abs().max() < 0.3
    assert (inside - torch.diag_embed(values)).abs().max() < 1e-3


def test_polar_does_not_depend_on_the_gradients_scale():
    matrices = torch.randn(1, 12, 20, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(polar(matrices), polar(1000 * matrices), atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rank", [1, 2, 5, 64])
def test_polar_stays_bounded_for_gradients_of_any_rank(dtype, rank):
    generator = torch.Generator().manual_seed(rank)
    matrices = torch.randn(6, 64, rank, generator=generator) @ torch.randn(6, rank, 256, generator=generator)
    assert torch.linalg.svdvals(polar(matrices, dtype=dtype).float()).max() < 1.35


def test_a_first_step_moves_by_the_learning_rate_in_every_direction():
    weight = torch.nn.Parameter(torch.zeros(24, 8))
    gradient = torch.randn(24, 8, generator=torch.Generator().manual_seed(2))
    weight.grad = gradient.clone()
    Muon([("w", weight)], lr=0.1, block=0).step(0.5)
    expected = 0.1 * 0.5 * (24 / 8) ** 0.5
    assert torch.allclose(torch.linalg.svdvals(weight.detach()), torch.full((8,), expected), rtol=0.3)
    assert (weight * gradient).sum() < 0


@pytest.mark.parametrize(
    ("name", "shape"), [("W_Q", (128, 96)), ("W_in", (192, 64)), ("W_O", (96, 128)), ("W_out", (64, 192))]
)
@pytest.mark.parametrize("block", [0, 64])
def test_outputs_move_by_the_learning_rate_whatever_the_shape(name, shape, block):
    weight = torch.nn.Parameter(torch.zeros(shape))
    weight.grad = torch.randn(shape, generator=torch.Generator().manual_seed(4))
    Muon([(name, weight)], lr=0.1, block=block).step(1.0)
    assert weight.detach().norm() == pytest.approx(0.1 * shape[0] ** 0.5, rel=0.25)


def test_a_block_steps_as_the_matrix_of_it_alone_would():
    weight, head = torch.nn.Parameter(torch.zeros(128, 96)), torch.nn.Parameter(torch.zeros(64, 96))
    weight.grad = torch.randn(128, 96, generator=torch.Generator().manual_seed(5))
    head.grad = weight.grad[64:].clone()
    Muon([("W_Q", weight)], lr=0.1).step(1.0)
    Muon([("W_Q", head)], lr=0.1, block=0).step(1.0)
    assert torch.allclose(weight[64:], head, atol=1e-6)


def test_matrices_of_one_shape_step_as_they_would_alone():
    generator = torch.Generator().manual_seed(3)
    weights = [torch.nn.Parameter(torch.randn(6, 6, generator=generator)) for _ in range(2)]
    alone = [torch.nn.Parameter(weight.detach().clone()) for weight in weights]
    together = Muon([(str(i), w) for i, w in enumerate(weights)], lr=0.1)
    single = [Muon([("w", w)], lr=0.1) for w in alone]
    for _ in range(3):
        for weight, copy in zip(weights, alone, strict=True):
            weight.grad = torch.randn(6, 6, generator=generator)
            copy.grad = weight.grad.clone()
        together.step(1.0)
        for optimiser in single:
            optimiser.step(1.0)
    assert all(torch.allclose(w, c, atol=1e-6) for w, c in zip(weights, alone, strict=True))

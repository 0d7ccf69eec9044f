"""Attention in bands, which compiled training uses, is attention."""

import pytest
import torch

from twofold.model import attention
from twofold.model.attention import attend
from twofold.model.packed import packed


@pytest.mark.parametrize("texts", [1, 3])
@pytest.mark.parametrize("s", [2, 3, 7, 64, 100])
def test_bands_give_what_the_fused_kernel_gives_and_the_same_gradients(s, texts):
    """Of one text in a row, and of three that do not see each other."""
    generator = torch.Generator().manual_seed(s)
    made = [torch.randn(2, 3, s, 16, generator=generator) for _ in range(3)]
    visible = None if texts == 1 else packed((torch.arange(s) * texts // s).expand(2, s)).visible
    results = []
    for function in (attend, attention._attend_in_bands):
        q, k, v = (tensor.clone().requires_grad_() for tensor in made)
        out = function(q, k, v, visible)
        out.square().sum().backward()
        results.append([out.detach(), q.grad, k.grad, v.grad])
    for fused, banded in zip(*results, strict=True):
        assert torch.allclose(fused, banded, atol=1e-4)

"""What is read off the weights alone: held to the paper's formulas, written out in full."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from twofold.circuits.composition import chance, composition, compositions
from twofold.circuits.eigenvalues import copying, matching, positivity
from twofold.circuits.factored import FactoredMatrix
from twofold.circuits.matrices import embedding, heads, unembedding
from twofold.errors import ConfigError
from twofold.model.watching import recording


def written_out(model, layer, head):
    """W_QK and W_OV [d, d] of one head from the bare parameters, gains multiplied in, row by row."""
    config, block = model.config, model.blocks[layer]
    e, shared = config.d_head, head // (config.n_heads // config.n_kv_heads)
    centre = torch.eye(config.d_model)
    if config.norm == "layer":
        centre = centre - 1 / config.d_model
    reads = torch.diag(block.ln1.w) @ centre
    W_Q = block.attn.W_Q[head * e : (head + 1) * e] @ reads
    W_K, W_V = (getattr(block.attn, name)[shared * e : (shared + 1) * e] @ reads for name in ("W_K", "W_V"))
    if config.qk_norm:
        W_Q, W_K = torch.diag(block.attn.q_norm.w) @ W_Q, torch.diag(block.attn.k_norm.w) @ W_K
    return (W_Q.T @ W_K).detach(), (block.attn.W_O[:, head * e : (head + 1) * e] @ W_V).detach()


def test_the_circuits_of_a_head_with_the_key_value_head_that_it_shares(config, random_model):
    model = random_model(config)
    them = heads(model)
    for layer, head in ((0, 0), (0, 3), (1, 2)):
        QK, OV = written_out(model, layer, head)
        at = them.number(layer, head)
        assert them.names[at] == f"{layer}.{head}"
        torch.testing.assert_close(them.QK[at].full(), QK, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(them.OV[at].full(), OV, atol=1e-4, rtol=1e-4)


def test_the_scores_of_the_first_layer_are_what_its_QK_circuits_say(small, random_model, ids):
    """x_destᵀ W_QK x_source / √e, where neither positions nor QK-norm come between."""
    model = random_model(small(positions="none", qk_norm=False, n_kv_heads=2))
    with recording(model, "blocks.0.hook_resid_pre", "blocks.0.ln1.hook_scale", "*.hook_attn_scores") as seen:
        model(ids)
    x = seen["blocks.0.hook_resid_pre"] / seen["blocks.0.ln1.hook_scale"]
    for head in range(4):
        wanted = x @ heads(model).QK[head].full() @ x.mT / model.config.d_head**0.5
        found = seen["blocks.0.attn.hook_attn_scores"][:, head]
        below = torch.ones(found.shape[-2:], dtype=torch.bool).tril()
        torch.testing.assert_close(found[:, below], wanted[:, below], atol=1e-4, rtol=1e-4)


def test_all_pairs_score_as_the_paper_writes_it(config, random_model):
    model = random_model(config)
    found, n = compositions(model), model.config.n_heads
    for later in range(n):
        for earlier in range(n):
            QK, OV = written_out(model, 1, later)
            _, wrote = written_out(model, 0, earlier)
            norm = torch.linalg.matrix_norm
            wanted = {"Q": norm(QK.T @ wrote) / norm(QK) / norm(wrote), "K": norm(QK @ wrote) / norm(QK) / norm(wrote),
                      "V": norm(OV @ wrote) / norm(OV) / norm(wrote)}  # fmt: skip
            for kind, value in wanted.items():
                assert float(found.scores[kind][n + later, earlier]) == pytest.approx(float(value), rel=1e-4)
    for scores in found.scores.values():
        assert scores[:n].isnan().all() and scores[n:, n:].isnan().all(), "only an earlier layer is read"
    kind, later, earlier, excess = found.strongest(1)[0]
    assert excess == pytest.approx(max(float(found.above_chance(k).nan_to_num(-1).max()) for k in "QKV"))
    assert later.startswith("1.") and earlier.startswith("0.") and kind in "QKV"


def test_a_head_that_writes_nothing_is_read_by_no_one(small, random_model):
    """As all heads at the start of a training here."""
    model = random_model(small())
    with torch.no_grad():
        model.blocks[0].attn.W_O.zero_()
    assert all(float(scores[4:, :4].abs().max()) == 0 for scores in compositions(model).scores.values())


def test_a_cyclic_shift_keeps_eigenvalues_and_not_the_norm():
    """The erratum of the paper: ‖W_K W_O W_V W_Qᵀ‖ is not the norm of W_QK W_OV, though their traces are the same."""
    generator = torch.Generator().manual_seed(0)
    W_Q, W_K, W_V = (torch.randn(4, 32, generator=generator) for _ in range(3))
    W_O = torch.randn(32, 4, generator=generator)
    QK, OV = FactoredMatrix(W_Q.T, W_K), FactoredMatrix(W_O, W_V)
    shifted = W_K @ W_O @ W_V @ W_Q.T
    right = torch.linalg.matrix_norm((W_Q.T @ W_K) @ (W_O @ W_V))
    torch.testing.assert_close((QK @ OV).norm(), right)
    assert abs(torch.linalg.matrix_norm(shifted) / right - 1) > 0.1
    torch.testing.assert_close((QK @ OV).trace(), shifted.trace())
    assert float(composition(QK, OV)) == pytest.approx(
        float(right / torch.linalg.matrix_norm(W_Q.T @ W_K) / torch.linalg.matrix_norm(W_O @ W_V)))  # fmt: skip


def test_chance_is_near_one_over_the_root_of_the_width():
    """Published for d = 256, e = 32: 0.0627 ± 0.0014 over thirty draws, and 1/√d = 0.0625."""
    found = chance(256, 32)
    assert found.mean == pytest.approx(0.0627, abs=0.0008)
    assert found.deviation == pytest.approx(0.0014, rel=0.5)


def test_copying_is_that_of_the_table_written_out(config, random_model):
    model = random_model(config)
    found = copying(model)
    for layer, head in ((0, 1), (1, 3)):
        _, OV = written_out(model, layer, head)
        table = unembedding(model) @ OV @ embedding(model)
        wanted = np.linalg.eigvals(table.numpy().astype(np.float64))
        share = wanted.sum().real / np.abs(wanted).sum()
        assert float(found[heads(model).number(layer, head)]) == pytest.approx(share, abs=2e-3)


def test_a_head_that_hands_its_token_on_copies_and_one_that_negates_does_not(small, random_model):
    model = random_model(small(n_layers=1, n_heads=1, d_head=32, tied=True, qk_norm=False, mlp="none"))
    with torch.no_grad():
        for parameter in (model.blocks[0].ln1.w, model.ln_final.w):
            parameter.fill_(1.0)
        model.blocks[0].attn.W_V.copy_(torch.eye(32))
        model.blocks[0].attn.W_O.copy_(torch.eye(32))
        assert float(copying(model)[0]) == pytest.approx(1)
        model.blocks[0].attn.W_O.neg_()
        assert float(copying(model)[0]) == pytest.approx(-1)


def test_matching_is_that_of_the_table_written_out(config, random_model):
    model = random_model(config)
    QK, _ = written_out(model, 1, 2)
    _, OV = written_out(model, 0, 1)
    table = embedding(model).T @ QK @ OV @ embedding(model)
    wanted = np.linalg.eigvals(table.numpy().astype(np.float64))
    found = matching(model, (1, 2), (0, 1))
    assert found == pytest.approx(wanted.sum().real / np.abs(wanted).sum(), abs=2e-3)


def test_positivity_of_nothing_is_none():
    assert float(positivity(torch.zeros(4))) == 0
    assert positivity(torch.tensor([[1.0, 1j], [-1.0, -1.0]])).tolist() == [0.5, -1.0]


def test_heads_that_there_are_not(small, random_model):
    with pytest.raises(ConfigError, match="no layers"):
        heads(random_model(small(n_layers=0)))
    with pytest.raises(ConfigError, match=r"head 2\.0: there are layers 0 to 1 with heads 0 to 3"):
        heads(random_model(small())).number(2, 0)

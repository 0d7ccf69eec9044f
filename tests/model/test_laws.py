"""Laws of a causal transformer that hold whatever the weights are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twofold.model.decoder import Decoder, initialise
from twofold.model.positions import rotary_table, rotate

KINDS = {
    "learned positions": dict(positions="learned", norm="layer", mlp="gelu", bias=True, qk_norm=False),
    "grouped rotary": dict(n_kv_heads=2),
    "no positions": dict(positions="none", mlp="relu2"),
    "attention only": dict(mlp="none"),
    "no layers": dict(n_layers=0),
}


@pytest.fixture(params=KINDS)
def model(request, small, random_model) -> Decoder:
    return random_model(small(**KINDS[request.param]))


@torch.no_grad()
@pytest.mark.parametrize("changed", [0, 7, 19])
def test_a_token_changes_nothing_before_it(model, ids, changed):
    other = ids.clone()
    other[:, changed] = (other[:, changed] + 1) % model.config.vocab_size
    before, after = model(ids), model(other)
    assert torch.equal(before[:, :changed], after[:, :changed])
    assert not torch.equal(before[:, changed], after[:, changed])


@torch.no_grad()
@pytest.mark.parametrize("pieces", [[1] * 20, [20], [13, 7], [5, 1, 9, 5]])
def test_reading_in_pieces_through_the_cache_is_reading_at_once(model, ids, pieces):
    cache = model.new_cache()
    steps = [model(piece, cache=cache) for piece in ids.split(pieces, dim=1)]
    if model.config.positions == "learned" and not model.blocks:
        pytest.skip("without blocks there is no cache to remember the position")
    torch.testing.assert_close(torch.cat(steps, dim=1), model(ids), atol=1e-5, rtol=0)


@torch.no_grad()
def test_rows_of_a_batch_do_not_meet(model, ids):
    alone = torch.cat([model(row[None]) for row in ids])
    torch.testing.assert_close(alone, model(ids), atol=1e-5, rtol=0)


@torch.no_grad()
def test_bfloat16_is_close_to_float32(model, ids):
    exact, rough = model(ids), model(ids, dtype=torch.bfloat16).float()
    assert (exact - rough).abs().mean() < 0.03 * exact.std()


@torch.no_grad()
def test_zero_layers_are_a_bigram_table(small, random_model, ids):
    model = random_model(small(n_layers=0))
    stream = model.W_E / (model.W_E.square().mean(-1, keepdim=True) + 1e-6).sqrt() * model.ln_final.w
    table = stream @ model.W_U.T
    torch.testing.assert_close(model(ids), table[ids])


@torch.no_grad()
def test_one_attention_layer_is_the_sum_over_its_heads(small, random_model, ids):
    """T = Id ⊗ W_U W_E + Σ_h A^h ⊗ W_U W_OV^h W_E (Elhage et al. 2021), with norms, in NumPy at float64."""
    model = random_model(small(n_layers=1, mlp="none", positions="none", qk_norm=False))
    w = {name: p.double().numpy() for name, p in model.named_parameters()}
    e, h = model.config.d_head, model.config.n_heads

    def norm(x, gain):
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * gain

    tokens = ids[0].numpy()
    stream = w["W_E"][tokens]
    read, write = norm(stream, w["blocks.0.ln1.w"]), np.zeros_like(stream)
    for head in range(h):
        rows = slice(head * e, (head + 1) * e)
        W_Q, W_K, W_V = (w[f"blocks.0.attn.W_{x}"][rows] for x in "QKV")
        W_OV = w["blocks.0.attn.W_O"][:, rows] @ W_V
        scores = read @ W_Q.T @ W_K @ read.T / np.sqrt(e)
        scores[np.triu_indices(len(tokens), 1)] = -np.inf
        pattern = np.exp(scores - scores.max(-1, keepdims=True))
        write += pattern / pattern.sum(-1, keepdims=True) @ read @ W_OV.T
    expected = norm(stream + write, w["ln_final.w"]) @ w["W_U"].T
    np.testing.assert_allclose(model(ids)[0].numpy(), expected, atol=1e-4)


@torch.no_grad()
def test_a_shared_key_head_is_that_head_repeated(small, random_model, ids):
    shared = random_model(small(n_kv_heads=2))
    full = Decoder(small(n_kv_heads=4))
    state = shared.state_dict()
    for name in state:
        if name.endswith(("W_K", "W_V")):
            state[name] = state[name].view(2, 8, 32).repeat_interleave(2, dim=0).reshape(32, 32)
    full.load_state_dict(state)
    torch.testing.assert_close(shared(ids), full(ids))


@torch.no_grad()
def test_without_positions_an_earlier_order_does_not_matter(small, random_model, ids):
    model = random_model(small(positions="none", n_layers=1))
    shuffled = torch.cat((ids[:, :-1].flip(1), ids[:, -1:]), dim=1)
    torch.testing.assert_close(model(ids)[:, -1], model(shuffled)[:, -1], atol=1e-5, rtol=0)


@pytest.mark.slow
@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500))
def test_rotated_queries_and_keys_meet_by_their_distance_alone(first, second, shift):
    generator = torch.Generator().manual_seed(first)
    q, k = torch.randn(2, 1, 1, 1, 16, generator=generator)

    def meet(here: int, there: int) -> float:
        rotated = [rotate(x, *rotary_table(1, 16, 10000.0, start=at)) for x, at in ((q, here), (k, there))]
        return float((rotated[0] * rotated[1]).sum())

    assert meet(first, second) == pytest.approx(meet(first + shift, second + shift), abs=5e-4)


@given(st.integers(0, 10_000))
def test_rotation_keeps_length(position):
    x = torch.randn(1, 2, 1, 16, generator=torch.Generator().manual_seed(position))
    turned = rotate(x, *rotary_table(1, 16, 10000.0, start=position))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))


@torch.no_grad()
def test_at_birth_every_block_is_the_identity(small, ids):
    deep, none = initialise(Decoder(small()), 0), initialise(Decoder(small(n_layers=0)), 0)
    assert torch.equal(deep.hidden(ids), none.hidden(ids))


def test_the_same_seed_gives_the_same_parameters_and_another_seed_others(small):
    first, again, other = (initialise(Decoder(small()), seed) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert not torch.equal(first.W_E, other.W_E)


def test_a_tied_head_is_the_embedding_itself(small):
    model = Decoder(small(tied=True))
    assert model.W_U is model.W_E
    assert "W_U" not in dict(model.named_parameters())

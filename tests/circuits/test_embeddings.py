"""What is near, what an analogy answers and where a map puts a token, as NumPy has it, one vector after the other."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from twofold.circuits.embeddings import analogies, analogy, nearest, neighbours, projection, ranks
from twofold.errors import ConfigError

PAIRS = [(3, 9), (14, 20), (27, 31), (40, 62)]


@pytest.fixture(scope="module")
def model(small, random_model):
    return random_model(small())


@pytest.fixture(scope="module")
def E(model):
    return model.W_E.detach().numpy().astype(np.float64)


def cosines(E, vector):
    return E @ vector / np.linalg.norm(E, axis=1) / np.linalg.norm(vector)


def best(E, vector, out):
    """All tokens but those, from the nearest on."""
    return [int(one) for one in np.argsort(-cosines(E, vector)) if one not in out]


def test_the_nearest_are_those_of_the_largest_cosines(model, E):
    ids, values = nearest(model, [5, 60, 5], 7)
    for token, row, cosine in zip([5, 60, 5], ids.tolist(), values.tolist(), strict=True):
        assert row == best(E, E[token], [token])[:7]
        assert cosine == pytest.approx(cosines(E, E[token])[row], abs=1e-6)
    alone = neighbours(model, 60, 7)
    assert [one for one, _ in alone] == ids[1].tolist()
    assert [cosine for _, cosine in alone] == pytest.approx(values[1].tolist(), abs=1e-6)
    assert len(neighbours(model, 5, 1000)) == len(E) - 1


def test_an_analogy_answers_with_the_nearest_to_the_step_and_ranks_say_where_a_token_stands(model, E):
    for a, b, c, d in [(3, 9, 14, 20), (3, 9, 3, 20), (7, 7, 8, 1)]:
        order = best(E, E[b] - E[a] + E[c], [a, b, c])
        assert [one for one, _ in analogy(model, a, b, c, len(E))] == order
        assert ranks(model, a, b, c, d) == (order.index(d) + 1, best(E, E[c], [a, b, c]).index(d) + 1)


def test_analogies_count_the_questions_one_after_the_other(model, E):
    found = analogies(model, PAIRS)
    asked = [(a, b, c, d) for (a, b), (c, d) in permutations(PAIRS, 2)]
    assert found.holds.of == found.unrelated.of == found.nearest.of == len(asked) == 12
    assert found.holds.right == sum(best(E, E[b] - E[a] + E[c], [a, b, c])[0] == d for a, b, c, d in asked)
    assert found.nearest.right == sum(best(E, E[c], [a, b, c])[0] == d for a, b, c, d in asked)


def test_where_the_step_is_one_for_all_every_analogy_holds_and_chance_does_not(small, random_model):
    model = random_model(small())
    E = model.W_E.detach()
    step = 0.1 * E[1] / E[1].norm()
    for a, b in PAIRS:
        E[b] = E[a] + step
    found = analogies(model, PAIRS)
    assert found.holds.right == 12 and found.nearest.right == 12  # a short step: the nearest is right as well
    for a, b in PAIRS:
        E[b] = E[a] + 200 * step
    found = analogies(model, PAIRS)
    assert (found.holds.right, found.unrelated.right, found.nearest.right) == (12, 0, 0)


def test_pairs_that_share_all_their_words_make_no_question(model):
    found = analogies(model, [(3, 9), (9, 3)])
    assert found.holds.of == 0 and found.holds.interval == (0, 1)


def test_a_projection_is_numpys_singular_value_decomposition_but_for_signs(model, E):
    tokens = [5, 1, 8, 30, 77, 2, 64, 9]
    flat, share = projection(model, tokens)
    rows = E[tokens] - E[tokens].mean(0)
    U, S, _ = np.linalg.svd(rows, full_matrices=False)
    flat = flat.numpy()
    np.testing.assert_allclose(flat * np.sign(flat[0]), U[:, :2] * S[:2] * np.sign(U[0, :2]), atol=1e-5)
    assert share == pytest.approx((S[:2] ** 2).sum() / (rows**2).sum(), rel=1e-5)


def test_what_lies_in_a_plane_is_seen_whole(small, random_model):
    model = random_model(small())
    E = model.W_E.detach()
    tokens = [4, 11, 23, 42, 80]
    at = np.random.default_rng(0).normal(size=(len(tokens), 2))
    for token, (x, y) in zip(tokens, at, strict=True):
        E[token] = E[0] + float(x) * E[1] + float(y) * E[2]
    flat, share = projection(model, tokens)
    assert share == pytest.approx(1, abs=1e-5)
    rows = E[tokens]
    np.testing.assert_allclose((flat[:, None] - flat).norm(dim=-1), (rows[:, None] - rows).norm(dim=-1), atol=1e-4)


@pytest.mark.parametrize(("act", "said"), [
    (lambda model: nearest(model, [3, 96]), "token 96 is not in the model's vocabulary of 96"),
    (lambda model: analogy(model, 1, 2, -1), "token -1 is not"),
    (lambda model: ranks(model, 1, 2, 3, 3), "left out of its answers"),
    (lambda model: ranks(model, 1, 2, 3, 96), "token 96 is not"),
    (lambda model: analogies(model, PAIRS[:1]), "1 pairs make no analogy"),
    (lambda model: analogies(model, [(1, 2), (3, 96)]), "token 96 is not"),
    (lambda model: projection(model, [1, 2]), "2 tokens shows nothing"),
    (lambda model: projection(model, [1, 2, 96]), "token 96 is not"),
])  # fmt: skip
def test_what_cannot_be_asked_is_told(model, act, said):
    with pytest.raises(ConfigError, match=said):
        act(model)

"""run.c runs a model as it is being trained, and after a refresh what it has become."""

from __future__ import annotations

import numpy as np
import pytest

from twofold.contracts import Sampling
from twofold.engine.native_build import library
from twofold.engine.open import from_decoder

from ..weights.models import SHAPES, small_tokenizer, tiny_parameters

torch = pytest.importorskip("torch")
from twofold.weights.torch_state import to_decoder  # noqa: E402


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_the_engine_follows_the_parameters(name):
    if library() is None:
        pytest.skip("no C compiler")
    model, tokenizer = to_decoder(tiny_parameters(name, small_tokenizer())), small_tokenizer()
    native = from_decoder(model, tokenizer, backend="native")
    ids = native.prompt("hello the 1984")
    greedy = Sampling(temperature=0)
    for _ in range(3):
        expected = list(from_decoder(model, tokenizer).generate(ids, 20, greedy))
        found = list(native.generate(ids, 20, greedy))
        assert [token.id for token in found] == [token.id for token in expected]
        np.testing.assert_allclose(*([one.probability for one in some] for some in (found, expected)), rtol=0.02)
        np.testing.assert_allclose(native.score(ids), from_decoder(model, tokenizer).score(ids), atol=1e-3)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.3 * parameter.std().nan_to_num() * torch.randn_like(parameter)
        native.refresh()

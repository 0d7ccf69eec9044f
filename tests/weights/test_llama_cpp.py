"""llama.cpp is the oracle: what we write runs there, and says the same."""

from __future__ import annotations

import numpy as np
import pytest

from twofold.weights.parameters import load, save

llama_cpp = pytest.importorskip("llama_cpp")
torch = pytest.importorskip("torch")
from twofold.weights.torch_state import to_decoder  # noqa: E402

pytestmark = pytest.mark.slow
PROMPTS = ("hello the", "1984!\n", "é and 😀", "the the the")


def greedy(path, ids, n):
    """Greedy tokens, and the logits before each, by llama.cpp."""
    model = llama_cpp.Llama(str(path), n_ctx=96, n_threads=1, logits_all=True, verbose=False, type_k=0, type_v=0)
    ids, logits = list(ids), []
    for _ in range(n):
        model.reset()
        model.eval(ids)
        logits.append(model.scores[len(ids) - 1].copy())
        ids.append(int(np.argmax(logits[-1])))
    return ids[-n:], logits, model


def test_llama_cpp_gives_our_logits_and_our_greedy_tokens(tmp_path, tiny, family):
    parameters = tiny(family)
    save(tmp_path / "p.gguf", parameters.config, parameters.state, parameters.tokenizer, dtype="F32")
    decoder = to_decoder(load(tmp_path / "p.gguf"))
    near = 1e-3 if parameters.config.mlp == "gelu" else 1e-4  # llama.cpp looks GELU up in a table of 16-bit floats
    for prompt in PROMPTS:
        start = [parameters.tokenizer.bos_id, *parameters.tokenizer.encode(prompt)]
        theirs, logits, model = greedy(tmp_path / "p.gguf", start, 16)
        assert model.tokenize(prompt.encode(), add_bos=True) == start
        ids = list(start)
        for token, there in zip(theirs, logits, strict=True):
            with torch.no_grad():
                here = decoder(torch.tensor([ids]))[0, -1].numpy()
            assert np.abs(here - there).max() < near * np.abs(here).max()
            assert int(here.argmax()) == token
            ids.append(token)

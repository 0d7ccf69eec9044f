"""Four programs run one file to the same greedy tokens: run.py, the engine, llama.cpp, and transformers."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "agreement.py"


@pytest.fixture(scope="module")
def agreement():
    spec = importlib.util.spec_from_file_location("agreement", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["agreement"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["agreement"]


@pytest.mark.slow
@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen3", "arcee"])
def test_programs_agree_on_greedy_tokens(agreement, tmp_path, family):
    found = agreement.compare(agreement.random_parameters(family, seed=1), tmp_path)
    names = {one.name for one in found}
    assert names >= {"run.py", "transformers"}
    assert ("llama.cpp" in names) == (importlib.util.find_spec("llama_cpp") is not None)
    for one in found:
        assert one.agrees, f"{one.name}: {one.partings}"
        assert one.prompts == 20


@pytest.mark.slow
def test_a_wrong_program_is_found_out(agreement, tmp_path):
    """Scores that are off, by more than sums in another order can be, are a disagreement."""
    parameters = agreement.random_parameters("llama")
    right, *_ = agreement.programs(parameters, tmp_path)

    def start():
        read = right.start()
        return lambda ids: read(ids) * [1, -1][ids[-1] % 2]

    ids = {text: right.encode(text) for text in agreement.PROMPTS[:5]}
    expected = {text: agreement._greedy(right, ids[text], 8) for text in ids}
    wrong = agreement._compare(agreement.Program("wrong", right.encode, start), ids, expected)
    assert not wrong.agrees

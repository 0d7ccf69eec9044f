"""lm-eval and llm, two programs that we did not write, as their users run them. Skipped where they are missing."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import random
import subprocess
import sys

import pytest

from twofold.engine.open import open_model
from twofold.evals.asking import ask
from twofold.evals.questions import read

TASK = """
task: rolling
dataset_path: json
dataset_kwargs: {data_files: {validation: TEXTS}}
validation_split: validation
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list: [{metric: bits_per_byte}]
"""
CHOICES = """
task: choosing
dataset_path: json
dataset_kwargs: {data_files: {validation: ROWS}}
validation_split: validation
output_type: multiple_choice
doc_to_text: "{{ask}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{right}}"
metric_list: [{metric: acc}]
"""
TEXTS = ["hello the the hello", "the hello hello the the"]
MODEL = """
- {model_id: ours, model_name: tiny, api_base: URL/v1}
- {model_id: ours-text, model_name: tiny, api_base: URL/v1, completion: true}
"""


def needs(module):
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"{module} is not installed")


def run(folder, *arguments, **environment):
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", **environment}
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@needs("lm_eval")
@pytest.mark.slow
def test_lm_eval_measures_what_the_engine_does(server, models, tmp_path):
    """It finds the tokenizer on the server by itself, and predicts each text from bos."""
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    (tmp_path / "rolling.yaml").write_text(TASK.replace("TEXTS", str(tmp_path / "texts.jsonl")))
    run(tmp_path, "lm_eval", "--model", "local-completions", "--tasks", "rolling", "--include_path", str(tmp_path),
        "--model_args", f"model=tiny,base_url={server.url}/v1/completions", "--output_path", str(tmp_path / "out"),
        HF_HOME=str(tmp_path / "home"))  # fmt: skip
    (results,) = (tmp_path / "out").rglob("results*.json")
    theirs = json.loads(results.read_text())["results"]["rolling"]["bits_per_byte,none"]
    engine = open_model(models / "tiny", "numpy")
    nats = sum(engine.score(engine.prompt(text)).sum() for text in TEXTS)
    assert math.isclose(theirs, nats / math.log(2) / sum(len(text.encode()) for text in TEXTS), rel_tol=2e-3)


@needs("lm_eval")
@pytest.mark.slow
def test_lm_eval_finds_as_many_choices_right_as_we_do(server, models, tmp_path):
    """The same multiple-choice file, theirs through the server and ours in this process.

    Over an API lm-eval sends a question's tokens without bos, so that is how it is asked here.
    """
    draw = random.Random(0)
    words = ["the", "hello", "hello the", "the the", "the hello the"]
    rows = [{"ask": " ".join(draw.choices(words, k=3)), "choices": draw.sample(words, 3), "right": draw.randrange(3)}
            for _ in range(40)]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "ours.json").write_text(json.dumps({"questions": rows}))
    (tmp_path / "choosing.yaml").write_text(CHOICES.replace("ROWS", str(tmp_path / "rows.jsonl")))
    run(tmp_path, "lm_eval", "--model", "local-completions", "--tasks", "choosing", "--include_path", str(tmp_path),
        "--model_args", f"model=tiny,base_url={server.url}/v1/completions", "--output_path", str(tmp_path / "out"),
        HF_HOME=str(tmp_path / "home"))  # fmt: skip
    (results,) = (tmp_path / "out").rglob("results*.json")
    theirs = json.loads(results.read_text())["results"]["choosing"]["acc,none"]
    engine = open_model(models / "tiny", "numpy")
    engine.add_bos = False
    ours = ask(read(tmp_path / "ours.json"), engine, str, model="tiny", plain=True).overall
    assert 0 < ours.right < ours.n and theirs == pytest.approx(ours.share)


@needs("llm")
@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["-m", "ours"], ["-m", "ours", "--no-stream"], ["-m", "ours-text"]])
def test_llm_is_answered(server, tmp_path, arguments):
    (tmp_path / "extra-openai-models.yaml").write_text(MODEL.replace("URL", server.url))
    options = ["-o", "max_tokens", "12", "-o", "seed", "4", "hello"]
    answers = [run(tmp_path, "llm", *arguments, *options, LLM_USER_PATH=str(tmp_path), OPENAI_API_KEY="none")
               for _ in range(2)]  # fmt: skip
    assert answers[0] == answers[1]
    assert answers[0].strip()

"""The command as one uses it, on a tiny model: figures for a program, words for people, one message for a mistake."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from twofold.cli.main import main
from twofold.weights.parameters import save

from ..weights.models import random_state, small_tokenizer, tiny_parameters


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder, tokenizer = tmp_path_factory.mktemp("models"), small_tokenizer()
    for name in ("llama", "gpt2", "zero-layers"):
        made = tiny_parameters(name, tokenizer)
        save(folder / f"{name}.gguf", made.config, made.state, tokenizer, dtype="F32")
    other = tiny_parameters("llama", tokenizer)
    save(folder / "other.gguf", other.config, random_state(other.config, 1), tokenizer, dtype="F32")
    return folder


@pytest.fixture
def circuits(models, capsys, monkeypatch):
    monkeypatch.chdir(models)

    def call(*words):
        with pytest.raises(SystemExit) as left:
            main(["circuits", *map(str, words)])
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    return call


@pytest.mark.slow
def test_scores_of_every_head_and_pair(circuits):
    code, out, err = circuits("scores", "llama.gguf", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["heads"] == [f"{layer}.{head}" for layer in (0, 1) for head in range(4)]
    assert len(found["copying_eigenvalues"]) == 8
    assert found["composition"]["K"][0][0] is None and found["composition"]["K"][4][0] > 0
    assert 0 < found["composition_chance"]["mean"] < 1 / math.sqrt(64) * 1.3
    code, out, _ = circuits("scores", "gpt2.gguf", "--top", 3)
    assert code == 0 and "8 heads (2 layers of 4)" in out and "above chance" in out


def test_a_text_is_followed_through_the_layers(circuits):
    code, out, _ = circuits("look", "llama.gguf", "hello", "--json", "--top", 3)
    found = json.loads(out)
    assert code == 0 and found["tokens"][-1] == "hello" and len(found["next"]) == 3
    last = found["lens"]["blocks.1.hook_resid_post"][0]
    assert (last["id"], last["probability"]) == (found["next"][0]["id"], pytest.approx(found["next"][0]["probability"]))
    assert found["attribution"]["total"] == pytest.approx(found["attribution"]["logit"], abs=1e-3)
    code, out, _ = circuits("look", "gpt2.gguf", "hello")
    assert code == 0 and "layer 1" in out and "the embedding" in out and "all MLPs" in out


def test_words_that_are_near_and_what_analogies_are_worth(circuits):
    code, out, _ = circuits("near", "llama.gguf", "hello", "--json", "--top", 4)
    assert code == 0 and len(json.loads(out)["neighbours"]) == 4
    code, out, _ = circuits("analogies", "llama.gguf", "a:b", "c:d", "e:f", "--json")
    found = json.loads(out)
    assert code == 0 and found["holds"]["of"] == 6 and found["unrelated"]["interval"][1] < 1
    assert "a" not in [one["token"] for one in found["first"]]
    assert circuits("analogies", "llama.gguf", "a:b", "c:d")[0] == 0


def test_which_places_and_heads_make_one_text_say_what_the_other_says(circuits):
    code, out, err = circuits("patch", "llama.gguf", "a b c", "a d c", "--json")
    found = json.loads(out)
    assert code == 0, err
    (differs,) = [at for at, (a, b) in enumerate(zip(found["tokens"], found["tokens_of_other"], strict=True)) if a != b]
    assert found["right"]["id"] != found["wrong"]["id"] and found["lead"] > 0 > found["lead_of_other"]
    for at, share in enumerate(found["stream"][0]):  # before the first layer all that differs is that token
        assert share == pytest.approx(float(at == differs), abs=1e-4)
    assert [len(row) for row in found["heads"]] == [4, 4]
    code, out, _ = circuits("patch", "llama.gguf", "a b c", "a d c")
    assert code == 0 and "layer 1" in out and "comes back" in out


def test_a_push_along_the_stream_changes_what_is_written_and_none_does_not(circuits):
    code, out, _ = circuits("steer", "llama.gguf", "hello", "a", "b", "--strength", 9, "--layer", 0, "--json")
    found = json.loads(out)
    plain, *pushed = found["written"].values()
    assert code == 0 and found["place"] == "blocks.0.hook_resid_post" and found["push_over_stream"] > 0.5
    assert plain and any(one != plain for one in pushed)
    code, out, _ = circuits("steer", "llama.gguf", "hello", "a", "a")
    assert code == 0 and out.count(repr(plain)[:20]) == 3


def test_what_a_head_has_learned_of_pairs(circuits):
    code, out, _ = circuits("trigrams", "llama.gguf", "0.2", "a", "b", "--json")
    found = json.loads(out)
    assert code == 0 and [one["token"] for one in found["sources"]] == ["a", "b"]
    scores = [one["score"] for one in found["sources"][0]["raises"]]
    assert len(scores) == 5 and scores == sorted(scores, reverse=True)
    code, out, _ = circuits("trigrams", "llama.gguf", "0.2", "--top", 3)
    assert code == 0 and len(out.strip().split("\n")) > 6


@pytest.mark.slow
def test_what_has_changed_between_two_models(circuits):
    code, out, _ = circuits("changes", "llama.gguf", "other.gguf", "--json")
    found = json.loads(out)
    assert code == 0 and min(found["parameters"]["W_E"], found["OV"][0][0]) > 1
    assert circuits("changes", "llama.gguf", "llama.gguf")[0] == 0


@pytest.mark.slow
def test_the_lab_in_little(circuits, tmp_path):
    words = ("induction", "--seeds", 1, "--layers", "0,2", "--steps", 3, "--out", tmp_path / "lab")
    code, out, err = circuits(*words, "--json")
    assert code == 0 and "2 layers, seed 0" in err
    found = json.loads(out)
    assert [one["layers"] for one in found["courses"]] == [0, 2] and not any(one["inducts"] for one in found["courses"])
    code, out, _ = circuits(*words)
    assert code == 0 and "seed 0 failed" in out


@pytest.mark.parametrize(("words", "said"), [
    (["scores"], "circuits scores MODEL"),
    (["wish", "llama.gguf"], "'wish' is not one of scores, look"),
    (["scores", "nothing.gguf"], "there is no model"),
    (["scores", "zero-layers.gguf"], "no layers"),
    (["look", "llama.gguf", "hello" * 200], "tokens long and the model's context is 96"),
    (["near", "llama.gguf", ""], "an empty one is none"),
    (["analogies", "llama.gguf", "a:b", "cd"], "'cd' is not a pair A:B"),
    (["analogies", "llama.gguf", "a:b"], "circuits analogies MODEL A:B C:D"),
    (["changes", "llama.gguf", "gpt2.gguf"], "differ in shape"),
    (["patch", "llama.gguf", "a b c", "a b c"], "both texts go on with"),
    (["patch", "llama.gguf", "a b c", "a b c d e f g"], "have to be equally long"),
    (["steer", "llama.gguf", "hello", "a", "b", "--layer", "2"], "none of the model's 2"),
    (["steer", "llama.gguf", "hello", "a"], "circuits steer MODEL TEXT MORE LESS"),
    (["trigrams", "llama.gguf", "0,2"], "heads are called LAYER.HEAD"),
    (["trigrams", "llama.gguf", "0.9"], "there is no head 0.9"),
    (["timeline", "."], "no run with checkpoints"),
    (["induction", "--layers", "two"], "not a list of numbers"),
    (["induction", "--steps", "0"], "steps=0 must be at least 1"),
    (["scores", "llama.gguf", "--top", "0"], "--top 0"),
])  # fmt: skip
def test_mistakes_are_told_in_one_line(circuits, words, said):
    code, out, err = circuits(*words)
    assert (code, out) == (2, "") and said in err and "Traceback" not in err, err
    assert not Path("runs").exists()

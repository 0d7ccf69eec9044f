"""`twofold tokenizer` as a person runs it."""

from __future__ import annotations

import json

import pytest

from twofold.cli.main import main
from twofold.tokenizer.bpe import BPETokenizer


@pytest.fixture
def run(capfd, monkeypatch, tmp_path):
    """Run the command in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def go(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            main(["tokenizer", *arguments])
        return leaving.value.code, *capfd.readouterr()

    return go


@pytest.mark.slow
def test_it_learns_from_text_prepares_what_is_not_prepared_and_tells_as_json(run, tmp_path):
    code, out, _ = run("pydoc", "--vocab", "600", "--out", "learned", "--json")
    told = json.loads(out)
    learned = BPETokenizer.from_json(tmp_path / "learned" / "tokenizer.json")
    assert (code, told["vocab_size"], learned.vocab_size) == (0, 600, 600)
    assert 1.5 < told["bytes_per_token"]["pydoc"] < 4

    code, out, _ = run("learned/text", "--vocab", "600", "--out", "again", "--json")
    assert json.loads(out)["bytes_per_token"] == told["bytes_per_token"]
    assert BPETokenizer.from_json(tmp_path / "again" / "tokenizer.json").tokens == learned.tokens

    code, out, _ = run("learned/text", "--vocab", "600", "--pre", "gpt-2")
    assert code == 0
    assert "600 tokens" in out
    assert (tmp_path / "runs" / "tokenizer" / "tokenizer.json").is_file()


def test_show_tells_the_tokens_their_ids_and_their_bytes(run, tmp_path):
    (tmp_path / "tokenizer.json").write_text(BPETokenizer.from_json(_bytes_json()).to_json(), "utf-8")
    code, out, _ = run("show", "tokenizer.json", "é a\n<|endoftext|>", "--json")
    told = json.loads(out)
    assert code == 0
    assert [token["text"] for token in told["tokens"][:5]] == ["\\xc3", "\\xa9", "␣", "a", "⏎"]
    assert told["count"] == told["bytes"] == 18
    code, out, _ = run("show", ".", "é a\n")
    assert code == 0
    assert "\\xc3│\\xa9│␣│a│⏎" in out
    assert "5 tokens, 5 bytes" in out


def _bytes_json() -> str:
    from twofold.tokenizer.train import train_bpe

    return train_bpe([], 259).to_json()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show"], "show takes a model"),
        (["show", "nowhere", "text"], "nowhere"),
        (["show", "bad.json", "text"], "bad.json"),
        (["nowhere"], "nowhere"),
        (["pydoc", "--vocab", "5"], "smallest is 259"),
        (["pydoc", "--pre", "bert"], "qwen2"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(run, tmp_path, arguments, says):
    (tmp_path / "bad.json").write_text("{")
    code, out, told = run(*arguments)
    assert (code, out, told.count("\n")) == (2, "", 1)
    assert says in told
    assert [path.name for path in tmp_path.iterdir()] == ["bad.json"]

"""run.py and run.c hold the same conversation, and it is the one that the file's template makes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from twofold.run import run as run_file
from twofold.tokenizer.bpe import BPETokenizer
from twofold.tokenizer.chat import TEMPLATE
from twofold.weights.parameters import save

from ..weights.models import config_of, random_state, small_tokenizer
from .compiled import needs_compiler, run
from .test_run_c_text import ALPHABET, SMOLLM2

ALONE = Path(run_file.__file__)
SAID = "what is this <|im_end|> to you?\n and\tthat\n\nso?"
SAME = ("-n", "12", "--temperature", "0")


def call(*arguments, said=SAID):
    command = [sys.executable, str(ALONE), *map(str, arguments)]
    return subprocess.run(command, input=said, capture_output=True, encoding="utf-8", timeout=120)


def a_model(path, template, **changes):
    tokens = [*ALPHABET, "Ġt", "<s>", "<end>", "<|im_start|>", "<|im_end|>"]
    specials = {name: tokens.index(name) for name in tokens[-4:]}
    tokenizer = BPETokenizer(tokens, [("Ġ", "t")], "llama-bpe", specials, specials["<s>"], specials["<end>"], True)
    config = replace(config_of("llama"), vocab_size=len(tokens), context=512, **changes)
    save(path, config, random_state(config), tokenizer, dtype="F32", chat_template=template)
    return path


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize("template", [TEMPLATE, SMOLLM2], ids=["ours", "with a system message of its own"])
def test_both_files_hold_the_same_conversation(tmp_path, template):
    path = a_model(tmp_path / "p.gguf", template)
    ours, theirs = call(path, *SAME), run(path, "-i", *SAME, said=SAID)
    assert ours.returncode == theirs.returncode == 0, ours.stderr
    assert ours.stdout == theirs.stdout and ours.stdout.count("> ") >= 4


@pytest.mark.slow
def test_what_was_said_before_is_read_again(tmp_path):
    path = a_model(tmp_path / "p.gguf", TEMPLATE)
    first, later = (call(path, *SAME, said=said).stdout.split("> ") for said in ("b\n", "a\nb\n"))
    assert first[1] != later[2]


@pytest.mark.slow
def test_a_conversation_past_the_context_forgets_its_beginning(tmp_path):
    path = a_model(tmp_path / "p.gguf", TEMPLATE)
    done = call(path, *SAME, said="long " * 200 + "\nand?\n")
    assert done.returncode == 0 and done.stdout.count("> ") == 3 and "saw the latest only" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("template", [None, "{{ messages }}", "<|im_start|>"])
def test_a_file_that_holds_no_conversations_says_so(tmp_path, template):
    tokenizer = small_tokenizer()
    config = replace(config_of("llama"), vocab_size=tokenizer.vocab_size)
    path = tmp_path / "p.gguf"
    if template == "<|im_start|>":  # a template whose marks the vocabulary lacks
        tokenizer = BPETokenizer([*ALPHABET, "<end>"], [], "llama-bpe", {"<end>": len(ALPHABET)}, None, len(ALPHABET),
                                 False)  # fmt: skip
        config = replace(config, vocab_size=tokenizer.vocab_size)
    save(path, config, random_state(config), tokenizer, dtype="F32", chat_template=template)
    done = call(path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "no chat template" in done.stderr

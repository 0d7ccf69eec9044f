"""The text half of run.c: ids are the tokenizer's and llama.cpp's, draws are NumPy's, conversations the templates'."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from dataclasses import replace
from pydoc_data.topics import topics

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.contracts import Sampling
from twofold.engine.native import NativeCache, NativeModel
from twofold.engine.sampling import draw
from twofold.errors import FileFormatError
from twofold.run.run import GGUF, Model, Tokenizer, distribution, generate
from twofold.tokenizer.bpe import BPETokenizer
from twofold.tokenizer.chat import TEMPLATE
from twofold.tokenizer.pretokenizers import PATTERNS
from twofold.tokenizer.spelling import ALPHABET
from twofold.tokenizer.train import train_bpe
from twofold.weights import gguf
from twofold.weights.parameters import save

from ..tokenizer.examples import CORNERS, TEXT
from ..weights.models import config_of, random_state, small_tokenizer, tiny_parameters
from .compiled import SOURCE, needs_compiler, program, run

pytestmark = needs_compiler

ANY = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from("".join(CORNERS)))
EVERY_CHARACTER = [*map(chr, range(0xD800)), *map(chr, range(0xE000, 0x110000))]


def opened(tokenizer: BPETokenizer, folder, chat_template: str | None = None) -> NativeModel:
    config = replace(config_of("llama"), vocab_size=tokenizer.vocab_size)
    path = folder / f"{tokenizer.pre}.gguf"
    save(path, config, random_state(config), tokenizer, dtype="F32", chat_template=chat_template)
    return NativeModel(path, threads=1)


def pairs_of_bytes(pre: str) -> BPETokenizer:
    """All pairs of bytes are tokens, so that a piece that is cut elsewhere gives other ids."""
    pairs = [(left, right) for left in ALPHABET for right in ALPHABET]
    random.Random(0).shuffle(pairs)
    return BPETokenizer([*ALPHABET, *map("".join, pairs)], pairs, pre, {}, None, None, False)


@pytest.fixture(scope="module", params=PATTERNS)
def pair(request, tmp_path_factory):
    tokenizer = train_bpe([*list(topics.values())[:30], TEXT], 900, request.param)
    return tokenizer, opened(tokenizer, tmp_path_factory.mktemp("text"))


def digits(figure: int) -> str:
    """Base 32, the last digit from ']' up, those before it from '#' up."""
    more, last = divmod(figure, 32)
    text = chr(ord("]") + last)
    while more:
        more, digit = divmod(more, 32)
        text = chr(ord("#") + digit) + text
    return text


def test_the_table_of_letters_and_numbers_is_the_regex_packages():
    runs, end = "", 0
    for match in regex.finditer(r"\p{L}+|\p{N}+", "".join(map(chr, range(0x110000)))):
        length = 2 * (match.end() - match.start()) + bool(regex.match(r"\p{N}", match[0]))
        runs += digits(match.start() - end) + digits(length)
        end = match.end()
    source = SOURCE.read_text("utf-8").partition("RUNS[] =")[2].partition(";\n")[0]
    assert "".join(source.replace('"', "").split()) == runs, f"put this into run.c: {runs}"


@pytest.mark.slow
@pytest.mark.parametrize("pre", PATTERNS)
def test_characters_of_all_of_unicode_are_cut_as_the_tokenizer_cuts_them(pre, tmp_path):
    tokenizer = pairs_of_bytes(pre)
    text = "".join(f"x{c}1{c} {c}{c}\n" for c in EVERY_CHARACTER[[*PATTERNS].index(pre) :: 61])
    assert opened(tokenizer, tmp_path).tokenize(text) == tokenizer.encode(text)


@pytest.mark.slow
@settings(max_examples=300)
@given(text=ANY, parse_special=st.booleans())
def test_text_becomes_the_tokenizers_ids(pair, text, parse_special):
    tokenizer, model = pair
    assert model.tokenize(text, parse_special=parse_special) == tokenizer.encode(text, parse_special=parse_special)


@pytest.mark.slow
def test_prose_becomes_the_tokenizers_ids(pair):
    tokenizer, model = pair
    text = "\n\n".join(topics.values())
    assert model.tokenize(text) == tokenizer.encode(text)


@given(text=st.text())
def test_the_bytes_of_the_tokens_are_the_text(pair, text):
    _, model = pair
    sound = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert b"".join(map(model.token_bytes, model.tokenize(text))).decode() == sound


@pytest.mark.parametrize("letter", ["a", " ", "\n", "1", "日", "<"])
def test_a_megabyte_of_one_letter_is_nothing_to_wait_for(pair, letter):
    """Joining by a queue is n log n; looking through the whole piece for each pair would take hours."""
    tokenizer, model = pair
    text = letter * (1_000_000 // len(letter.encode()))
    assert tokenizer.decode(model.tokenize(text)) == text


def test_a_tokenizer_that_is_not_known_is_refused_by_name_when_it_is_asked(tmp_path):
    one = tiny_parameters("llama", small_tokenizer())
    save(tmp_path / "p.gguf", one.config, one.state, one.tokenizer, dtype="F32")
    raw = (tmp_path / "p.gguf").read_bytes().replace(b"qwen2", b"qwen9")
    with pytest.raises(FileFormatError, match="qwen9.*known are.*gpt-2, smollm, qwen2 or llama-bpe"):
        NativeModel(raw).tokenize("x")


# SentencePiece


SPELLED = ["▁", *"abcdefghijklmnopqrstuvwxyz", "th", "he", "▁t", "▁the", "the", "in", "ing", "▁a", "an", "and", "▁and"]


def sentencepiece(path, **keys: object):
    """A tiny model with a tokenizer of Gemma's kind."""
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", "\n\n", "\n", *(f"<0x{i:02X}>" for i in range(256)), *SPELLED]
    kinds = [3, 3, 3, 2, 4, 4, *[6] * 256, *[1] * len(SPELLED)]
    config = replace(config_of("llama"), vocab_size=len(tokens))
    save(path, config, random_state(config), small_tokenizer_of(len(tokens)), dtype="F32")
    file = gguf.read(path)
    tensors = {name: file.array(name) for name in file.tensors}
    metadata = {key: value for key, value in file.metadata.items() if not key.startswith("tokenizer.")}
    metadata |= {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": np.array(kinds, np.int32),
        "tokenizer.ggml.scores": np.array([*[0.0] * 262, *(-float(i) for i in range(len(SPELLED)))], np.float32),
        "tokenizer.ggml.bos_token_id": 2,
        "tokenizer.ggml.eos_token_id": 1,
        "tokenizer.ggml.unknown_token_id": 3,
        "tokenizer.ggml.add_space_prefix": False,
    } | keys
    gguf.write(path, metadata, tensors, dict.fromkeys(tensors, "F32"))
    return path


def small_tokenizer_of(size: int) -> BPETokenizer:
    tokens = [*ALPHABET, *(f"{left}{right}" for left in ALPHABET for right in ALPHABET)][:size]
    merges = [(token[0], token[1]) for token in tokens[256:]]
    return BPETokenizer(tokens, merges, "qwen2", {}, None, None, False)


SENTENCES = ["the thing and the andes", "a\n\n\nb\n", "é日🙂 ▁▁ <eos>", "", " ", "  the  ", "<0x41>", "thethethe" * 50]


@pytest.mark.parametrize("prefix", [False, True])
def test_sentencepiece_ids_are_llama_cpps(tmp_path, prefix):
    llama_cpp = pytest.importorskip("llama_cpp")
    path = sentencepiece(tmp_path / "p.gguf", **{"tokenizer.ggml.add_space_prefix": prefix})
    model, theirs = NativeModel(path), llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    rng = random.Random(0)
    texts = [*SENTENCES, *("".join(rng.choices("the and ing\n▁é<>0x", k=rng.randrange(40))) for _ in range(300))]
    for text in texts:
        for special in (False, True):
            expected = theirs.tokenize(text.encode(), add_bos=False, special=special)
            assert model.tokenize(text, parse_special=special) == expected, text


def test_sentencepiece_joins_by_score_and_falls_to_bytes(tmp_path):
    model = NativeModel(sentencepiece(tmp_path / "p.gguf"))
    spelled = [model.token_bytes(i).decode() for i in model.tokenize("the andes")]
    assert spelled == ["the", " a", "n", "d", "e", "s"]  # " a" goes before "an", which "and" would need
    assert [model.token_bytes(i) for i in model.tokenize("é\n\n\n")] == [b"\xc3", b"\xa9", b"\n\n", b"\n"]


# The choice


@pytest.mark.slow
@settings(max_examples=300)
@given(st.data())
def test_a_draw_is_the_one_that_the_law_in_numpy_gives(pair, data):
    _, model = pair
    seed, size = data.draw(st.integers(0, 2**32)), data.draw(st.sampled_from((1, 2, 17, 300, 5000)))
    rng = np.random.default_rng(seed)
    logits = (rng.standard_normal(size) * data.draw(st.sampled_from((0.1, 1, 8)))).astype(np.float32)
    sampling = Sampling(
        temperature=data.draw(st.sampled_from((0, 0.3, 1, 2))), top_k=data.draw(st.sampled_from((0, 1, 5, 40, 9999))),
        top_p=data.draw(st.sampled_from((0, 0.3, 0.95, 1))), min_p=data.draw(st.sampled_from((0, 0.05, 0.5, 1))),
        repeat=data.draw(st.sampled_from((0.5, 1, 1.3))),
    )  # fmt: skip
    u, recent = rng.random(), rng.integers(0, size, 100).tolist()
    expected, ours = draw(logits, sampling, u, recent), model.draw(logits, sampling, u, recent)
    assert ours[0] == expected[0]
    assert ours[1] == pytest.approx(expected[1], rel=1e-5)


@pytest.mark.parametrize("name", ["llama", "gpt2", "qwen3-tied", "arcee", "attention-only"])
@pytest.mark.parametrize("sampling", [Sampling(temperature=0), Sampling(seed=3), Sampling(1.5, 0, 1, 0, seed=2**40)])
def test_the_same_seed_gives_the_text_that_run_py_gives(name, sampling, tmp_path):
    """Past the context too. Where they part, two tokens were as likely as each other, to the last digits of a float."""
    one = tiny_parameters(name, small_tokenizer())
    save(tmp_path / "p.gguf", one.config, one.state, one.tokenizer, dtype="F32")
    file = GGUF(str(tmp_path / "p.gguf"))
    tokenizer, model, native = Tokenizer(file), Model(file), NativeModel(tmp_path / "p.gguf")
    ids = tokenizer.first + tokenizer.encode("hello the 1984")
    how = {key: getattr(sampling, key) for key in ("temperature", "top_k", "top_p", "min_p")}
    theirs = list(generate(model, ids, 200, tokenizer.last, sampling.seed, **how))
    ours = [token.id for token in native.generate(ids, 200, sampling)]
    parted = next((i for i, (a, b) in enumerate(zip(theirs, ours, strict=False)) if a != b), None)
    if parted is None:
        assert len(theirs) == len(ours)
    else:
        text = [*ids, *theirs[:parted]]
        if len(text) > model.context:  # after a slide what was read is not all of it
            return
        logits = native.forward([(NativeCache(native, model.context), text)])[0]
        kept, chances = distribution(logits, **how)
        of = dict(zip(kept.tolist(), chances, strict=True))
        assert of[theirs[parted]] == pytest.approx(of[ours[parted]], rel=1e-4)


# The command


@pytest.fixture(scope="module")
def almanac(tmp_path_factory):
    """A model with ChatML's template, whose system turn has words of its own as SmolLM2's has."""
    path = tmp_path_factory.mktemp("command") / "p.gguf"
    one = tiny_parameters("llama", small_tokenizer())
    save(path, one.config, one.state, one.tokenizer, dtype="F32", chat_template=TEMPLATE)
    return path, one.tokenizer, NativeModel(path)


def test_the_command_writes_the_text_and_what_follows(almanac):
    path, tokenizer, model = almanac
    done = run(path, "hello é", "-n", 20, "--seed", 7, "--repeat", 1.2, "-v")
    prompt = [tokenizer.bos_id, *tokenizer.encode("hello é")]
    ids = [token.id for token in model.generate(prompt, 20, Sampling(seed=7, repeat=1.2))]
    written = b"".join(tokenizer._bytes[i] for i in ids if i not in tokenizer.specials.values())
    assert done.stdout == "hello é" + written.decode("utf-8", "replace") + "\n"
    assert done.returncode == 0
    assert regex.search(r"opened in .*\nread \d+ tokens, .* per second; wrote \d+, .* per second", done.stderr)
    assert run(path, "-", "-n", 20, "--seed=7", "--repeat=1.2", said="hello é").stdout == done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "usage"),
        (["no such file", "x"], "no such file: No such file or directory"),
        (["MODEL"], "give it a parameters file, and a text"),
        (["MODEL", "x", "y"], "'y' is one text too many"),
        (["MODEL", "x", "--warmth", "1"], "there is no option --warmth"),
        (["MODEL", "x", "-n"], "-n needs a value"),
        (["MODEL", "x", "-n", "1.5"], "-n 1.5 is not between 0 and 2147483647"),
        (["MODEL", "x", "--top-p", "nan"], "--top-p nan is not between 0 and 1"),
        (["MODEL", "x" * 300], "tokens long; the model reads 96: shorten it"),
        (["MODEL", "-i"], "no chat template that is known here"),
        ([str(SOURCE), "x"], "is not a GGUF file"),
    ],
)
def test_a_mistake_is_told_in_a_line_with_the_way_out(tmp_path, arguments, says):
    one = tiny_parameters("llama", small_tokenizer())
    save(tmp_path / "p.gguf", one.config, one.state, one.tokenizer, dtype="F32", chat_template="{{ messages }}")
    done = run(*(str(tmp_path / "p.gguf") if argument == "MODEL" else argument for argument in arguments))
    assert says in done.stdout + done.stderr
    assert done.returncode == (2 if arguments else 0)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to send")
def test_ctrl_c_stops_the_text(tmp_path):
    opened(train_bpe([TEXT], 300, "gpt-2", specials=()), tmp_path)  # without an end-of-text, so that it goes on
    command = [str(program()), str(tmp_path / "gpt-2.gguf"), "hello", "-n", "2000000000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout.read(100).startswith(b"hello")
        running.send_signal(signal.SIGINT)
        assert running.communicate()[0].endswith(b"\n")
    assert running.returncode == 130


LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + m.content"
    " + '<|eot_id|>' }}{% endfor %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
)
GEMMA = (
    "{{ bos_token }}{% for m in messages %}{% if m.role != 'system' %}{{ '<start_of_turn>' + ('model' if m.role == "
    "'assistant' else 'user') + '\n' }}{% if loop.index0 == 1 and messages[0].role == 'system' %}"
    "{{ messages[0].content + '\n\n' }}{% endif %}{{ m.content + '<end_of_turn>\n' }}{% endif %}{% endfor %}"
    "{{ '<start_of_turn>model\n' }}"
)
ZEPHYR = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '</s>\n' }}{% endfor %}{{ '<|assistant|>\n' }}"
    "{# <|user|> #}"
)
SMOLLM2 = TEMPLATE.replace(
    "{% for message in messages %}",
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou help.<|im_end|>\n' }}{% endif %}",
    1,
)
FAMILIES = {
    "ChatML": (TEMPLATE, ["<|im_start|>", "<|im_end|>"]),
    "SmolLM2": (SMOLLM2, ["<|im_start|>", "<|im_end|>"]),
    "Llama 3": (LLAMA3, ["<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]),
    "Gemma": (GEMMA, ["<start_of_turn>", "<end_of_turn>"]),
    "Zephyr": (ZEPHYR, ["</s>"]),
}


QUESTIONS = ("what is this <|im_end|> to you?", " and\tthat", "so?")


@pytest.mark.parametrize("system", [None, "Be brief."])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_conversation_is_what_the_files_template_makes_of_it(family, system, tmp_path):
    """Two turns, greedy: each answer is what the model says to the text that jinja makes of the messages."""
    jinja2 = pytest.importorskip("jinja2")
    template, marks = FAMILIES[family]
    names = ["<s>", "<end>", *marks]
    tokens = [*ALPHABET, "Ġt", *names]
    specials = {name: tokens.index(name) for name in names}
    tokenizer = BPETokenizer(tokens, [("Ġ", "t")], "llama-bpe", specials, specials["<s>"], specials["<end>"],
                             "bos_token" in template)  # fmt: skip
    config = replace(config_of("llama"), vocab_size=len(tokens), context=512)
    save(tmp_path / "p.gguf", config, random_state(config), tokenizer, dtype="F32", chat_template=template)
    model = NativeModel(tmp_path / "p.gguf")
    ends = {specials["<end>"], tokenizer.encode(marks[-1], parse_special=True)[0]}
    messages = [{"role": "system", "content": system}] if system else []
    known: dict[str, list[int]] = {}
    expected = ""
    for turn, question in enumerate(QUESTIONS):
        messages.append({"role": "user", "content": question})
        known[question] = tokenizer.encode(question)  # what people write never is a special token
        text = jinja2.Template(template).render(messages=messages, bos_token="<s>", add_generation_prompt=True)
        parts = regex.split(f"({'|'.join(map(regex.escape, known))})", text)
        ids = [i for part in parts for i in known.get(part) or tokenizer.encode(part, parse_special=True)]
        said = [token.id for token in model.generate(ids, 12, Sampling(temperature=0))]
        said = said[: next((i for i, one in enumerate(said) if one in ends), len(said))]
        known[f"answer {turn}"] = said
        messages.append({"role": "assistant", "content": f"answer {turn}" if said else ""})
        shown = b"".join(tokenizer._bytes[i] for i in said if i not in specials.values())
        expected += "> " + shown.decode("utf-8", "replace") + "\n"
    options = ["--system", system] if system else []
    done = run(tmp_path / "p.gguf", "-i", "-n", 12, "--temperature", 0, *options, said="\n".join([*QUESTIONS, ""]))
    assert done.stdout == expected + "> \n"

from __future__ import annotations

import json

import numpy as np
import pytest

from twofold.contracts import Tokenizer
from twofold.data import parallel, tokens
from twofold.data.batches import Batches
from twofold.data.corpus import SPLITS
from twofold.data.prepare import prepare
from twofold.data.tokens import TokenStore, tokenise
from twofold.errors import SourceError


class Bytes:
    """The simplest tokenizer: a byte is a token."""

    bos_id = 256
    eos_id = 256

    def __init__(self, vocab_size=257):
        self.vocab_size, self.specials = vocab_size, {"<|endoftext|>": 256}

    def encode(self, text, *, parse_special=False):
        return list(text.encode("utf-8"))

    def decode_bytes(self, ids):
        return bytes(i for i in ids if i < 256)

    def decode(self, ids):
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def to_json(self):
        return json.dumps({"bytes": self.vocab_size})


class Batched(Bytes):
    def encode(self, text, *, parse_special=False):
        raise AssertionError("the batch is there to be used")

    def encode_batch(self, texts):
        return [np.frombuffer(text.encode("utf-8"), np.uint8) for text in texts]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return prepare(["pydoc"], tmp_path_factory.mktemp("corpus"))


def files(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_tokens_are_the_texts_each_after_a_bos_and_the_records_say_where(corpus, tmp_path):
    tokenizer = Bytes()
    assert isinstance(tokenizer, Tokenizer)
    store = tokenise(corpus, tokenizer, tmp_path)
    for split in SPLITS:
        ids, records = store.tokens(split, "pydoc"), store.documents(split, "pydoc")
        texts = [document.text for document in corpus.documents(split)]
        assert len(records) == len(texts)
        assert records["length"].sum() == len(ids)
        assert store.bytes(split, "pydoc") == corpus.bytes(split)
        for text, (start, length, size) in zip(texts, records.tolist(), strict=True):
            assert ids[start] == tokenizer.bos_id
            assert tokenizer.decode(ids[start + 1:start + length].tolist()) == text
            assert size == len(text.encode("utf-8"))


@pytest.mark.parametrize(("vocab_size", "dtype"), [(257, "<u2"), (65536, "<u2"), (65537, "<u4")])
def test_ids_take_two_bytes_while_they_fit(corpus, tmp_path, vocab_size, dtype):
    assert tokenise(corpus, Bytes(vocab_size), tmp_path).tokens("val", "pydoc").dtype == np.dtype(dtype)


@pytest.mark.slow
def test_workers_and_batches_give_the_same_bytes(corpus, tmp_path, monkeypatch):
    tokenise(corpus, Bytes(), tmp_path / "one")
    tokenise(corpus, Batched(), tmp_path / "two")
    monkeypatch.setattr(parallel, "WORTH_PROCESSES", 0)
    monkeypatch.setattr(parallel, "_CHUNK", 50_000)
    tokenise(corpus, Bytes(), tmp_path / "three", workers=2)
    assert files(tmp_path / "one") == files(tmp_path / "two") == files(tmp_path / "three")


def test_a_finished_store_is_reused_until_text_or_tokenizer_change(corpus, tmp_path, monkeypatch):
    tokenise(corpus, Bytes(), tmp_path / "tokens")
    with monkeypatch.context() as patch:
        patch.setattr(tokens, "_encode", None)  # would fail if it were called
        tokenise(corpus, Bytes(), tmp_path / "tokens")
    assert tokenise(corpus, Bytes(300), tmp_path / "tokens").manifest["vocab_size"] == 300


def test_a_store_that_is_not_whole_is_refused_and_made_again(corpus, tmp_path):
    store = tokenise(corpus, Bytes(), tmp_path)
    before = files(tmp_path)
    path = tmp_path / "shards" / "train" / "pydoc.bin"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(SourceError, match="tokenise the text again"):
        TokenStore.open(tmp_path)
    store = tokenise(corpus, Bytes(), tmp_path)
    assert files(tmp_path) == before
    assert TokenStore.open(tmp_path).manifest == store.manifest


def test_no_store_is_an_error_that_says_so(tmp_path):
    with pytest.raises(SourceError, match="no finished token store"):
        TokenStore.open(tmp_path)


def test_progress_ends_at_the_whole(corpus, tmp_path):
    calls = []
    tokenise(corpus, Bytes(), tmp_path, progress=lambda *call: calls.append(call))
    whole = corpus.bytes("train") + corpus.bytes("val")
    assert calls[-1] == ("tokenise", whole, whole)
    assert [done for _, done, _ in calls] == sorted(done for _, done, _ in calls)


def test_rows_of_a_store_read_back_as_text(corpus, tmp_path):
    store = tokenise(corpus, Bytes(), tmp_path)
    everything = "".join(document.text for document in corpus.documents("train"))
    for row in Batches(store, "train", 64, 8).at(3):
        assert Bytes().decode(row.tolist()) in everything + everything[:64]

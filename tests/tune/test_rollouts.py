"""A model's own answers: drawn as it would, kept as they were drawn, with tools' words in them that nobody drew."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from twofold.engine.open import Engine, from_decoder
from twofold.errors import ConfigError, Diverged
from twofold.tokenizer.chat import TEMPLATE
from twofold.tune.rollouts import answers
from twofold.tune.rows import padded, token_log_p
from twofold.weights.parameters import Parameters
from twofold.weights.torch_state import to_decoder

from ..weights.models import config_of, random_state, small_tokenizer

HELLO = [{"role": "user", "content": "hello"}]
THE = [{"role": "user", "content": "the the"}]


@pytest.fixture(scope="module", params=["torch", "native"])
def engine(request):
    config = config_of("llama")
    model = to_decoder(Parameters(config, random_state(config), small_tokenizer()))
    try:
        made = from_decoder(model, small_tokenizer(), backend=request.param, threads=1) if request.param == "native" \
            else from_decoder(model, small_tokenizer())  # fmt: skip
    except ConfigError as error:
        pytest.skip(str(error))
    made.chat_template = TEMPLATE
    return made


@pytest.mark.slow
def test_an_answer_hangs_on_the_seed_alone_and_not_on_who_else_is_asked(engine):
    both = answers(engine, [HELLO, THE], 3, 10, seed=(4,))
    again = answers(engine, [HELLO, THE], 3, 10, seed=(4,))
    alone = answers(engine, [HELLO], 3, 10, seed=(4,))
    assert [one.ids for one in both[0]] == [one.ids for one in again[0]] == [one.ids for one in alone[0]]
    assert answers(engine, [HELLO], 3, 10, seed=(5,))[0][0].ids != alone[0][0].ids


@pytest.mark.slow
def test_many_answers_are_written_in_turns_and_none_is_lost(engine):
    groups = answers(engine, [HELLO, THE, HELLO], 30, 3)
    assert [len(group) for group in groups] == [30] * 3
    for group in groups:
        assert all(1 <= one.drawn <= 3 and len(one.ids) == len(one.own) for one in group)
        starts = {tuple(i for i, own in zip(one.ids, one.own, strict=True) if not own) for one in group}
        assert len(starts) == 1


@pytest.mark.slow
def test_tokens_come_as_often_as_the_model_finds_them_likely(engine):
    """The first token's frequencies against the softmax of its scores: chi-squared over the likely ones."""
    n = 400 if engine.backend.name == "torch" else 4000  # torch reads texts one by one
    [group] = answers(engine, [HELLO], n, 1)
    found = Counter(one.ids[-1] for one in group)
    prompt = group[0].ids[:-1]
    scores = engine.backend.step([(engine.backend.new_cache(len(prompt)), prompt)])[0, : engine.tokenizer.vocab_size]
    p = np.exp(scores - scores.max())
    p = p / p.sum()
    likely = [i for i in range(len(p)) if n * p[i] >= 5]
    chi = sum((found[i] - n * p[i]) ** 2 / (n * p[i]) for i in likely)
    assert chi < len(likely) + 5 * (2 * len(likely)) ** 0.5


def test_a_prompt_without_room_for_an_answer_is_refused(engine):
    with pytest.raises(ConfigError, match="do not fit the context"):
        answers(engine, [HELLO], 2, engine.context)
    with pytest.raises(ConfigError, match="1 or more"):
        answers(engine, [HELLO], 0, 5)


class Script:
    """A backend that says what it is told to, so that a call comes when it is wanted."""

    name = "script"

    def __init__(self, tokenizer, said):
        self.vocab_size = tokenizer.vocab_size
        self.end = tokenizer.specials["<|im_end|>"]
        self.left = [id for text in said for id in [*tokenizer.encode(text), self.end]]
        self.read = []

    def new_cache(self, room, kind=None):
        return SimpleNamespace(room=room)

    def step(self, reads, every=False):
        rows = np.zeros((len(reads), self.vocab_size), np.float32)
        if self.read:  # the prompt was
            rows[:, self.left.pop(0)] = 100.0
        self.read += [list(ids) for _, ids in reads]
        return rows


def scripted(*said, context=400):
    tokenizer = small_tokenizer()
    return Engine(SimpleNamespace(context=context), tokenizer, Script(tokenizer, said), chat_template=TEMPLATE)


CALL = '<tool_call>{"name": "calculator", "arguments": {"expression": "2 * 3"}}</tool_call>'


def test_a_tools_words_stand_in_the_answer_and_were_not_drawn():
    engine = scripted(CALL, "It is 6.")
    [[one]] = answers(engine, [HELLO], 1, 200, tools={"calculator": lambda given: f"{given['expression']} is 6"})
    text = engine.tokenizer.decode(one.ids)
    assert text.endswith(f"{CALL}<|im_end|>\n<|im_start|>tool\n2 * 3 is 6<|im_end|>\n<|im_start|>assistant\n"
                         "It is 6.<|im_end|>")  # fmt: skip
    drawn = engine.tokenizer.decode([i for i, own in zip(one.ids, one.own, strict=True) if own])
    assert drawn == f"{CALL}<|im_end|>It is 6.<|im_end|>"
    assert one.text == "It is 6." and one.ended and len(one.calls) == 1
    assert [i for ids in engine.backend.read for i in ids] == one.ids[:-1]  # each is read once, in order


def test_without_tools_a_call_is_text_and_an_unknown_tool_is_told_of():
    [[one]] = answers(scripted(CALL), [HELLO], 1, 200)
    assert one.text == CALL and not one.calls
    [[one]] = answers(scripted(CALL, "oh"), [HELLO], 1, 200, tools={"clock": lambda given: "noon"})
    assert one.calls[0][1] == "error: there is no tool 'calculator'" and one.text == "oh"


def test_calls_come_to_an_end():
    [[one]] = answers(scripted(*[CALL] * 9, context=4000), [HELLO], 1, 2000, tools={"calculator": lambda given: "6"})
    assert len(one.calls) == 4 and one.ended


def test_scores_that_are_no_numbers_are_a_divergence():
    engine = scripted("oh")
    engine.backend.step = lambda reads, every=False: np.full((len(reads), engine.backend.vocab_size), np.nan)
    with pytest.raises(Diverged, match="--lr"):
        answers(engine, [HELLO], 1, 10)


@pytest.mark.slow
def test_what_run_c_draws_is_what_torch_would_have_drawn():
    config = config_of("qwen3")
    model = to_decoder(Parameters(config, random_state(config), small_tokenizer()))
    try:
        native = from_decoder(model, small_tokenizer(), backend="native", threads=1)
    except ConfigError as error:
        pytest.skip(str(error))
    native.chat_template = TEMPLATE
    torch_engine = from_decoder(model, small_tokenizer())
    torch_engine.chat_template = TEMPLATE
    first, second = (answers(one, [HELLO, THE], 8, 12) for one in (native, torch_engine))
    same = [a.ids == b.ids for x, y in zip(first, second, strict=True) for a, b in zip(x, y, strict=True)]
    assert sum(same) >= len(same) - 1  # a draw may lie on the edge between two tokens
    with torch.no_grad():  # and refreshed, it is the model that has moved on
        for parameter in model.parameters():
            parameter += 0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0))
    native.refresh()
    third, fourth = (answers(one, [HELLO], 8, 12) for one in (native, torch_engine))
    assert sum(a.ids == b.ids for a, b in zip(third[0], fourth[0], strict=True)) >= 7
    ids, own = padded([one.example() for one in third[0]])
    assert (token_log_p(model, ids, own)[own] < 0).all()

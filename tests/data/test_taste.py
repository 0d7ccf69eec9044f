"""A rule that can be looked up, and labels that are wrong as often as is said."""

from __future__ import annotations

import statistics

import pytest

from twofold.data.taste import CREATURES, conversations, facts, preferences, question, rule
from twofold.errors import ConfigError

BLIM = question("blim")


def test_every_fact_counts_once_and_what_is_no_fact_costs():
    told = facts("blim")
    assert rule(BLIM, " ".join(told)) == 6
    assert rule(BLIM, " ".join((*told, told[0]))) == 5
    assert rule(BLIM, f"What a good question. {told[2]}") == 0.5
    assert rule(BLIM, f"{told[1]} It is made of cheese.") == 0.5
    assert rule(BLIM, "") == 0


def test_the_best_answer_has_six_sentences_and_every_further_one_makes_it_worse():
    told = list(facts("korp"))
    worth = [rule(question("korp"), " ".join((told * 3)[:n])) for n in range(1, 13)]
    assert worth == [1, 2, 3, 4, 5, 6, 5, 4, 3, 2, 1, 0]


def test_a_question_that_the_rule_does_not_know_is_refused():
    with pytest.raises(ConfigError, match="blim"):
        rule("What is the capital of France?", "Paris.")


@pytest.mark.slow
def test_the_chosen_one_is_the_better_one_nine_times_in_ten():
    made = list(preferences(2000, seed=3))
    wrong = [one.labels["true"][0] < one.labels["true"][1] for one in made]
    assert [one.labels["turned"] for one in made] == wrong
    assert 0.08 < statistics.mean(wrong) < 0.12
    assert not any(one.labels["turned"] for one in preferences(200, noise=0.0))
    for one in made[:100]:
        said = [answer[0].content for answer in (one.chosen, one.rejected)]
        assert one.labels["true"] == [rule(one.prompt[0].content, text) for text in said]


def test_usual_answers_seldom_show_what_the_rule_makes_of_long_ones():
    told = [one.messages[1].content.count(".") for one in conversations(2000)]
    assert 0 < statistics.mean(n > 6 for n in told) < 0.1 and 2 < statistics.mean(told) < 4
    assert {one.messages[0].content for one in conversations(500)} == {question(name) for name in CREATURES}
    assert list(conversations(20)) == list(conversations(40))[:20]

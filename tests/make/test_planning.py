"""The plan: what was wished stays, and what is chosen is worth its time."""

import json

import pytest

from twofold.data.corpus import Corpus
from twofold.errors import ConfigError
from twofold.make.planning import Wishes, planned
from twofold.train.machine import Machine


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    (tmp_path / "text" / "train").mkdir(parents=True)
    record = {"id": "one", "kind": "prose", "text": "some words to compress, " * 40}
    (tmp_path / "text" / "train" / "mine.jsonl").write_text(json.dumps(record) + "\n")
    files = {"train": {"mine": {"bytes": 20_000_000}}, "val": {"mine": {"bytes": 1_000_000}}}
    return Corpus(tmp_path, {"files": files})


def machine(compiles=True, peak=4e11) -> Machine:
    return Machine("cpu", 2, "bfloat16", {"bfloat16": peak}, compiles, "invented")


@pytest.mark.parametrize(("minutes", "compiled"), [(0.5, False), (1.0, False), (5.0, True), (60.0, True)])
def test_half_a_minute_of_compiling_is_not_spent_where_it_does_not_pay(corpus, minutes, compiled):
    assert planned(Wishes(minutes=minutes), machine(), corpus)[0].machine.compiled is compiled


def test_without_a_compiler_nothing_is_compiled(corpus):
    assert planned(Wishes(minutes=60.0), machine(compiles=False), corpus)[0].machine.compiled is False


@pytest.mark.slow
def test_more_time_is_never_expected_to_end_worse(corpus):
    expected = [planned(Wishes(minutes=minutes), machine(), corpus)[1]["bits_per_byte"]
                for minutes in (0.5, 1.0, 1.5, 2.0, 5.0, 15.0, 60.0, 600.0)]  # fmt: skip
    assert expected == sorted(expected, reverse=True)


def test_what_was_chosen_is_kept_and_the_rest_is_planned_around_it(corpus):
    chosen = {"model.d_model": 192, "model.n_heads": 4, "train.batch": 3, "train.context": 128}
    recipe, _ = planned(Wishes(choices=chosen), machine(), corpus)
    assert (recipe.model.d_model, recipe.model.n_heads, recipe.train.batch, recipe.model.context) == (192, 4, 3, 128)
    assert recipe.model.d_head == 48 and recipe.model.vocab_size == recipe.tokenizer.vocab_size


def test_steps_that_were_chosen_mind_no_clock(corpus):
    recipe, _ = planned(Wishes(choices={"train.schedule.steps": 7}), machine(), corpus)
    assert recipe.minutes == 0 and recipe.train.schedule.steps == 7


def test_a_choice_that_a_recipe_has_not_is_refused(corpus):
    with pytest.raises(ConfigError, match="n_layer'"):
        planned(Wishes(choices={"model.n_layer": 2}), machine(), corpus)


@pytest.mark.parametrize("minutes", [1.0, 8.0, 19.0])
def test_the_stages_share_the_minutes_and_the_assistants_part_shrinks_with_time(corpus, minutes):
    recipe, _ = planned(Wishes(("mine",), minutes, ("auto",)), machine(), corpus)
    assert recipe.minutes + recipe.assistant.minutes == pytest.approx(minutes)
    assert recipe.assistant.minutes <= recipe.minutes and recipe.assistant.minutes <= 2.5 + 0.2 * minutes
    assert recipe.rewards is None


@pytest.mark.parametrize(("minutes", "share"), [(20.0, 2.0), (60.0, 6.0), (600.0, 10.0)])
def test_rewards_follow_where_there_is_time_and_what_to_be_right_about(corpus, minutes, share):
    recipe, _ = planned(Wishes(("mine",), minutes, ("auto",)), machine(), corpus)
    assert recipe.rewards.minutes == share
    assert recipe.minutes + recipe.assistant.minutes + share == pytest.approx(minutes)
    assert planned(Wishes(("mine",), minutes, ("mine.jsonl",)), machine(), corpus)[0].rewards is None
    short = Wishes(("mine",), minutes, ("auto",), choices={"train.context": 64})
    assert planned(short, machine(), corpus)[0].rewards is None, "a sum and its answer would not fit"


def test_conversations_fit_the_text_unless_they_were_named(corpus):
    def learned(sources, *conversations):
        assistant = planned(Wishes(sources, 8.0, conversations), machine(), corpus)[0].assistant
        return assistant and assistant.data

    assert learned(("almanac",), "auto") == learned(("mine", "factbook"), "auto") == ("almanac",)
    assert learned(("mine",), "auto") == ("everyday", "text")
    assert learned(("mine",), "chats.jsonl", "auto") == ("chats.jsonl", "everyday", "text")
    assert learned(("mine",)) is None


def test_steps_that_were_chosen_hold_for_both_stages(corpus):
    recipe, _ = planned(Wishes(("mine",), 8.0, ("auto",), choices={"train.schedule.steps": 7}), machine(), corpus)
    assert recipe.assistant.steps == 7

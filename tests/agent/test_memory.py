"""What is left of a conversation that has outgrown its context: whole turns, the latest, and never none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from twofold.agent.memory import heard, recent

ROLES = st.lists(st.sampled_from(["user", "assistant", "tool"]), max_size=12)


def words(messages):
    return sum(len(message["content"]) for message in messages)


@given(st.booleans(), ROLES, st.data(), st.integers(0, 60))
def test_the_fewest_oldest_turns_are_left_out(begins_with_system, roles, data, most):
    said = [{"role": role, "content": "x" * data.draw(st.integers(0, 9))} for role in ["user", *roles]]
    head = [{"role": "system", "content": "be brief"}] * begins_with_system
    kept = recent([*head, *said], words, most)
    assert kept[: len(head)] == head
    tail = kept[len(head) :]
    assert tail == said[len(said) - len(tail) :] and tail[0]["role"] == "user"
    assert words(kept) <= most or sum(one["role"] == "user" for one in tail) == 1
    dropped = said[: len(said) - len(tail)]
    if dropped:
        last = max(i for i, one in enumerate(dropped) if one["role"] == "user")
        assert words([*head, *dropped[last:], *tail]) > most


def test_a_quarter_of_the_context_is_left_for_the_answer():
    assert heard(256) == 192 and heard(1) == 1

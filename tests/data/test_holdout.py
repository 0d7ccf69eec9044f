from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.data.documents import Document
from twofold.data.holdout import PARTS, SECTION, hold_out, join, sections

words = st.text(st.sampled_from("ab. \nü"), max_size=60)
texts = st.lists(st.tuples(words, st.integers(1, 2000)).map(lambda pair: pair[0] * pair[1]), max_size=8)


def documents(some):
    return [Document(str(i), "s", "prose", text) for i, text in enumerate(some)]


def numbered(n):
    return documents(f"the text with the number {i}" for i in range(n))


@pytest.mark.slow
@given(texts)
def test_sections_put_together_are_the_documents(some):
    before = documents(some)
    after = join(sections(before))
    assert [d.text for d in after] == [d.text for d in before]


@pytest.mark.slow
@given(texts)
def test_no_part_is_much_more_than_a_twentieth_of_a_source(some):
    parts = sections(documents(some))
    total = sum(d.size for d in parts)
    most = max(min(SECTION, max(500, total // PARTS)) * 1.5 * 2, total / PARTS)  # ü is two bytes
    assert all(d.size <= most for d in parts)


def test_one_long_text_is_cut_at_paragraphs_and_a_twentieth_is_held_out():
    text = "\n\n".join(f"Paragraph {i}. " + "A sentence of it. " * 20 for i in range(3000))
    parts = sections(documents([text]))
    assert all(part.text.startswith("Paragraph") for part in parts)
    chosen = hold_out(parts, 0.05)
    share = sum(parts[i].size for i in chosen) / len(text)
    assert 0.02 < share < 0.12
    assert len(join([p for i, p in enumerate(parts) if i not in chosen])) <= len(chosen) + 1


@pytest.mark.slow
@given(st.integers(2, 100), st.integers(0, 100), st.floats(0.01, 0.5))
def test_documents_that_are_added_move_none_that_fall_under_the_share(n, more, share):
    first, later = numbered(n), numbered(n + more)
    before = {first[i].text for i in hold_out(first, share) if first[i].key < share * 2**64}
    after = {later[i].text: later[i] for i in hold_out(later, share)}
    assert len(before - set(after)) <= (max(d.key for d in later) < share * 2**64)  # one always stays in training
    over = [d for d in after.values() if d.key >= share * 2**64]  # these only fill up what chance left short
    if over:
        short = sum(d.size for d in after.values()) - max(over, key=lambda d: d.key).size
        assert short < share / 2 * sum(d.size for d in later)


def test_position_and_name_do_not_matter():
    some = numbered(400)
    moved = [Document(f"other {d.id}", "s", "prose", d.text) for d in reversed(some)]
    assert {some[i].text for i in hold_out(some, 0.05)} == {moved[i].text for i in hold_out(moved, 0.05)}


@given(st.integers(2, 60))
def test_two_documents_are_enough_to_hold_one_out_and_keep_one(n):
    assert 1 <= len(hold_out(numbered(n), 0.05)) < n


def test_about_the_share_is_held_out():
    assert 150 < len(hold_out(numbered(4000), 0.05)) < 250

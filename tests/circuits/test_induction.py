"""Repeats are repeats, the lab tells what came out whatever that is, and two layers learn to look back."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from twofold.circuits.changes import changes
from twofold.circuits.induction import Induction, cut, induction
from twofold.circuits.repeats import Baselines, Repeats
from twofold.errors import ConfigError
from twofold.make.induction import Course, Lab, Outcome, conclusions, run

TEXT = Repeats()


def test_a_stretch_is_said_again_and_what_follows_a_copy_counts():
    rows, counted = TEXT.rows((6,), 20, 3)
    assert rows.shape == (20, 41) and counted.shape == (20, 40)
    for row, counts in zip(rows, counted, strict=True):
        first = int(counts.nonzero()[0])  # the target rows[first + 1] is the first that could be known
        start = first - 6
        assert torch.equal(row[start + 6 :], row[start:-6])
        assert torch.equal(counts, torch.arange(40) >= first)
    assert len(set(counted.sum(1).tolist())) > 3, "offsets are random"
    assert torch.equal(TEXT.rows((6,), 20, 3)[0], rows), "a pure function of its arguments"
    assert not torch.equal(TEXT.rows((6,), 20, 4)[0], rows)


def test_pairs_follow_the_chain():
    """Of 20,000 pairs within a stretch, each is as frequent as the chain says, as far as so many can tell."""
    text = dataclasses.replace(TEXT, vocabulary=4)
    rows, _ = text.rows((16,), 4000, 0)
    pairs = torch.bincount(rows[:, 0] * 4 + rows[:, 1], minlength=16).view(4, 4).float()
    shares = pairs / pairs.sum(1, keepdim=True)
    error = (text.chain * (1 - text.chain) / pairs.sum(1, keepdim=True)).sqrt()
    assert ((shares - text.chain).abs() < 4 * error).all()


def test_what_is_known_without_learning():
    found = TEXT.baselines()
    assert found.uniform == pytest.approx(math.log(64))
    assert 3 < found.pairs < found.uniform, "pairs tell something, but little"
    assert found.pairs_right < 0.2 < 0.8 < found.looked_up < 1
    assert not set(TEXT.periods) & set(TEXT.held_out)


@pytest.mark.parametrize(("wrong", "said"), [
    ({"context": 20}, "at least 34"), ({"periods": ()}, "a period to train on"), ({"held_out": (0,)}, "at least 1")])
def test_repeats_that_cannot_be(wrong, said):
    with pytest.raises(ConfigError, match=said):
        Repeats(**wrong)


def test_cutting_is_for_models_whose_heads_could_compose(small, random_model):
    one = random_model(small(n_layers=1, mlp="none", vocab_size=64, context=40))
    with pytest.raises(ConfigError, match="fewer than two"):
        cut(one, *TEXT.test(4))
    found = induction(one, *TEXT.test(4))
    assert found.head.startswith("0.") and found.reads is None
    none = induction(random_model(small(n_layers=0, vocab_size=64)), *TEXT.test(4))
    assert none.head == "" and none.nats > 0


def test_a_path_that_carries_nothing_can_be_cut(small, random_model):
    """Where the first layer writes nothing, the last hears nothing of it anyway."""
    model = random_model(small(mlp="none", vocab_size=64, context=40))
    with torch.no_grad():
        model.blocks[0].attn.W_O.zero_()
    rows, counted = TEXT.test(8)
    right = induction(model, rows, counted).right
    assert cut(model, rows, counted) == {"Q": right, "K": right, "V": right}


KNOWN = Baselines(uniform=4.16, pairs=3.8, pairs_right=0.05, looked_up=0.9)


def course(layers, seed, right, nats=1.0, paths=None):
    points = [(0, Induction(4.2, 0.01)), (100, Induction(2.0, 0.05 * right)), (200, Induction(nats, right))]
    return Course(layers, seed, [nats] * 200, points, 1.0, paths)


def test_conclusions_are_what_came_out():
    paths = {"Q": 0.85, "K": 0.1, "V": 0.8}
    lab = Lab(seeds=2, steps=200)
    good = [course(0, s, 0.05, 3.85) for s in (0, 1)] + [course(1, s, 0.2) for s in (0, 1)]
    good += [course(2, s, 0.88, 0.2, paths) for s in (0, 1)]
    zero, one, two, when, through = conclusions(Outcome(lab, KNOWN, good))
    assert "no seed inducts" in zero and "It has learned the bigrams" in zero and "3.85 nats" in zero
    assert "no seed inducts" in one and "20 % right" in one
    assert "every seed inducts" in two
    assert "at steps 100 to 200, 100 to 200 of 200" in when and "seed 0 K, seed 1 K" in through


def test_conclusions_say_what_failed():
    lab = Lab(seeds=2, steps=200, depths=(0, 1, 2))
    odd = [course(0, 0, 0.05, 2.0), course(0, 1, 0.05, 2.0), course(1, 0, 0.89), course(1, 1, 0.1)]
    odd.append(course(2, 0, 0.3, paths={"Q": 0.3, "K": 0.29, "V": 0.3}))
    odd.append(course(2, 1, 0.88, paths={"Q": 0, "K": 0.8, "V": 1}))
    said = conclusions(Outcome(lab, KNOWN, odd))
    assert "not learned the bigrams" in said[0]
    assert "1 of 2 seeds induct" in said[1] and "1 of 2 seeds induct" in said[2]
    assert any(line.startswith("two layers, seed 0 failed: 30 % right") for line in said)
    assert any("seed 1 Q" in line and "seed 0" not in line for line in said)
    assert course(2, 0, 0.8, paths={"Q": 0.7, "K": 0.79, "V": 0.1}).composed() == "neither"


TINY = Lab(seeds=1, depths=(0, 2), steps=4, batch=4, measures=2)


@pytest.mark.slow
def test_what_is_done_is_kept_and_gone_on_from(tmp_path):
    drawn = []
    first = run(TINY, tmp_path, lambda text: None, drawn.append)
    assert [(one.layers, one.seed, len(one.losses)) for one in drawn] == [(0, 0, 4), (2, 0, 4)]
    said = []
    again = run(TINY, tmp_path, said.append, lambda one: None)
    assert not said, "nothing was trained anew"
    assert again.courses == first.courses
    other = run(TINY, tmp_path / "other", lambda text: None, lambda one: None)
    assert [one.losses for one in other.courses] == [one.losses for one in first.courses], "the same to the last bit"
    with pytest.raises(ConfigError, match="other settings"):
        run(dataclasses.replace(TINY, steps=5), tmp_path, said.append, drawn.append)
    (tmp_path / "results.json").write_text("{", "utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        run(TINY, tmp_path, said.append, drawn.append)


@pytest.mark.slow
def test_two_layers_learn_to_look_back(tmp_path):
    """That one layer and none do not is what lesson 7 prints."""
    lab = Lab(seeds=1, depths=(2,), steps=300, measures=6)
    (two,) = run(lab, tmp_path, lambda text: None, lambda course: None).courses
    assert Outcome(lab, lab.text.baselines(), [two]).inducts(two)
    assert two.end.prefix > 0.3 and two.end.previous > 0.3
    assert two.end.head.startswith("1.") and two.end.previous_head.startswith("0.") and two.composed() in ("Q", "K")
    assert min(two.cut["Q"], two.cut["K"]) < 0.5 * two.end.right
    before, after = two.phase()
    assert 0 < before < after <= 300


def test_what_has_changed_between_two_models(small, random_model):
    config = small(n_kv_heads=2)
    before, after = random_model(config), random_model(config)
    assert set(changes(before, after).parameters.values()) == {0.0}
    with torch.no_grad():
        after.blocks[1].attn.W_O[:, 8:16] *= 1.001
    found = changes(before, after)
    assert [name for name, value in found.parameters.items() if value] == ["blocks.1.attn.W_O"]
    assert float(found.OV[1, 1]) == pytest.approx(0.001, rel=1e-3)
    assert float(found.OV.sum()) == pytest.approx(0.001, rel=1e-3) and float(found.QK.abs().max()) < 1e-6
    with pytest.raises(ConfigError, match="n_heads"):
        changes(before, random_model(small(n_heads=2)))

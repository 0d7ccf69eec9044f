"""Conversations share rows, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import SourceError
from twofold.model.config import ModelConfig
from twofold.model.decoder import Decoder
from twofold.model.packed import packed
from twofold.train.shortlist import Shortlist
from twofold.train.shortlist_settings import ShortlistSettings
from twofold.tune.batches import AnswerBatch, AnswerBatches
from twofold.tune.examples import Example
from twofold.tune.losses import AnswerLoss
from twofold.tune.packing import pack

FAMILIES = {
    "gpt2": dict(positions="learned", norm="layer", mlp="gelu", bias=True, qk_norm=False, tied=True),
    "llama": dict(qk_norm=False, n_kv_heads=2),
    "qwen3": dict(),
}


def examples(lengths, seed=0, vocabulary=50):
    random = np.random.default_rng(seed)
    made = []
    for n in lengths:
        own = random.random(n) < 0.5
        own[0], own[-1] = False, True
        made.append(Example(random.integers(0, vocabulary, n).astype(np.int32), own))
    return made


def decoder(family="llama", context=24):
    config = ModelConfig(50, 2, 32, 4, context, **FAMILIES[family])
    model = Decoder(config)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5)
    return model


def whole(rows):
    """All rows as one batch whose loss is the mean over everything that is learned."""
    ids, texts, own = (torch.from_numpy(one) for one in (rows.ids, rows.texts, rows.own))
    return AnswerBatch(ids.long(), texts[:, :-1].long(), own[:, 1:], float(own[:, 1:].sum()))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_packed_conversation_is_predicted_as_if_it_stood_alone(family):
    model, rows = decoder(family), pack(examples([5, 9, 3, 7]), 24)
    assert len(rows.ids) == 1
    together = model.hidden(torch.from_numpy(rows.ids).long(), packed=packed(torch.from_numpy(rows.texts).long()))[0]
    for number in range(4):
        places = np.flatnonzero(rows.texts[0] == number)
        alone = model.hidden(torch.from_numpy(rows.ids[:, places]).long())[0]
        assert (together[places] - alone).abs().max() < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_the_loss_and_its_gradients_are_those_of_the_conversations_one_by_one(family):
    model, given_ones = decoder(family), examples([5, 9, 3, 7, 20, 2])
    AnswerLoss(model)(whole(pack(given_ones, 24))).backward()
    found = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    nats = torch.zeros(())
    for one in given_ones:
        logits = model(torch.from_numpy(one.ids[None, :-1]).long())[0]
        targets = torch.where(torch.from_numpy(one.own[1:]), torch.from_numpy(one.ids[1:]).long(), -100)
        nats = nats + F.cross_entropy(logits, targets, reduction="sum")
    (nats / sum(one.own[1:].sum() for one in given_ones)).backward()
    for name, parameter in model.named_parameters():
        assert (found[name] - parameter.grad).abs().max() <= 1e-4 * max(1e-3, float(parameter.grad.abs().max())), name


@given(st.lists(st.integers(2, 40), min_size=1, max_size=60))
def test_every_token_is_placed_once_and_none_beside_its_conversation(lengths):
    made = examples(lengths)
    rows = pack(made, 30)
    usable = [one for one in made if one.own[1:31].any()]
    assert (rows.texts >= 0).sum() == sum(min(31, len(one.ids)) for one in usable)
    seen = []
    for ids, texts in zip(rows.ids, rows.texts, strict=True):
        for number in range(texts.max() + 1):
            places = np.flatnonzero(texts == number)
            assert (np.diff(places) == 1).all()
            seen.append(tuple(ids[places]))
    assert sorted(seen) == sorted(tuple(one.ids[:31]) for one in usable)
    assert rows.own[:, 1:].sum() == sum(one.own[1:31].sum() for one in usable)


def test_rows_are_nearly_full():
    lengths = np.random.default_rng(1).integers(10, 120, 2000)
    assert pack(examples(lengths), 255).filled > 0.98


def test_what_has_no_answer_within_a_row_is_left_out_and_counted():
    late = Example(np.arange(40, dtype=np.int32), np.arange(40) >= 35)
    rows = pack([late, *examples([8])], 20)
    assert (rows.cut, rows.left_out, len(rows.ids)) == (1, 1, 1)
    with pytest.raises(SourceError, match="none of the 1 conversations has an answer within the first 21 tokens"):
        pack([late], 20)


def test_parts_and_processes_average_to_the_loss_of_the_whole_step():
    model, rows = decoder(), pack(examples([20] * 12), 24)
    loss = AnswerLoss(model)
    one = float(loss(AnswerBatches(rows, 8).at(1)))
    parts = AnswerBatches(rows, 8, accumulate=2)
    assert sum(float(loss(parts.at(part))) for part in (2, 3)) / 2 == pytest.approx(one, rel=1e-5)
    shared = [AnswerBatches(rows, 8, rank=rank, world=2) for rank in range(2)]
    assert sum(float(loss(each.at(1))) for each in shared) / 2 == pytest.approx(one, rel=1e-5)


@pytest.mark.slow
def test_a_shortlist_of_all_tokens_gives_the_whole_loss_and_a_part_of_them_nearly():
    model, batch = decoder(), AnswerBatches(pack(examples([20] * 12), 24), 8).at(0)
    loss, counts = AnswerLoss(model), torch.arange(50.0)
    exact = float(loss(batch))
    everything = Shortlist(counts, ShortlistSettings(0.5, 0.5), 0)
    assert float(loss(batch, everything.draw(0))) == pytest.approx(exact, rel=1e-5)
    part = Shortlist(counts, ShortlistSettings(0.5, 0.3), 0)
    drawn = [float(loss(batch, part.draw(step))) for step in range(40)]
    assert np.mean(drawn) == pytest.approx(exact, rel=0.01) and np.std(drawn) > 0


def test_every_row_comes_once_in_an_epoch_and_in_another_order_in_the_next():
    rows = pack(examples([20] * 12), 24)
    batches = AnswerBatches(rows, 4, seed=3)
    epochs = [[tuple(row) for step in range(3 * e, 3 * e + 3) for row in batches.at(step).ids.tolist()] for e in (0, 1)]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(map(tuple, rows.ids.tolist()))
    assert epochs[0] != epochs[1]


def test_the_share_of_replayed_rows_is_kept_and_none_is_passed_over():
    rows = pack(examples([20] * 12), 24)
    batches = AnswerBatches(rows, 4, share=0.3, replay=lambda first, n: np.full((n, 25), first))
    found = [batches.at(step) for step in range(50)]
    replayed = [int(ids[0]) for batch in found for ids, learned in zip(batch.ids, batch.learned, strict=True)
                if learned.all()]  # fmt: skip
    assert replayed == list(range(60))
    assert all(batch.per_part == batch.learned.sum() for batch in found)

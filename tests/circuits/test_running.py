"""What is read off a run: shares that add up, patches that carry over, heads that were built to be what they are."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from twofold.circuits.attribution import attribute, neurons
from twofold.circuits.bigrams import bigram_logits, compare
from twofold.circuits.detectors import detect, in_context_score, repeated
from twofold.circuits.embeddings import analogies, analogy, neighbours, projection
from twofold.circuits.importance import term_importance
from twofold.circuits.lens import lens
from twofold.circuits.look import look, without
from twofold.circuits.matrices import heads
from twofold.circuits.neurons import exciting
from twofold.circuits.patching import (
    ablated,
    head_effects,
    lead,
    logits_with,
    means,
    mlp_effects,
    patch_heads,
    patch_stream,
    path_patch,
)
from twofold.circuits.reading import row
from twofold.circuits.skip_trigrams import bugs, occurrences, skip_trigrams, strongest_sources
from twofold.circuits.steering import direction, steered
from twofold.errors import ConfigError, TwofoldError
from twofold.model.watching import recording, tapped
from twofold.tune.lora import low_ranks, merge, wrap


@pytest.fixture
def model(config, random_model):
    return random_model(config)


@pytest.fixture
def text(ids):
    return ids[:1, :12]


def test_the_lens_ends_where_the_model_does(model, text):
    found, logits = lens(model, text), model(text)[0].detach()
    assert found.places[0] == "blocks.0.hook_resid_pre" and len(found.places) == model.config.n_layers + 1
    best = logits.softmax(-1).topk(5)
    assert torch.equal(found.ids[-1], best.indices)
    torch.testing.assert_close(found.probabilities[-1], best.values)
    torch.testing.assert_close(found.nats[-1], F.cross_entropy(logits[:-1], text[0, 1:], reduction="none"))


def test_a_model_without_layers_is_seen_through_the_lens_at_its_embedding(small, random_model, text):
    model = random_model(small(n_layers=0))
    assert lens(model, text).places == ["hook_embed"]
    torch.testing.assert_close(bigram_logits(model)[text[0]], model(text)[0].detach())


def test_shares_in_a_score_add_up_to_it(model, text):
    logits = model(text)[0].detach()
    for position in (-1, 4):
        whole = attribute(model, text, 5, position=position)
        assert whole.logit == pytest.approx(float(logits[position, 5]), abs=2e-4)
        assert whole.total == pytest.approx(whole.logit, abs=5e-4)
        between = attribute(model, text, 5, against=9, position=position)
        assert between.total == pytest.approx(float(logits[position, 5] - logits[position, 9]), abs=5e-4)


def test_the_shares_of_neurons_add_up_to_the_mlps(model, text):
    bias = model.blocks[1].mlp.b_out
    if bias is not None:
        with torch.no_grad():
            bias.zero_()
    whole = attribute(model, text, 5)
    assert float(neurons(model, text, 1, 5).sum()) == pytest.approx(float(whole.mlps[1]), abs=5e-4)


def test_patching_everything_in_one_place_gives_the_clean_answer(model, ids):
    clean, corrupted = ids[:1, :6], ids[1:2, :6].clone()
    corrupted[0, -1] = clean[0, -1]
    metric = lead(3, 7)
    wanted = float(metric(model(clean)))
    found = patch_stream(model, clean, corrupted, metric, "hook_resid_post")
    assert found.shape == (model.config.n_layers, 6)
    assert float(found[-1, -1]) == pytest.approx(wanted, abs=1e-4), "the last layer's last position is all there is"
    assert torch.allclose(found[-1, :-1], metric(model(corrupted)).detach(), atol=1e-5), "no one reads the others there"


def test_a_head_that_is_patched_carries_what_it_moved(model, ids):
    """Each head alone, then by hand for one of them."""
    clean, corrupted = ids[:1, :6], ids[1:2, :6]
    metric = lead(3, 7)
    found = patch_heads(model, clean, corrupted, metric)
    with recording(model, "blocks.1.attn.hook_result", "blocks.1.hook_attn_out") as ours:
        model(clean)
    with recording(model, "blocks.1.attn.hook_result", "blocks.1.hook_attn_out") as theirs:
        model(corrupted)
    name = "blocks.1.attn.hook_result"
    out = theirs["blocks.1.hook_attn_out"] + (ours[name] - theirs[name])[:, :, 2]
    with tapped(model, {"blocks.1.hook_attn_out": lambda value, _: out}):
        wanted = float(metric(model(corrupted)))
    assert float(found[1, 2]) == pytest.approx(wanted, abs=1e-3)


def test_ablation_by_zeros_is_a_head_without_weights_and_by_means_keeps_the_mean(model, text):
    known = means(model, text)
    with ablated(model, heads=[(0, 1)], mlps=[1]), recording(model, "*.hook_z", "*.hook_mlp_out") as seen:
        zeroed = model(text)
    assert not seen["blocks.0.attn.hook_z"][:, :, 1].any() and not seen["blocks.1.hook_mlp_out"].any()
    with ablated(model, heads=[(0, 1)], means=known), recording(model, "*.hook_z") as seen:
        model(text)
    torch.testing.assert_close(seen["blocks.0.attn.hook_z"][0, 3, 1], known["blocks.0.attn.hook_z"][1])
    e = model.config.d_head
    with torch.no_grad():
        model.blocks[0].attn.W_O[:, e : 2 * e] = 0
        model.blocks[1].mlp.W_out.zero_()
        if model.config.bias:
            model.blocks[1].mlp.b_out.zero_()
    torch.testing.assert_close(model(text), zeroed, rtol=1e-4, atol=1e-4)


def test_the_effect_of_each_head_is_that_of_taking_it_away(model, text):
    metric = lead(3, 7)
    found = head_effects(model, text, metric)
    with ablated(model, heads=[(1, 3)]):
        assert float(found[1, 3]) == pytest.approx(float(metric(model(text))), abs=1e-5)
    assert not torch.allclose(found, head_effects(model, text, metric, mean=True))


def test_the_effect_of_each_mlp_is_that_of_taking_it_away_or_of_another_runs(model, ids):
    clean, text, metric = ids[:1, :6], ids[1:2, :6], lead(3, 7)
    found, patched = mlp_effects(model, text, metric), mlp_effects(model, text, metric, clean)
    with torch.no_grad(), ablated(model, mlps=[1]):
        assert float(found[1]) == pytest.approx(float(metric(model(text))), abs=1e-5)
    with recording(model, "blocks.0.hook_mlp_out") as seen:
        model(clean)
    given = {"blocks.0.hook_mlp_out": lambda value, name: seen[name]}
    assert float(patched[0]) == pytest.approx(float(metric(logits_with(model, text, given))), abs=1e-5)
    with pytest.raises(ConfigError, match="equally long"):
        mlp_effects(model, text, metric, ids[:1, :5])


def test_a_direct_path_is_the_senders_own_share(model, ids):
    """With all others held, a change reaches the logits only through the last norm: scale aside, by attribution."""
    clean, corrupted = ids[:1, :6], ids[1:2, :6]
    found = path_patch(model, clean, corrupted, lead(3, 7), sender=(0, 2))
    with recording(model, "blocks.0.attn.hook_result") as ours:
        model(clean)
    with recording(model, "blocks.0.attn.hook_result") as theirs:
        model(corrupted)
    change = (theirs["blocks.0.attn.hook_result"] - ours["blocks.0.attn.hook_result"])[0, -1, 2]
    with recording(model, f"blocks.{model.config.n_layers - 1}.hook_resid_post") as seen:
        model(clean)
    end = seen[f"blocks.{model.config.n_layers - 1}.hook_resid_post"][0, -1] + change
    logits = model.ln_final(end) @ model.W_U.T
    assert float(found) == pytest.approx(float(logits[3] - logits[7]), abs=1e-3)


def test_a_path_to_a_later_head_goes_through_its_queries_only(small, random_model, ids):
    """In two layers of attention alone: by hand, with the receiver's query computed from the changed stream."""
    model = random_model(small(mlp="none", qk_norm=False))
    clean, corrupted, metric = ids[:1, :6], ids[1:2, :6], lead(3, 7)
    found = path_patch(model, clean, corrupted, metric, sender=(0, 2), receivers=[(1, 1, "q")])
    with recording(model) as ours, torch.no_grad():
        model(clean)
    with recording(model, "*.hook_result") as theirs, torch.no_grad():
        model(corrupted)
    with recording(model, "*.hook_result") as clean_results, torch.no_grad():
        model(clean)
    name = "blocks.0.attn.hook_result"
    stream = ours["blocks.1.hook_resid_pre"] + (theirs[name] - clean_results[name])[:, :, 2]
    q = (model.blocks[1].ln1(stream) @ model.blocks[1].attn.W_Q.T)[..., 8:16]

    def replace(value, _):
        return torch.cat((value[:, :, :1], q[:, :, None], value[:, :, 2:]), dim=2)

    with tapped(model, {"blocks.1.attn.hook_q": replace}):
        assert float(found) == pytest.approx(float(metric(model(clean))), abs=1e-4)
    assert float(found) != pytest.approx(float(metric(model(clean))), abs=1e-4)


def test_texts_of_unequal_length_are_not_patched(model, ids):
    with pytest.raises(ConfigError, match="6 and 5 tokens"):
        patch_heads(model, ids[:1, :6], ids[:1, :5], lead(1, 2))


def test_steering_along_a_tokens_own_direction_raises_it(model, text):
    place = f"blocks.{model.config.n_layers - 1}.hook_resid_post"
    vector = model.W_U[11].detach()
    before = model(text).detach()
    with steered(model, place, vector, 5.0):
        after = model(text).detach()
    assert (after.softmax(-1)[..., 11] > before.softmax(-1)[..., 11]).all()
    found = direction(model, [text], [text.flip(1)], place)
    with recording(model, place) as seen:
        model(torch.cat((text, text.flip(1))))
    torch.testing.assert_close(found, (seen[place][0, -1] - seen[place][1, -1]).detach(), atol=1e-4, rtol=1e-4)
    with pytest.raises(ConfigError, match="at least one text of each"):
        direction(model, [text], [], place)


def fitted_to(counts, small, random_model):
    """A zero-layer model whose table is exactly log P(b | a): one-hot embeddings, and a norm that only scales."""
    v = len(counts)
    model = random_model(small(n_layers=0, d_model=v, n_heads=1, vocab_size=v))
    with torch.no_grad():
        model.ln_final.w.fill_(1.0)
        model.W_E.copy_(torch.eye(v))
        model.W_U.copy_((counts / counts.sum(1, keepdim=True)).log().T / v**0.5)
    return model


def test_a_bigram_model_explains_all_that_pairs_can(small, random_model):
    counts = torch.randint(1, 50, (8, 8), generator=torch.Generator().manual_seed(0)).float()
    found = compare(fitted_to(counts, small, random_model), counts)
    shares = counts / counts.sum()
    entropy = -(shares * (counts / counts.sum(1, keepdim=True)).log()).sum()
    assert found.best == pytest.approx(float(entropy), rel=1e-5)
    assert found.direct == pytest.approx(found.best, abs=1e-4)
    assert found.explained == pytest.approx(1, abs=1e-3)


def test_skip_trigrams_are_read_off_both_tables(small, random_model):
    """A head that was written by hand: `1` is looked at by 2 and 3, and raises 4 and 5; so 1…2→5 is a bug."""
    v = 12
    model = random_model(small(n_layers=1, d_model=v, n_heads=1, d_head=v, vocab_size=v, mlp="none", qk_norm=False,
                               positions="none"))  # fmt: skip
    with torch.no_grad():
        for parameter in (model.W_E, model.W_U, model.blocks[0].attn.W_O, model.blocks[0].attn.W_K):
            parameter.copy_(torch.eye(v))
        for gain in (model.blocks[0].ln1.w, model.ln_final.w):
            gain.fill_(1.0)
        model.blocks[0].attn.W_Q.zero_()
        model.blocks[0].attn.W_Q[1, [2, 3]] = torch.tensor([2.0, 1.5])
        model.blocks[0].attn.W_V.zero_()
        model.blocks[0].attn.W_V[[4, 5], 1] = torch.tensor([2.0, 1.5])
    (found,) = skip_trigrams(model, 0, 0, [1], k=2)
    assert [dest for dest, _ in found.dests] == [2, 3] and [out for out, _ in found.outs] == [4, 5]
    assert strongest_sources(model, 0, 0, k=1) == [1]
    corpus = np.array([1, 9, 2, 4, 9, 9, 9, 1, 8, 3, 5, 0])
    assert occurrences(corpus, 1, 4) >= {(2, 4), (3, 5)} and (9, 9) not in occurrences(corpus, 1, 4)
    assert [(dest, out) for dest, out, _ in bugs(found, corpus, 4)] == [(2, 5), (3, 4)]


@pytest.mark.parametrize("changes", [{}, {"norm": "layer"}, {"n_layers": 3, "n_kv_heads": 2}, {"n_layers": 0}])
def test_terms_of_all_orders_are_the_whole_model(small, random_model, ids, changes):
    model = random_model(small(mlp="none", **changes))
    found = term_importance(model, ids)
    assert len(found) == model.config.n_layers + 1
    whole = F.cross_entropy(model(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
    assert found[-1] == pytest.approx(float(whole), abs=1e-4)


def test_the_order_of_a_path_is_how_many_layers_it_goes_through(small, random_model, ids):
    """Where the second layer writes nothing, second order is worth nothing; order 0 is the direct path alone."""
    model = random_model(small(mlp="none"))
    with torch.no_grad():
        model.blocks[1].attn.W_O.zero_()
    zero, first, second = term_importance(model, ids)
    assert second == pytest.approx(first, abs=1e-5) and zero != pytest.approx(first, abs=1e-2)
    with recording(model, "ln_final.hook_scale") as seen:
        model(ids[:, :-1])
    logits = (model.W_E[ids[:, :-1]] / seen["ln_final.hook_scale"] * model.ln_final.w) @ model.W_U.T
    assert zero == pytest.approx(float(F.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())), abs=1e-4)


def test_importance_is_for_attention_alone(small, random_model, ids):
    with pytest.raises(ConfigError, match="attention alone"):
        term_importance(random_model(small()), ids)


def looker(small, random_model, distance, context=24):
    """A head with learned positions that looks `distance` back, and hands on what it sees."""
    d = context + 8
    model = random_model(small(n_layers=1, n_heads=1, d_model=d, d_head=d, context=context, vocab_size=96, mlp="none",
                               positions="learned", norm="rms", qk_norm=False))  # fmt: skip
    with torch.no_grad():
        for gain in (model.blocks[0].ln1.w, model.ln_final.w):
            gain.fill_(1.0)
        model.W_E[:, :context] = 0
        model.W_pos.copy_(8 * F.one_hot(torch.arange(context), d).float())
        model.blocks[0].attn.W_K.copy_(torch.eye(d))
        model.blocks[0].attn.W_Q.zero_()
        for i in range(distance, context):  # the query at i is for i - distance
            model.blocks[0].attn.W_Q[i - distance, i] = 50.0
        model.blocks[0].attn.W_V.copy_(torch.eye(d))
        model.blocks[0].attn.W_O.copy_(torch.eye(d))
    return model


@pytest.mark.parametrize(("distance", "kind"), [(1, "previous"), (6, "duplicate"), (5, "prefix")])
def test_a_head_that_looks_so_far_back_is_detected_as_what_it_is(small, random_model, distance, kind):
    """Tokens in repeats of 6: one back is the previous token, 6 its copy, and 5 the token after its copy."""
    model = looker(small, random_model, distance)
    found = detect(model, length=6, times=4, texts=2)
    scores = {name: float(getattr(found, name)[0, 0]) for name in ("previous", "duplicate", "prefix")}
    assert scores.pop(kind) > 0.9
    assert max(scores.values()) < 0.1
    assert 0 < found.uniform[kind] < 0.3


def test_scores_of_a_head_that_looks_everywhere_alike_are_the_baseline(small, random_model):
    model = random_model(small(n_layers=1, qk_norm=False, context=100, vocab_size=200))
    with torch.no_grad():
        model.blocks[0].attn.W_Q.zero_()
    found = detect(model, length=10, times=4, texts=1, bos=0)
    for name, wanted in found.uniform.items():
        assert float(getattr(found, name)[0, 0]) == pytest.approx(wanted, rel=1e-4)


def test_a_head_that_hands_on_what_it_sees_copies(small, random_model):
    model = looker(small, random_model, 1)
    with torch.no_grad():
        model.blocks[0].attn.W_V[:, :24] = 0
        model.W_U.copy_(model.W_E)
        copies = detect(model, length=6, times=4, texts=4).copying
        model.blocks[0].attn.W_O.neg_()
        opposes = detect(model, length=6, times=4, texts=4).copying
    assert float(copies[0, 0]) > 0.5
    assert float(opposes[0, 0]) < -0.5


def test_repeats_are_repeats_of_different_tokens(small, random_model):
    model = random_model(small(context=101, vocab_size=96))
    rows = repeated(model, bos=5)
    assert rows.shape == (10, 101) and (rows[:, 0] == 5).all()
    assert torch.equal(rows[:, 1:26], rows[:, 76:]) and not (rows[:, 1:] == 5).any()
    assert all(len(set(one.tolist())) == 25 for one in rows[:, 1:26])
    with pytest.raises(ConfigError, match="do not fit a context of 24"):
        repeated(random_model(small()), bos=0)


def test_the_in_context_score_is_late_less_early_loss(small, random_model, ids):
    model = random_model(small())
    nats = F.cross_entropy(model(ids[:, :-1]).transpose(1, 2), ids[:, 1:], reduction="none")
    wanted = float((nats[:, 15] - nats[:, 4]).mean())
    assert in_context_score(model, ids, late=15, early=4) == pytest.approx(wanted, abs=1e-5)
    with pytest.raises(ConfigError, match="500 and 50|50 and 500|500"):
        in_context_score(model, ids)


def test_the_places_that_excite_a_neuron_are_its_largest_activations(model, ids):
    rows = ids.repeat(4, 1).roll(1, 0)
    found = exciting(model, rows, 1, [0, 7, 30], k=5)
    with recording(model, "blocks.1.mlp.hook_post") as seen:
        model(rows)
    post = seen["blocks.1.mlp.hook_post"].detach()
    for at, neuron in enumerate((0, 7, 30)):
        wanted = post[..., neuron].flatten().topk(5).values
        torch.testing.assert_close(found.activation[at], wanted, rtol=1e-4, atol=1e-5)
        for which, position, value in zip(found.row[at], found.position[at], found.activation[at], strict=True):
            assert float(post[which, position, neuron]) == pytest.approx(float(value), abs=1e-5)
        assert float(found.mean[at]) == pytest.approx(float(post[..., neuron].mean()), abs=1e-5)
    with pytest.raises(ConfigError, match="no neuron 80"):
        exciting(model, rows, 1, [80])
    with pytest.raises(ConfigError, match="no MLP in layer 2"):
        exciting(model, rows, 2, [0])


def test_a_model_with_low_rank_additions_is_seen_as_it_computes(small, random_model, ids):
    """LoRA's matrices stand where parameters stood: heads add up, and the circuits are those of the sums."""
    model = wrap(random_model(small(n_kv_heads=2)), rank=2)
    with torch.no_grad():
        for _, one in low_ranks(model):
            one.B.normal_(std=0.3, generator=torch.Generator().manual_seed(1))
    with torch.no_grad(), recording(model, "blocks.1.attn.hook_result", "blocks.1.hook_attn_out") as seen:
        model(ids)
    torch.testing.assert_close(seen["blocks.1.attn.hook_result"].sum(2), seen["blocks.1.hook_attn_out"],
                               rtol=1e-4, atol=1e-4)  # fmt: skip
    shares = attribute(model, ids[:1], 3)
    assert shares.total == pytest.approx(shares.logit, abs=1e-3)
    before = heads(model)
    after = heads(merge(model))
    torch.testing.assert_close(before.QK[5].full(), after.QK[5].full(), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(before.W_O, after.W_O, rtol=1e-4, atol=1e-5)


def test_neighbours_and_analogies_of_a_space_made_for_them(small, random_model):
    """Words in two families of four: b is a and a direction; so the analogy holds, and no other difference does it."""
    model = random_model(small(d_model=64, vocab_size=40))
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        model.W_E[4:8] = model.W_E[:4] + 0.7 * torch.randn(64, generator=generator) / 8 * 2
    pairs = [(i, i + 4) for i in range(4)]
    assert analogy(model, 0, 4, 1)[0][0] == 5
    found = analogies(model, pairs)
    assert found.holds.of == 12 and found.holds.share == 1 and found.holds.interval[0] > 0.7
    near = dict(neighbours(model, 0, 39))
    wanted = F.cosine_similarity(model.W_E[0], model.W_E[7], dim=0)
    assert near[7] == pytest.approx(float(wanted), abs=1e-5) and 0 not in near
    flat, share = projection(model, range(8))
    assert flat.shape == (8, 2) and 0 < share <= 1
    for wrong in ([(0, 4)], [(0, 4), (1, 999)]):
        with pytest.raises(ConfigError):
            analogies(model, wrong)


def test_one_look_holds_all_of_a_pass(model, text):
    seen = look(model, text)
    logits = model(text)[0].detach()
    best = (logits[-1] / 0.5).softmax(-1).topk(3)
    end = seen.next(temperature=0.5, k=3)
    assert end.ids == best.indices.tolist() and end.probabilities == pytest.approx(best.values.tolist())
    h, s, layers = model.config.n_heads, text.shape[1], model.config.n_layers
    packed = np.frombuffer(seen.patterns_as_bytes(), np.uint8).reshape(layers, h, s, s)
    np.testing.assert_allclose(packed[1] / 255, seen.pattern(1).detach(), atol=0.5 / 255 + 1e-6)
    meeting = seen.meeting(1, 3, 5, 2)
    assert float(meeting.products.sum()) / model.config.d_head**0.5 == pytest.approx(meeting.score, abs=1e-4)
    assert meeting.weight == pytest.approx(float(seen.pattern(1)[3, 5, 2]))
    assert seen.attribution().total == pytest.approx(float(logits[-1].max()), abs=1e-3)
    assert len(seen.neurons(0, k=4)) == 4 and seen.lens().ids.shape == (layers + 1, s, 5)
    with ablated(model, heads=[(0, 0)]):
        assert without(model, text, heads=[(0, 0)], k=1).ids == [int(model(text)[0, -1].argmax())]


def test_queries_and_keys_without_rotation_meet_as_they_are_multiplied(small, random_model, text):
    seen = look(random_model(small(positions="none", qk_norm=True)), text)
    meeting = seen.meeting(0, 1, 6, 3)
    assert float(meeting.products.sum()) / 8**0.5 == pytest.approx(meeting.score, abs=1e-4)


def test_bad_input_is_told(model, text):
    with pytest.raises(ConfigError, match="30 tokens long and the model's context is 24"):
        row(model, [1] * 30)
    with pytest.raises(ConfigError, match="empty"):
        row(model, [])
    with pytest.raises(ConfigError, match="token 400"):
        row(model, [400])
    with pytest.raises(ConfigError, match="token 400"):
        attribute(model, text, 400)
    with pytest.raises(ConfigError, match="no MLP in layer 7"):
        neurons(model, text, 7, 1)
    with pytest.raises(ConfigError, match=r"no head 5\.0"), ablated(model, heads=[(5, 0)]):
        pass
    with torch.no_grad():
        model.blocks[1].attn.W_V[0, 0] = math.nan
    for asked in (lens, look):
        with pytest.raises(TwofoldError, match=r"blocks\.1\.(attn\.hook_v|hook_attn_out|hook_resid_post)"):
            asked(model, text)

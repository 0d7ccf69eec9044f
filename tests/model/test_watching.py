"""Looking in changes nothing, what is shown is what was computed, and what is changed is what is used."""

from __future__ import annotations

import subprocess
import sys
import threading
from contextlib import nullcontext

import pytest
import torch

from twofold.contracts import Sampling
from twofold.engine.open import from_decoder
from twofold.errors import ConfigError, TwofoldError
from twofold.model.decoder import Decoder, initialise
from twofold.model.tap import ON_REQUEST, places
from twofold.model.watching import chosen, recording, tapped
from twofold.train.loop import run_steps
from twofold.train.losses import NextTokenLoss
from twofold.train.optimiser import Optimiser
from twofold.train.optimiser_settings import OptimiserSettings

ALONE = ("hook_attn_scores", "hook_pattern", ON_REQUEST)  # made for the looker, beside the fused product


@pytest.fixture
def model(config, random_model):
    return random_model(config)


def test_a_pass_that_is_looked_at_everywhere_gives_the_same_bits(model, ids):
    plain = model(ids)
    with recording(model, "*", "*.hook_result") as seen:
        assert torch.equal(model(ids), plain)
    assert list(seen) == places(model.config)
    assert torch.equal(model(ids), plain)
    assert all(module.tap is None for module in model.modules() if hasattr(module, "tap")), "nothing is left behind"


def test_what_is_recorded_adds_up_to_the_stream(model, ids):
    with recording(model, "*", "*.hook_result") as seen:
        model(ids)
    stream = seen["hook_embed"] + (seen["hook_pos_embed"] if model.W_pos is not None else 0)
    for i in range(model.config.n_layers):
        block = f"blocks.{i}."
        assert torch.equal(seen[block + "hook_resid_pre"], stream)
        pattern, v, z = (seen[f"{block}attn.hook_{name}"] for name in ("pattern", "v", "z"))
        assert torch.allclose(pattern.sum(-1), torch.ones(()))
        assert not pattern.triu(1).any(), "no one sees the future"
        v = v.repeat_interleave(model.config.n_heads // model.config.n_kv_heads, dim=2)
        torch.testing.assert_close(torch.einsum("bhqk,bkhe->bqhe", pattern, v), z, rtol=1e-5, atol=1e-5)
        bias = model.blocks[i].attn.b_O
        heads = seen[f"{block}attn.hook_result"].sum(2) + (0 if bias is None else bias)
        torch.testing.assert_close(heads, seen[block + "hook_attn_out"], rtol=1e-5, atol=1e-5)
        stream = stream + seen[block + "hook_attn_out"]
        assert torch.equal(seen[block + "hook_resid_mid"], stream)
        stream = stream + seen[block + "hook_mlp_out"]
        assert torch.equal(seen[block + "hook_resid_post"], stream)
    scale = seen["ln_final.hook_scale"]
    shown = stream - (stream.mean(-1, keepdim=True) if model.config.norm == "layer" else 0)
    wanted = (shown.square().mean(-1, keepdim=True) + model.config.norm_eps).sqrt()
    torch.testing.assert_close(scale, wanted, rtol=1e-5, atol=0)


def test_a_value_put_in_its_own_stead_changes_nothing(model, ids):
    plain = model(ids)
    with tapped(model, {"*": lambda value, name: value}):
        assert torch.equal(model(ids), plain)
    for place in places(model.config):  # a copy is another value with the same bits
        with tapped(model, {place: lambda value, name: value.clone()}):
            again = model(ids)
        torch.testing.assert_close(again, plain, rtol=2e-4, atol=2e-4)
        if not place.endswith((*ALONE, "hook_scale", "hook_pre")):  # a gate's half is cut from a wider row, a copy not
            assert torch.equal(again, plain), place


def test_every_place_is_on_the_way_to_the_answer(model, ids):
    plain = model(ids)

    def bend(value, name):  # a norm forgets what all of a vector is multiplied by
        return value * torch.linspace(0.5, 1.5, value.shape[-1]) if value.shape[-1] > 1 else value * 1.5

    for place in places(model.config):
        with tapped(model, {place: bend}):
            assert not torch.allclose(model(ids), plain, atol=1e-3), place


def test_a_place_patched_from_another_text_carries_that_text(model, ids):
    """With the whole stream taken over after the last block, the answer is the other text's."""
    other = ids.flip(1)
    last = f"blocks.{model.config.n_layers - 1}.hook_resid_post"
    with recording(model, last) as seen:
        theirs = model(other)
    with tapped(model, {last: lambda value, name: seen[name]}):
        assert torch.equal(model(ids), theirs)


def test_a_head_that_is_cut_is_a_head_without_output(model, ids):
    def cut(z, name):
        return torch.cat((torch.zeros_like(z[:, :, :1]), z[:, :, 1:]), dim=2)

    with tapped(model, {"blocks.1.attn.hook_z": cut}):
        without = model(ids)
    e = model.config.d_head
    with torch.no_grad():
        model.blocks[1].attn.W_O[:, :e] = 0
    torch.testing.assert_close(model(ids), without, rtol=1e-5, atol=1e-5)


def test_patterns_decide_what_is_moved(small, random_model, ids):
    """Attention to oneself alone moves each position's own value: what the model computes for each token by itself."""
    model = random_model(small(n_layers=1, mlp="none", positions="none"))

    def to_oneself(pattern, name):
        return torch.eye(pattern.shape[-1]).expand_as(pattern)

    with tapped(model, {"*.hook_pattern": to_oneself}):
        found = model(ids)
    torch.testing.assert_close(found, model(ids.reshape(-1, 1)).view_as(found), rtol=1e-4, atol=1e-4)


def test_gradients_go_through_taps(model, ids):
    with recording(model, "blocks.0.hook_resid_post") as seen:
        loss = model(ids).square().mean()
    (slope,) = torch.autograd.grad(loss, seen["blocks.0.hook_resid_post"])
    assert slope.abs().sum() > 0


def test_a_step_of_training_can_be_looked_into_and_is_the_step_that_it_would_have_been(small, ids):
    def trained(look):
        model = initialise(Decoder(small()), 0)
        steps = run_steps(model, lambda rows: NextTokenLoss(model)(rows), Optimiser(model, OptimiserSettings()),
                          lambda step: ids.roll(step, 1), lambda step: 1.0)  # fmt: skip
        next(steps), next(steps)  # until then what writes to the stream is zero
        with recording(model, "blocks.*.hook_mlp_out") if look else nullcontext() as seen:
            next(steps)
        next(steps)
        return model, seen

    (plain, _), (watched, seen) = trained(False), trained(True)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), watched.parameters(), strict=True))
    assert [value.shape for value in seen.values()] == [(3, 19, 32)] * 2, "one step, and no more"
    assert all(value.abs().sum() > 0 for value in seen.values())


def test_generation_is_looked_at_token_by_token(small, random_model, ids):
    model = random_model(small())
    engine = from_decoder(model, type("Letters", (), {"vocab_size": 96, "eos_id": None})())
    greedy, prompt = Sampling(temperature=0), ids[0, :5].tolist()
    alone = [token.id for token in engine.generate(prompt, 6, greedy)]
    with recording(model, "blocks.*.hook_resid_post", "*.hook_pattern") as seen:
        assert [token.id for token in engine.generate(prompt, 6, greedy)] == alone
    written = torch.cat(seen.each("blocks.1.hook_resid_post"), dim=1)
    whole = torch.tensor([prompt + alone[:-1]])
    with recording(model, "blocks.1.hook_resid_post") as at_once:
        model(whole)
    torch.testing.assert_close(written, at_once["blocks.1.hook_resid_post"], rtol=1e-4, atol=1e-4)
    assert seen["blocks.0.attn.hook_pattern"].shape == (1, 4, 1, 10), "the last token looks at all before it"


def test_another_threads_passes_are_its_own(small, random_model, ids):
    """As when a server answers from the model that one looks into."""
    model = random_model(small())
    plain, found = model(ids), []
    with tapped(model, {"*.hook_resid_post": lambda value, name: value * 0}), recording(model) as seen:
        thread = threading.Thread(target=lambda: found.append(model(ids)))
        thread.start()
        thread.join()
        assert torch.equal(found[0], plain)
        assert not seen.passes
        assert not torch.equal(model(ids), plain)


def test_taps_close_in_any_order(small, random_model, ids):
    model = random_model(small())
    plain = model(ids)

    def twice(value, name):
        return 2 * value

    first, second = tapped(model, {"hook_embed": twice}), tapped(model, {"hook_embed": twice, "*.hook_z": twice})
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    doubled = model(ids)
    with tapped(model, {"hook_embed": lambda value, name: value / 2, "*.hook_z": lambda value, name: value / 2}):
        assert torch.equal(model(ids), plain)
    second.__exit__(None, None, None)
    assert not torch.equal(doubled, plain)
    assert torch.equal(model(ids), plain)


def test_a_failing_act_leaves_no_tap_behind(small, random_model, ids):
    model = random_model(small())

    def fails(value, name):
        raise ValueError(name)

    with pytest.raises(ValueError, match="blocks.1.hook_mlp_out"), tapped(model, {"blocks.1.hook_mlp_out": fails}):
        model(ids)
    assert model.blocks[1].tap is None


@pytest.mark.parametrize(("wrong", "near"), [
    ("blocks.0.attn.hook_patern", "blocks.0.attn.hook_pattern"), ("hook_resid_post", "hook_resid_post"),
    ("blocks.7.hook_mlp_out", "blocks.0.hook_mlp_out"), ("blocks.*.hook_mpl_out", "blocks.0.hook_mlp_out"),
])  # fmt: skip
def test_an_unknown_place_is_told_the_nearest(small, random_model, wrong, near):
    with pytest.raises(ConfigError, match=f"no place '{wrong}'".replace("*", r"\*")) as told, tapped(
        random_model(small()), {wrong: lambda value, name: None}
    ):
        pass
    assert near in str(told.value)


def test_a_model_without_mlp_has_no_places_for_one(small, random_model, ids):
    model = random_model(small(mlp="none"))
    with recording(model) as seen:
        model(ids)
    assert not [name for name in seen if "mlp" in name or "ln2" in name or "mid" in name]
    with pytest.raises(ConfigError):
        chosen(model, "*.hook_mlp_out")


def test_numbers_that_are_none_are_traced_to_where_they_begin(small, random_model, ids):
    model = random_model(small())
    with recording(model) as seen:
        model(ids)
    seen.check()
    with torch.no_grad():
        model.blocks[1].mlp.W_in[3, 3] = float("nan")
    with recording(model) as seen:
        model(ids)
    with pytest.raises(TwofoldError, match=r"blocks\.1\.mlp\.hook_pre"):
        seen.check()


COMPILED = """
import torch
from twofold.model.config import ModelConfig
from twofold.model.decoder import Decoder
from twofold.model.tap import ON_REQUEST, places
from twofold.model.watching import recording

torch.manual_seed(0)
model, ids = Decoder(ModelConfig(96, 2, 32, 4, 24)), torch.randint(0, 96, (3, 20))
for parameter in model.parameters():
    torch.nn.init.normal_(parameter, std=0.1)
for block in model.blocks:
    block.compile(dynamic=False, backend="aot_eager")
before = model(ids)
graphs = dict(torch._dynamo.utils.counters["stats"])
assert graphs["unique_graphs"], "compiled"
with recording(model) as seen:
    model(ids).mean().backward()
assert list(seen) == [place for place in places(model.config) if not place.endswith(ON_REQUEST)]
assert torch.equal(model(ids), before)
assert graphs == dict(torch._dynamo.utils.counters["stats"]), "nothing was compiled anew"
"""


@pytest.mark.slow
def test_compiled_blocks_rest_while_they_are_looked_into():
    """And are the same compiled blocks afterwards."""
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

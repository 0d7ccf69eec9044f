"""Our losses beside TRL's own code on the same batches: values, and the gradient of every parameter."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch

from twofold.tune import policy
from twofold.tune.examples import Example
from twofold.tune.head import WithHead
from twofold.tune.on_policy import PolicyLoss, appraised
from twofold.tune.pairs import Pair, PreferenceLoss, RewardLoss, pair_batch
from twofold.tune.reference import Reference
from twofold.tune.reinforce_settings import PolicySettings
from twofold.tune.rows import padded, token_log_p

from ..model.conftest import _empty, in_their_words
from .test_packing import FAMILIES, decoder, examples

pytest.importorskip("trl")

LONGEST = 32


class Alone:
    """An accelerator of one process."""

    device, num_processes, sync_gradients = torch.device("cpu"), 1, True

    def gather(self, x):
        return x

    def gather_for_metrics(self, x):
        return x

    def reduce(self, x, reduction):
        return x


def trainer(**fields):
    usual = {"accelerator": Alone(), "_metrics": defaultdict(lambda: defaultdict(list)), "_total_train_tokens": 0,
             "_tp_size": 1, "aux_loss_enabled": False, "model": SimpleNamespace(training=True)}  # fmt: skip
    return SimpleNamespace(**usual | fields)


def their_model(model):
    theirs = _empty(model.config)
    theirs.load_state_dict(in_their_words(model.config, dict(model.named_parameters())), strict=True)
    return theirs.eval()


def same_gradients(ours, theirs):
    mine = {name: one.grad if one.grad is not None else torch.zeros_like(one) for name, one in ours.named_parameters()}
    expected = in_their_words(ours.config, mine)
    for name, parameter in theirs.named_parameters():
        gap = (expected[name] - parameter.grad).abs().max()
        assert gap <= 1e-4 * max(1e-3, float(parameter.grad.abs().max())), name


def nearby(family, seed=3, by=0.05):
    """A model not far from decoder(family), as the one it began as would be."""
    other, generator = decoder(family), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter += by * torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5
    return other


@pytest.fixture
def pairs():
    made = examples([9, 14, 6, 20, 11, 17, 8, 10])
    return [Pair(a, b) for a, b in zip(made[::2], made[1::2], strict=True)]


def log_probs(theirs, ids, own):
    """What TRL's patched forward gives: log p of each token that counts, 0 elsewhere."""
    log_p = theirs(input_ids=ids).logits[:, :-1].log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0]
    return log_p * own


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("beta", [0.1, 0.7])
def test_dpo_is_trls(family, beta, pairs):
    from trl import DPOTrainer

    ours, reference, batch = decoder(family), nearby(family), pair_batch(pairs)
    loss = PreferenceLoss(ours, Reference(reference), beta)(batch)
    loss.backward()

    theirs, before = their_model(ours), their_model(reference)

    def forward(input_ids, attention_mask, **_):
        own = batch.own.float()
        zero = torch.zeros_like(own)
        return SimpleNamespace(log_probs=log_probs(theirs, input_ids, own), entropy=zero, mean_logits=zero,
                               is_top1=zero.bool())  # fmt: skip

    with torch.no_grad():
        known = log_probs(before, batch.ids, batch.own.float()).sum(1).chunk(2)
    own = torch.cat((torch.zeros_like(batch.own[:, :1]), batch.own), 1).long()
    inputs = {"input_ids": batch.ids, "attention_mask": torch.ones_like(batch.ids), "completion_mask": own,
              "ref_chosen_logps": known[0], "ref_rejected_logps": known[1]}  # fmt: skip
    fake = trainer(beta=beta, ld_alpha=None, precompute_ref_logps=True, f_divergence_type="reverse_kl",
                   loss_types=["sigmoid"], loss_weights=[1.0], use_weighting=False, label_smoothing=0.0,
                   args=SimpleNamespace(use_weighting=False))  # fmt: skip
    expected = DPOTrainer._compute_loss(fake, forward, inputs, False)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    same_gradients(ours, theirs)


@pytest.mark.parametrize("centre", [0.0, 0.01])
def test_the_reward_models_loss_is_trls(centre, pairs):
    from trl import RewardTrainer

    ours, batch = WithHead(decoder()), pair_batch(pairs)
    generator = torch.Generator().manual_seed(1)
    ours.head.w.data = torch.randn(ours.head.w.shape, generator=generator)
    loss = RewardLoss(ours, centre=centre)(batch)
    loss.backward()

    theirs = their_model(ours.decoder)
    w = ours.head.w.detach().clone().requires_grad_()

    def forward(input_ids, **_):
        hidden = theirs.model(input_ids=input_ids).last_hidden_state
        return SimpleNamespace(logits=(hidden[torch.arange(len(hidden)), batch.last] @ w)[:, None])

    fake = trainer(args=SimpleNamespace(center_rewards_coefficient=centre or None))
    inputs = {"input_ids": batch.ids, "attention_mask": torch.ones_like(batch.ids)}
    expected = RewardTrainer.compute_loss(fake, forward, inputs)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert (ours.head.w.grad - w.grad).abs().max() <= 1e-4 * w.grad.abs().max()
    mine = in_their_words(ours.decoder.config, {name: one.grad if one.grad is not None else torch.zeros_like(one)
                                                for name, one in ours.decoder.named_parameters()})  # fmt: skip
    for name, parameter in theirs.named_parameters():
        if parameter.grad is not None:
            assert (mine[name] - parameter.grad).abs().max() <= 1e-4 * max(1e-3, float(parameter.grad.abs().max()))


def answered(prompt=5, lengths=(9, 4, 12, 7, 6, 10, 3, 8)):
    """Eight answers in two groups, with a stretch in each that a tool wrote."""
    made = []
    for one in examples([prompt + n for n in lengths]):
        own = one.own.copy()
        own[:prompt], own[prompt:] = False, True
        own[prompt + 1] = False
        made.append(Example(one.ids, own))
    return made


REWARDS = torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.2, -1.0, 3.0, 0.2]])


@pytest.mark.parametrize("normalisation", policy.NORMALISATIONS)
@pytest.mark.parametrize("scaled", [True, False])
@pytest.mark.parametrize("beta", [0.0, 0.3])
@pytest.mark.parametrize("stale", [False, True])
@pytest.mark.parametrize("accumulate", [1, 4])
def test_grpo_is_trls_however_it_is_normalised_and_cut(normalisation, scaled, beta, stale, accumulate):
    from trl import GRPOTrainer
    from trl.trainer.utils import nanstd

    settings = PolicySettings(group=4, prompts=2, longest=LONGEST, beta=beta, normalisation=normalisation,
                              scaled=scaled, updates=2 if stale else 1, clip=0.1, clip_high=0.15)  # fmt: skip
    ours, writer, reference = decoder(), nearby("llama", 7), nearby("llama", 9)
    experience = appraised(answered(), REWARDS.numpy(), writer, Reference(reference), settings)
    loss_of = PolicyLoss(ours, settings)
    total = sum(loss_of(experience.part(k, accumulate)) for k in range(accumulate)) / accumulate
    total.backward()

    ids, own = padded(answered())
    mean = REWARDS.mean(1, keepdim=True)
    each = (REWARDS - mean) / (nanstd(REWARDS, dim=1)[:, None] + 1e-4) if scaled else REWARDS - mean
    theirs = their_model(ours)
    with torch.no_grad():
        known = {"ref_per_token_logps": token_log_p(reference, ids, own)}
        known |= {"old_per_token_logps": token_log_p(writer, ids, own)} if stale else {}
    losses = []
    for rows in torch.arange(8).chunk(accumulate):
        mine = own[rows]

        def of_model(*_, rows=rows, mine=mine, **__):
            return log_probs(theirs, ids[rows], mine.float()), torch.zeros(mine.shape), None

        fake = trainer(
            _get_per_token_logps_and_entropies=of_model, top_entropy_quantile=1.0, off_policy_mask_threshold=None,
            importance_sampling_level="token", beta=beta, epsilon_low=0.1, epsilon_high=0.15, use_vllm=False,
            loss_type=normalisation, max_completion_length=LONGEST, current_gradient_accumulation_steps=accumulate,
            args=SimpleNamespace(delta=None, use_bias_correction_kl=False, steps_per_generation=accumulate),
            _entropy_bonus_enabled=False,
        )  # fmt: skip
        inputs = {"prompt_ids": ids[rows][:, :1], "prompt_mask": torch.ones(len(rows), 1, dtype=torch.long),
                  "completion_ids": ids[rows][:, 1:], "completion_mask": mine.long(),
                  "advantages": each.flatten()[rows], "num_items_in_batch": own.sum().float(),
                  **{name: value[rows] for name, value in known.items()}}  # fmt: skip
        loss = GRPOTrainer._compute_loss(fake, theirs, inputs)
        loss.backward()
        losses.append(loss.item())
    assert total.item() == pytest.approx(sum(losses), rel=1e-4, abs=1e-7)
    same_gradients(ours, theirs)

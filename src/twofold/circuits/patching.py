"""What depends on what: put into one run what another run had at a place, and see how far the answer follows.

    clean       "When Mary and John went out, John gave a drink to"      -> Mary
    corrupted   "When Mary and John went out, Mary gave a drink to"      -> John

Activation patching restores one clean place in the corrupted run (Meng et al. 2022, arXiv:2202.05262; Heimersheim &
Nanda 2024, arXiv:2404.15255). Path patching lets a change at one head reach another only directly, everything between
held fast (Wang et al. 2022, arXiv:2211.00593, appendix B). Ablation takes a head or an MLP away: by zeros, or by its
mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack

import torch
from jaxtyping import Float, Int
from torch import Tensor

from twofold.errors import ConfigError
from twofold.model.decoder import Decoder
from twofold.model.tap import Act
from twofold.model.watching import recording, tapped

__all__ = [
    "ablated", "head_effects", "lead", "logits_with", "means", "mlp_effects", "patch_heads", "patch_stream",
    "path_patch",
]  # fmt: skip

Metric = Callable[[Float[Tensor, "1 s v"]], Tensor]
Head = tuple[int, int]
Put = Callable[[Tensor, str], Tensor]  # an act that always gives a value
TOGETHER = 256  # tokens in one pass: beyond that, weights are no longer what it waits for


def lead(right: int, wrong: int, position: int = -1) -> Metric:
    """By how much the one token's score is above the other's."""
    return lambda logits: logits[0, position, right] - logits[0, position, wrong]


@torch.no_grad()
def logits_with(model: Decoder, ids: Int[Tensor, "b s"], acts: Mapping[str, Act]) -> Float[Tensor, "b s v"]:
    with tapped(model, acts):
        return model(ids)


@torch.no_grad()
def patch_stream(
    model: Decoder, clean: Int[Tensor, "1 s"], corrupted: Int[Tensor, "1 _"], metric: Metric,
    place: str = "hook_resid_pre", layers: Iterable[int] | None = None,
) -> Float[Tensor, "l s"]:
    """The metric of the corrupted run with `place` of one layer, at one position, as in the clean run.

    Of every layer, or of `layers`.
    """
    _same_length(clean, corrupted)
    names = [f"blocks.{i}.{place}" for i in (range(model.config.n_layers) if layers is None else layers)]
    with recording(model, *names) as seen:
        model(clean)

    def at(position: int) -> Put:
        def act(value: Tensor, name: str) -> Tensor:
            mixed = value.clone()
            mixed[:, position] = seen[name][:, position]
            return mixed

        return act

    positions = [at(position) for position in range(clean.shape[1])]
    return torch.tensor([_each(model, corrupted, metric, name, positions) for name in names])


@torch.no_grad()
def patch_heads(
    model: Decoder, clean: Int[Tensor, "1 s"], corrupted: Int[Tensor, "1 _"], metric: Metric,
) -> Float[Tensor, "l h"]:
    """The metric of the corrupted run with what one head moved as in the clean run."""
    _same_length(clean, corrupted)
    with recording(model, "*.hook_z") as seen:
        model(clean)
    return _each_head(model, corrupted, metric, lambda name, head: seen[name][:, :, head])


@torch.no_grad()
def head_effects(model: Decoder, ids: Int[Tensor, "b s"], metric: Callable[[Tensor], Tensor], mean: bool = False
                 ) -> Float[Tensor, "l h"]:  # fmt: skip
    """What the metric becomes without each head, one at a time; with `mean`, its mean over the positions stays."""
    known = means(model, ids) if mean else None
    return _each_head(model, ids, metric, lambda name, head: torch.zeros(()) if known is None else known[name][head])


@torch.no_grad()
def mlp_effects(
    model: Decoder, ids: Int[Tensor, "1 s"], metric: Metric, clean: Int[Tensor, "1 _"] | None = None
) -> Float[Tensor, " l"]:
    """What the metric becomes without each MLP, one at a time; or with each as it is in the `clean` run."""
    if model.config.mlp == "none":
        return torch.zeros(0)
    places = [f"blocks.{i}.hook_mlp_out" for i in range(model.config.n_layers)]
    given: Mapping[str, Tensor] = dict.fromkeys(places, torch.zeros(()))
    if clean is not None:
        _same_length(clean, ids)
        with recording(model, *places) as given:
            model(clean)
    return torch.tensor([float(metric(logits_with(model, ids, {place: _writing(given[place])}))) for place in places])


def _each_head(model: Decoder, ids: Tensor, metric: Callable[[Tensor], Tensor], given: Callable[[str, int], Tensor]
               ) -> Float[Tensor, "l h"]:  # fmt: skip
    places = [f"blocks.{i}.attn.hook_z" for i in range(model.config.n_layers)]
    return torch.tensor([
        _each(model, ids, metric, place, [_giving(head, given(place, head)) for head in range(model.config.n_heads)])
        for place in places
    ])  # fmt: skip


def _each(model: Decoder, ids: Tensor, metric: Callable[[Tensor], Tensor], place: str, acts: Sequence[Put]
          ) -> list[float]:  # fmt: skip
    """The metric with each of these acts at `place`, as many in one pass as it reads with profit."""
    found, many = list[float](), max(1, TOGETHER // ids.numel())
    for begin in range(0, len(acts), many):
        some = acts[begin:begin + many]

        def act(value: Tensor, name: str, some: Sequence[Put] = some) -> Tensor:
            return torch.cat([one(part, name) for one, part in zip(some, value.chunk(len(some)), strict=True)])

        logits = logits_with(model, ids.repeat(len(some), 1), {place: act})
        found += [float(metric(part)) for part in logits.chunk(len(some))]
    return found


@torch.no_grad()
def means(model: Decoder, ids: Int[Tensor, "b s"]) -> dict[str, Tensor]:
    """What each head moves [h, e] and each MLP writes [d] on average over these texts, by place."""
    mlps = ["*.hook_mlp_out"] if model.config.mlp != "none" else []
    with recording(model, "*.hook_z", *mlps) as seen:
        model(ids)
    return {name: value.mean((0, 1)) for name, value in seen.items()}


def ablated(
    model: Decoder, heads: Iterable[Head] = (), mlps: Iterable[int] = (), means: Mapping[str, Tensor] | None = None
) -> ExitStack:
    """A context in which these heads and MLPs give zeros, or the `means` of other texts.

        with ablated(model, heads=[(3, 0)], mlps=[2]):
            model(ids)

    Raises ConfigError for what the model does not have.
    """
    config, acts = model.config, list[tuple[str, Act]]()
    for layer, head in heads:
        if not (0 <= layer < config.n_layers and 0 <= head < config.n_heads):
            raise ConfigError(f"there is no head {layer}.{head}: there are {config.n_layers} layers of "
                              f"{config.n_heads} heads, counted from 0")  # fmt: skip
        place = f"blocks.{layer}.attn.hook_z"
        gone = torch.zeros(()) if means is None else means[place][head]
        acts.append((place, _giving(head, gone)))
    for layer in mlps:
        if not 0 <= layer < config.n_layers or config.mlp == "none":
            raise ConfigError(f"there is no MLP in layer {layer}: {config.n_layers} layers, MLP: {config.mlp}")
        place = f"blocks.{layer}.hook_mlp_out"
        acts.append((place, _writing(torch.zeros(()) if means is None else means[place])))
    stack = ExitStack()
    for place, act in acts:
        stack.enter_context(tapped(model, {place: act}))
    return stack


@torch.no_grad()
def path_patch(
    model: Decoder, clean: Int[Tensor, "1 s"], corrupted: Int[Tensor, "1 _"], metric: Metric,
    sender: Head, receivers: Iterable[tuple[int, int, str]] = (),
) -> Tensor:
    """The metric of the clean run in which `receivers` hear the sender as it was in the corrupted run.

    A receiver is (layer, head, "q", "k" or "v"); of keys and values, head counts key-value heads. Without receivers it
    is the last norm and the logits that hear it. The others hear the sender as ever, so only the direct path counts.
    """
    _same_length(clean, corrupted)
    layer, head = sender
    place = f"blocks.{layer}.attn.hook_z"
    with recording(model, place) as theirs:
        model(corrupted)
    mlps = ["*.hook_mlp_out"] if model.config.mlp != "none" else []
    with recording(model, "*.hook_z", *mlps) as ours:
        model(clean)
    held: dict[str, Act] = {name: lambda value, name: ours[name] for name in ours}
    held[place] = lambda value, name: _with_head(ours[name], head, theirs[name][:, :, head])
    heard = [(f"blocks.{at}.attn.hook_{kind}", which) for at, which, kind in receivers]
    if not heard:
        return metric(logits_with(model, clean, held))
    with tapped(model, held), recording(model, *(name for name, _ in heard)) as changed:
        model(clean)
    with ExitStack() as stack:
        for name, which in heard:
            stack.enter_context(tapped(model, {name: _giving(which, changed[name][:, :, which])}))
        return metric(model(clean))


def _giving(head: int, given: Tensor) -> Put:
    """The act that gives one head's output another value."""
    return lambda value, name: _with_head(value, head, given)


def _writing(given: Tensor) -> Act:
    return lambda value, name: given.to(value).expand_as(value)


def _with_head(value: Float[Tensor, "b s h e"], head: int, given: Tensor) -> Float[Tensor, "b s h e"]:
    mixed = value.clone()
    mixed[:, :, head] = given.to(value)
    return mixed


def _same_length(clean: Tensor, corrupted: Tensor) -> None:
    if clean.shape != corrupted.shape:
        raise ConfigError(f"the two texts have {clean.shape[1]} and {corrupted.shape[1]} tokens; patching puts one's "
                          "positions into the other's, so they have to be equally long")  # fmt: skip

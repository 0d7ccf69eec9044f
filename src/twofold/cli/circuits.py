"""`twofold circuits`: look inside a model: its heads, its stream, its embeddings, and how they came to be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from twofold.cli.options import AsJson
from twofold.errors import ConfigError

if TYPE_CHECKING:
    from twofold.model.decoder import Decoder
    from twofold.tokenizer.bpe import BPETokenizer

__all__ = ["circuits", "opened"]

ACTIONS = {
    "scores": "MODEL", "look": "MODEL TEXT", "near": "MODEL WORD", "analogies": "MODEL A:B C:D ...",
    "patch": "MODEL TEXT OTHER", "steer": "MODEL TEXT MORE LESS", "trigrams": "MODEL HEAD [SOURCE ...]",
    "changes": "MODEL OTHER", "timeline": "RUN", "induction": "",
}  # fmt: skip


def circuits(
    words: Annotated[list[str], typer.Argument(
        metavar="ACTION [WHAT...]", show_default=False,
        help="; ".join(f"{name} {what}".strip() for name, what in ACTIONS.items()) + ".")],
    top: Annotated[int, typer.Option(help="How many heads, pairs or tokens to show.")] = 10,
    strength: Annotated[float, typer.Option(
        help="steer: how often the difference is added; where it babbles, less.")] = 0.5,
    layer: Annotated[int, typer.Option(help="steer: after which layer; -1 is the middle one.")] = -1,
    seeds: Annotated[int, typer.Option(help="induction: models of each depth.")] = 5,
    layers: Annotated[str, typer.Option(help="induction: depths, as in 0,1,2.")] = "0,1,2",
    steps: Annotated[int, typer.Option(help="induction: steps of each training.")] = 400,
    out: Annotated[Path, typer.Option(help="induction: where the results go.")] = Path("runs/induction"),
    as_json: AsJson = False,
) -> None:
    """Look inside a model: its heads, its stream, its embeddings, and how they came to be.

    \b
    twofold circuits scores smollm2
    twofold circuits look runs/mine "The capital of France is"
    twofold circuits near runs/mine " island"
    twofold circuits analogies runs/mine " France: Paris" " Italy: Rome"
    twofold circuits patch smollm2 "The capital of France is" "The capital of Italy is"
    twofold circuits steer smollm2 "I think that dogs are" " love" " hate"
    twofold circuits trigrams runs/mine 0.3 " keep"
    twofold circuits changes runs/base runs/assistant
    twofold circuits timeline runs/mine
    twofold circuits induction

    scores: every head's copying score, what it looks at in repeated random tokens, and how much each pair of heads
    composes, above chance. look: what the model would say after each layer, and who raised what it says. patch: which
    places and heads of one text make another say the same. steer: what is written when the stream is pushed towards one
    text and away from another. trigrams: who looks back at a token, and what it then raises. induction: trains small
    models of attention alone, and tells which of them learn to look back, and when.

    Of each word WORD, A, B, SOURCE … the first token counts; a space before it is a part of it.
    """
    from twofold.cli import circuits_show as show
    from twofold.cli import circuits_try as attempt

    action, what = words[0], words[1:]
    wanted: dict[str, tuple[int, int | None, Callable[..., Any]]] = {  # how many words, at least and at most
        "scores": (1, 1, show.scores), "look": (2, 2, show.look), "near": (2, 2, show.near),
        "analogies": (3, None, show.analogies), "patch": (3, 3, attempt.patch), "trigrams": (2, None, attempt.trigrams),
        "steer": (4, 4, partial(attempt.steer, strength=strength, layer=layer)), "changes": (2, 2, show.changes),
        "timeline": (1, 1, show.timeline), "induction": (0, 0, show.induction),
    }  # fmt: skip
    if action not in wanted:
        raise ConfigError(f"{action!r} is not one of {', '.join(ACTIONS)}")
    if top < 1:
        raise ConfigError(f"--top {top} is a count; take at least 1")
    least, most, do = wanted[action]
    if not least <= len(what) <= (len(what) if most is None else most):
        raise ConfigError(f"it goes like this: twofold circuits {action} {ACTIONS[action]}".rstrip())
    if action == "induction":
        do(seeds, _depths(layers), steps, out, as_json)
    else:
        do(*what, top=top, as_json=as_json)


def _depths(layers: str) -> Sequence[int]:
    try:
        return tuple(dict.fromkeys(int(one) for one in layers.split(",")))
    except ValueError:
        raise ConfigError(f"--layers {layers!r} is not a list of numbers, as in 0,1,2") from None


def opened(model: str) -> tuple[Decoder, BPETokenizer]:
    """The model in torch, as it is."""
    from twofold.errors import require

    require("torch", "train", "looking inside a model")
    from twofold.cli.output import console
    from twofold.weights.locate import locate
    from twofold.weights.parameters import load
    from twofold.weights.torch_state import to_decoder

    with console(stderr=True).status("reading the model"):
        parameters = load(locate(model))
        return to_decoder(parameters).requires_grad_(False), parameters.tokenizer

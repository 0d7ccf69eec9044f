"""The actions of `twofold circuits` that change a run, and one that reads what a head has learned of pairs."""

from __future__ import annotations

import re
from contextlib import nullcontext
from typing import TYPE_CHECKING

from twofold.circuits.look import look
from twofold.circuits.patching import lead, patch_heads, patch_stream
from twofold.circuits.reading import read
from twofold.circuits.skip_trigrams import skip_trigrams, strongest_sources
from twofold.circuits.steering import direction, steered
from twofold.cli.circuits_words import columns, first_token, strongest_heads, with_names
from twofold.cli.output import console, print_json
from twofold.contracts import Sampling
from twofold.engine.open import from_decoder
from twofold.errors import ConfigError
from twofold.model.watching import recording

if TYPE_CHECKING:
    from torch import Tensor

    from twofold.model.decoder import Decoder
    from twofold.tokenizer.bpe import BPETokenizer

__all__ = ["patch", "steer", "trigrams"]

STEERED = 30  # tokens that are written each way


def patch(model: str, text: str, other: str, *, top: int, as_json: bool) -> None:
    """How much of the lead of what `text` goes on with comes back when one of its places is put into `other`."""
    from twofold.cli.circuits import opened

    decoder, tokenizer = opened(model)
    clean, corrupted = (read(decoder, tokenizer, one, tokenizer.add_bos) for one in (text, other))
    right, wrong = (look(decoder, ids).next(k=1).ids[0] for ids in (clean, corrupted))
    if right == wrong:
        raise ConfigError(f"both texts go on with {tokenizer.decode([right])!r}, so no place of one could change what "
                          "the other says; take texts that go on differently")  # fmt: skip
    metric = lead(right, wrong)
    whole, none = (float(metric(decoder(ids))) for ids in (clean, corrupted))
    with console(stderr=True).status("putting each place of one text into the other"):
        stream = (patch_stream(decoder, clean, corrupted, metric) - none) / (whole - none)
        heads = (patch_heads(decoder, clean, corrupted, metric) - none) / (whole - none)
    words = [[tokenizer.decode([i]) for i in ids[0].tolist()] for ids in (clean, corrupted)]
    first, second = (tokenizer.decode([one]) for one in (right, wrong))
    if as_json:
        print_json({"model": model, "tokens": words[0], "tokens_of_other": words[1],
                    "right": {"id": right, "token": first}, "wrong": {"id": wrong, "token": second},
                    "lead": whole, "lead_of_other": none, "stream": stream, "heads": heads})  # fmt: skip
        return
    names = [repr(a) if a == b else f"{a!r} in {b!r}" for a, b in zip(*words, strict=True)]
    screen = console()
    screen.print(f"The first text goes on with {first!r}, the other with {second!r}. How much of the first one's lead "
                 "comes back in\nthe other when the stream before a layer is, at one token, as it was in the first:\n")
    shown = sorted(stream.abs().amax(0).topk(min(top, len(names))).indices.tolist())
    table = columns("before", *(names[at] for at in shown), left=())
    for layer, row in enumerate(stream.tolist()):
        table.add_row(f"layer {layer}", *(f"{round(100 * row[at])} %" for at in shown))
    screen.print(table)
    screen.print("\nAnd when one head has moved what it moved in the first:\n")
    table = columns("head", "comes back", left=("head",))
    for name, value in strongest_heads(heads, top):
        table.add_row(name, f"{100 * value:+.1f} %")
    screen.print(table)


def trigrams(model: str, head: str, *words: str, top: int, as_json: bool) -> None:
    """Of each source: which tokens look back at it, and what it then raises; every pair of them is one skip-trigram."""
    from twofold.cli.circuits import opened

    decoder, tokenizer = opened(model)
    layer, index = _head(head)
    with console(stderr=True).status("the head's two tables"):
        sources = ([first_token(tokenizer, word) for word in words]
                   or strongest_sources(decoder, layer, index, min(top, decoder.config.vocab_size)))  # fmt: skip
        found = skip_trigrams(decoder, layer, index, sources)
    if as_json:
        print_json({"model": model, "head": head, "sources": [
            {"id": one.source, "token": tokenizer.decode([one.source]),
             "looked_at_by": with_names(tokenizer, one.dests, "score"),
             "raises": with_names(tokenizer, one.outs, "score")} for one in found]})  # fmt: skip
        return
    screen = console()
    exact = layer == 0 and decoder.config.positions == "none"
    screen.print(f"What head {head} has learned of pairs, by its weights alone"
                 f"{'' if exact else ' (of later layers and turned positions, the part that the embeddings play)'}:\n")
    table = columns("source", "looked at from", "and then raises", left=("source", "looked at from", "and then raises"))
    for one in found:
        cells = ("  ".join(repr(tokenizer.decode([i])) for i, _ in some) for some in (one.dests, one.outs))
        table.add_row(repr(tokenizer.decode([one.source])), *cells)
    screen.print(table)
    screen.print("\nWho looks is one table and what is raised another, so each token of the second column goes with "
                 "each of\nthe third, also where nobody ever wrote them so.")  # fmt: skip


def steer(model: str, text: str, more: str, less: str, *, top: int, as_json: bool, strength: float, layer: int) -> None:
    """What the model writes when the stream is pushed from what `less` makes of it to what `more` does."""
    from twofold.cli.circuits import opened

    decoder, tokenizer = opened(model)
    at = decoder.config.n_layers // 2 if layer < 0 else layer
    if at >= decoder.config.n_layers:
        raise ConfigError(f"--layer {at} is none of the model's {decoder.config.n_layers}, which are counted from 0")
    place = f"blocks.{at}.hook_resid_post"
    ids, *ends = (read(decoder, tokenizer, one, tokenizer.add_bos) for one in (text, more, less))
    vector = direction(decoder, ends[:1], ends[1:], place)
    with recording(decoder, place) as seen:
        decoder.hidden(ids)
    share = float(strength * vector.norm() / seen[place][0].norm(dim=-1).mean())
    written = {str(push): _written(decoder, tokenizer, ids, place, vector, push) for push in (0.0, strength, -strength)}
    if as_json:
        print_json({"model": model, "place": place, "push_over_stream": share, "written": written})
        return
    screen = console()
    screen.print(f"At {place} the stream is pushed by {share:.2f} of its own length, from {less!r} to {more!r}.\n")
    table = columns("pushed by", "what it writes", left=("what it writes",))
    for push, said in written.items():
        table.add_row(f"{float(push):+g}" if float(push) else "nothing", repr(said))
    screen.print(table)


def _written(
    decoder: Decoder, tokenizer: BPETokenizer, ids: Tensor, place: str, vector: Tensor, push: float
) -> str:
    """The likeliest tokens after `ids`, pushed at every position."""
    with steered(decoder, place, vector, push) if push else nullcontext():
        tokens = from_decoder(decoder, tokenizer)(ids[0].tolist(), STEERED, Sampling(temperature=0))
        return tokenizer.decode([one.id for one in tokens])


def _head(name: str) -> tuple[int, int]:
    if not (found := re.fullmatch(r"(\d+)\.(\d+)", name)):
        raise ConfigError(f"{name!r} is no head; heads are called LAYER.HEAD, as in 0.3")
    return int(found[1]), int(found[2])

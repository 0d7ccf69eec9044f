"""What each action of `twofold circuits` computes and shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import torch

from twofold.circuits import bigrams, composition, detectors, eigenvalues, embeddings, matrices
from twofold.circuits.changes import changes as changes_of
from twofold.circuits.look import look as look_at
from twofold.circuits.reading import read
from twofold.cli.circuits_words import columns, first_token, strongest_heads, with_names
from twofold.cli.live import sparkline
from twofold.cli.output import console, duration, note, print_json
from twofold.errors import ConfigError
from twofold.make import induction as lab
from twofold.make.report_induction import write_report
from twofold.make.timeline import timeline as moments

if TYPE_CHECKING:
    from torch import Tensor

    from twofold.model.decoder import Decoder

__all__ = ["analogies", "changes", "induction", "look", "near", "scores", "timeline"]

_KINDS = ("previous", "duplicate", "prefix", "copying")
_ABOUT = {"previous": "looks at the token before", "duplicate": "looks at its own earlier copies",
          "prefix": "looks at what came after its earlier copies, as an induction head does",
          "copying": "raises the token that it looks at"}  # fmt: skip


def scores(model: str, *, top: int, as_json: bool) -> None:
    from twofold.cli.circuits import opened

    decoder, tokenizer = opened(model)
    config, began = decoder.config, perf_counter()
    with console(stderr=True).status("composition of all pairs of heads"):
        them = matrices.heads(decoder)
        pairs = composition.compositions(decoder, them)
        values = eigenvalues.copying(decoder, them)
    weights = perf_counter() - began
    with console(stderr=True).status("heads on repeated random tokens"):
        found = detectors.detect(decoder, bos=tokenizer.bos_id, **_repeats(decoder))
    seconds = perf_counter() - began
    strongest = pairs.strongest(top)
    if as_json:
        print_json({
            "model": model, "heads": pairs.names, "seconds": seconds, "seconds_of_weights": weights,
            "copying_eigenvalues": values, "composition_chance": asdict(pairs.chance),
            "composition": pairs.scores, "uniform": found.uniform,
            **{name: getattr(found, name) for name in _KINDS},
            "strongest": [dict(zip(("kind", "later", "earlier", "above_chance"), one, strict=True))
                          for one in strongest],
        })  # fmt: skip
        return
    screen = console()
    table = columns("", "heads", "strongest", left=("", "strongest"))
    for name in _KINDS:
        each = getattr(found, name).flatten()
        best = each.topk(min(top, len(each)))
        chance = f", {found.uniform[name]:.2f} by chance" if name in found.uniform else ""
        names = "  ".join(f"{pairs.names[at]} {value:.2f}" for at, value in
                          zip(best.indices.tolist()[:5], best.values.tolist(), strict=False))  # fmt: skip
        table.add_row(f"{name}: {_ABOUT[name]}{chance}", str(int((each > 0.5).sum())), names)
    screen.print(f"{len(pairs.names)} heads ({config.n_layers} layers of {config.n_heads}); "
                 "how many score above a half, and the strongest of them\n")
    screen.print(table)
    copies = int((values > 0).sum())
    screen.print(f"\nBy eigenvalues of W_U W_OV W_E, {copies} of {len(values)} heads copy (positivity above 0).")
    if strongest:
        screen.print(f"\nPairs of heads that compose most, above the {pairs.chance.mean:.3f} of chance "
                     f"(± {pairs.chance.deviation:.3f}):\n")  # fmt: skip
        table = columns("", "later", "earlier", "above chance", left=("",))
        for kind, later, earlier, excess in strongest:
            table.add_row(kind, later, earlier, f"{excess:.3f}")
        screen.print(table)
    screen.print(f"\nWeights alone took {duration(weights)}, with runs on random tokens {duration(seconds)}.")


def look(model: str, text: str, *, top: int, as_json: bool) -> None:
    from twofold.cli.circuits import opened

    decoder, tokenizer = opened(model)
    ids = read(decoder, tokenizer, text, tokenizer.add_bos)
    seen = look_at(decoder, ids)
    lens, end, shares = seen.lens(k=5), seen.next(k=top), seen.attribution()
    said = end.ids[0]
    heads = strongest_heads(shares.heads, top)
    if as_json:
        print_json({
            "model": model, "tokens": [tokenizer.decode([i]) for i in ids[0].tolist()], "ids": ids[0],
            "next": [{"id": i, "token": tokenizer.decode([i]), "probability": p}
                     for i, p in zip(end.ids, end.probabilities, strict=True)],
            "lens": {place: [{"id": i, "token": tokenizer.decode([i]), "probability": p} for i, p in
                             zip(lens.ids[at, -1].tolist(), lens.probabilities[at, -1].tolist(), strict=True)]
                     for at, place in enumerate(lens.places)},
            "attribution": {**asdict(shares), "token": said, "total": shares.total},
        })  # fmt: skip
        return
    screen = console()
    screen.print("What it would say next after each layer:\n")
    table = columns("after", "likeliest", "", left=("after", "likeliest"))
    for at, place in enumerate(lens.places):
        chances = zip(lens.ids[at, -1].tolist(), lens.probabilities[at, -1].tolist(), strict=True)
        named = "   ".join(f"{tokenizer.decode([i])!r} {100 * p:.0f} %" for i, p in chances)
        table.add_row("embedding" if at == 0 else f"layer {place.split('.')[1]}", named, "")
    screen.print(table)
    screen.print(f"\nThe score of {tokenizer.decode([said])!r} is {shares.logit:.2f}; who wrote it, directly:\n")
    table = columns("who", "share", left=("who",))
    table.add_row("the embedding", f"{shares.embedding:+.2f}")
    for name, value in heads:
        table.add_row(f"head {name}", f"{value:+.2f}")
    rest = float(shares.heads.sum()) - sum(value for _, value in heads)
    table.add_row(f"the other {shares.heads.numel() - len(heads)} heads", f"{rest:+.2f}")
    table.add_row("all MLPs", f"{float(shares.mlps.sum()):+.2f}")
    screen.print(table)


def near(model: str, word: str, *, top: int, as_json: bool) -> None:
    from twofold.cli.circuits import opened

    decoder, tokenizer = opened(model)
    token = first_token(tokenizer, word)
    found = embeddings.neighbours(decoder, token, top)
    direct = bigrams.bigram_logits(decoder, torch.tensor([token]))[0].softmax(-1)
    best = direct.topk(min(top, len(direct)))
    after = list(zip(best.indices.tolist(), best.values.tolist(), strict=True))
    if as_json:
        print_json({"token": tokenizer.decode([token]), "id": token,
                    "neighbours": with_names(tokenizer, found, "cosine"),
                    "next_by_direct_path": with_names(tokenizer, after, "probability")})  # fmt: skip
        return
    table = columns("nearest", "cosine", "next by the direct path", "chance",
                   left=("nearest", "next by the direct path"))  # fmt: skip
    for (one, cosine), (next_one, chance) in zip(found, after, strict=False):
        table.add_row(repr(tokenizer.decode([one])), f"{cosine:.3f}", repr(tokenizer.decode([next_one])),
                      f"{100 * chance:.1f} %")  # fmt: skip
    console().print(table)


def analogies(model: str, *pairs: str, top: int, as_json: bool) -> None:
    from twofold.cli.circuits import opened

    decoder, tokenizer = opened(model)
    tokens = []
    for pair in pairs:
        left, colon, right = pair.partition(":")
        if not colon:
            raise ConfigError(f"{pair!r} is not a pair A:B, as in ' France: Paris'")
        tokens.append((first_token(tokenizer, left), first_token(tokenizer, right)))
    found = embeddings.analogies(decoder, tokens)
    named = {"holds": "with the pair's difference", "unrelated": "with that of two tokens drawn by chance",
             "nearest": "with none: the nearest to the third"}  # fmt: skip
    (a, b), (c, _) = tokens[:2]
    first = embeddings.analogy(decoder, a, b, c, top)
    if as_json:
        print_json({name: {**asdict(share), "share": share.share, "interval": share.interval}
                    for name, share in ((name, getattr(found, name)) for name in named)}
                   | {"first": with_names(tokenizer, first, "cosine")})  # fmt: skip
        return
    screen = console()
    words = [repr(tokenizer.decode([one])) for one in (a, b, c)]
    answers = "   ".join(f"{tokenizer.decode([one])!r} {cosine:.2f}" for one, cosine in first)
    screen.print(f"{words[0]} is to {words[1]} as {words[2]} is to   {answers}\n")
    table = columns("how often the fourth is found", "", "95 % interval", left=("how often the fourth is found",))
    for name, text in named.items():
        share = getattr(found, name)
        low, high = share.interval
        table.add_row(text, f"{share.right} of {share.of}", f"{100 * low:.0f} to {100 * high:.0f} %")
    screen.print(table)


def changes(model: str, other: str, *, top: int, as_json: bool) -> None:
    from twofold.cli.circuits import opened

    before, tokenizer = opened(model)
    after, _ = opened(other)
    found = changes_of(before, after)
    bos, repeats = tokenizer.bos_id, _repeats(before)
    first, second = (detectors.detect(one, bos=bos, **repeats) for one in (before, after))
    if as_json:
        print_json({"parameters": found.parameters, "QK": found.QK, "OV": found.OV,
                    "heads": {name: {"before": getattr(first, name), "after": getattr(second, name)}
                              for name in _KINDS}})  # fmt: skip
        return
    screen = console()
    table = columns("parameters", "changed by", left=("parameters",))
    for name, value in sorted(found.parameters.items(), key=lambda one: -one[1])[:top]:
        table.add_row(name, f"{100 * value:.2f} %")
    screen.print(table)
    screen.print("\nHeads whose kind has changed most:\n")
    table = columns("head", "kind", "before", "after", left=("head", "kind"))
    apart = [(abs(value), name, head, value) for name in _KINDS
             for head, value in strongest_heads(getattr(second, name) - getattr(first, name), top)]  # fmt: skip
    for _, name, head, _value in sorted(apart, reverse=True)[:top]:
        layer, index = (int(part) for part in head.split("."))
        values = (float(getattr(one, name)[layer, index]) for one in (first, second))
        table.add_row(head, name, *(f"{value:.2f}" for value in values))
    screen.print(table)


def timeline(run: str, *, top: int, as_json: bool) -> None:
    found = []
    with console(stderr=True).status("measuring") as status:
        for moment in moments(Path(run)):
            found.append(moment)
            status.update(f"measured {'the model' if moment.step is None else f'step {moment.step}'}")
    if as_json:
        print_json({"run": run, "moments": [
            {"step": one.step, "loss": one.loss, "copying_eigenvalues": one.eigenvalues,
             **{name: getattr(one.heads, name) for name in _KINDS}} for one in found]})  # fmt: skip
        return
    table = columns("step", "loss", *_KINDS, "heads that copy", left=())
    for one in found:
        best = [_highest(getattr(one.heads, name)) for name in _KINDS]
        when = "the model" if one.step is None else f"{one.step:,}"
        table.add_row(when, "-" if one.loss is None else f"{one.loss:.3f}",
                      *(f"{value:.2f} ({name})" for name, value in best), str(int((one.eigenvalues > 0).sum())))
    screen = console()
    screen.print("The strongest head of each kind at each checkpoint, and how many copy by their eigenvalues\n")
    screen.print(table)


def induction(seeds: int, depths: Sequence[int], steps: int, out: Path, as_json: bool) -> None:
    asked = lab.Lab(seeds=seeds, depths=tuple(depths), steps=steps)
    began = perf_counter()
    with console(stderr=True).status("training") as status:
        outcome = lab.run(asked, out, status.update, lambda course: note(_told(course)))
    seconds, said = perf_counter() - began, lab.conclusions(outcome)
    report = write_report(out, outcome)
    if as_json:
        print_json({"out": out, "report": report, "seconds": seconds, "baselines": asdict(outcome.baselines),
                    "conclusions": said,
                    "courses": [{"layers": one.layers, "seed": one.seed, **asdict(one.end), "phase": one.phase(),
                                 "cut": one.cut, "composed": one.composed(), "inducts": outcome.inducts(one)}
                                for one in outcome.courses]})  # fmt: skip
        return
    screen = console()
    table = columns("layers", "seed", "right", "nats", "prefix", "previous", "copying", "through", "cut Q", "cut K",
                    "cut V", left=())  # fmt: skip
    for one in outcome.courses:
        end = one.end
        heads = [f"{end.prefix:.2f} ({end.head})", f"{end.previous:.2f}", f"{end.copying:+.2f}"]
        heads = heads if one.layers else ["-"] * 3
        cuts = [f"{100 * one.cut[kind]:.0f} %" for kind in "QKV"] if one.cut else ["-"] * 3
        table.add_row(str(one.layers), str(one.seed), f"{100 * end.right:.0f} %", f"{end.nats:.3f}", *heads,
                      one.composed() or "-", *cuts)  # fmt: skip
    screen.print(table)
    screen.print("\nOf periods that training never saw. cut: what is still right when the last layer's queries, keys "
                 "or values hear nothing of the heads before.\n")  # fmt: skip
    for sentence in said:
        screen.print(sentence[0].upper() + sentence[1:])
    screen.print(f"\n{duration(seconds)}; the curves are in {report}, everything measured in {out / lab.RESULTS}")


def _told(course: lab.Course) -> str:
    line = sparkline([point.right for _, point in course.points], 40)
    return f"{course.layers} layers, seed {course.seed}: {100 * course.end.right:3.0f} % right  {line}"


def _repeats(decoder: Decoder) -> dict[str, int]:
    """As published where the context has room: 25 tokens, four times; else as many as fit."""
    length = min(25, (decoder.config.context - 1) // 4, decoder.config.vocab_size - 1)
    if length < 4:
        raise ConfigError(f"a context of {decoder.config.context} is too short for repeats to be seen in it")
    return {"length": length, "times": 4}


def _highest(values: Tensor) -> tuple[str, float]:
    at = int(values.argmax())
    return f"{at // values.shape[1]}.{at % values.shape[1]}", float(values.flatten()[at])

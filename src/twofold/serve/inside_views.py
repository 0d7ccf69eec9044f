"""What each panel of the page "Look inside" shows, from the circuits' own functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from time import perf_counter

import torch
from jaxtyping import Float
from torch import Tensor

from twofold.circuits import embeddings, neurons
from twofold.circuits.lens import lens_of, logits_of, stream_places
from twofold.circuits.look import Look
from twofold.circuits.matrices import plain, unembedding
from twofold.circuits.patching import ablated, head_effects, mlp_effects, patch_heads
from twofold.circuits.reading import row
from twofold.model.attention import attend, scores
from twofold.model.block import Block
from twofold.model.count import count
from twofold.model.mlp import MLP
from twofold.serve.asking import spelled
from twofold.serve.inside_models import Inside
from twofold.serve.inside_texts import texts
from twofold.serve.problems import Problem
from twofold.serve.reading import code
from twofold.serve.shelf import Served
from twofold.serve.wire_inside import (
    Analogous,
    Analogy,
    Asked,
    Chances,
    Counted,
    Counts,
    Effects,
    Excited,
    Excitement,
    FirstOf,
    LensGrid,
    Met,
    MostActive,
    Named,
    Near,
    Neuron,
    Pair,
    Place,
    Plane,
    Seen,
    Shares,
    Spelled,
    Word,
)

__all__ = [
    "analogous", "attribution", "effects", "exciting", "lens", "meeting", "most_active", "near", "patterns", "plane",
    "seen", "sources",
]  # fmt: skip

TEMPERATURES = [round(0.05 * i, 2) for i in range(41)]
SHOWN = 10  # tokens of a distribution
BEFORE, AFTER = 8, 3  # tokens around one that excites
AROUND, DRAWN = 5, 60  # tokens around each of the text's in the plane, where there is room; and with all of these


def seen(inside: Inside, served: Served, asked: Asked) -> Seen:
    began = perf_counter()
    with inside.looking(served, asked, whole=True) as whole:
        position, config = _position(whole, asked), whole.model.config
    cut = bool(asked.heads or asked.mlps)
    with inside.looking(served, asked) as now:
        return {
            "tokens": _spelled(served, now.ids[0].tolist()), "position": position,
            "layers": config.n_layers, "heads": config.n_heads, "mlp": config.mlp != "none",
            "next": _chances(served, now, whole if cut else None, position),
            "milliseconds": 1000 * (perf_counter() - began),
        }  # fmt: skip


def patterns(inside: Inside, served: Served, asked: Asked) -> bytes:
    """A byte a weight: layers, heads, queries, keys."""
    with inside.looking(served, asked) as now:
        return now.patterns_as_bytes()


def lens(inside: Inside, served: Served, asked: Asked) -> LensGrid:
    began = perf_counter()
    with inside.looking(served, asked) as now:
        found = now.lens(k=3)
    ids = sorted({*found.ids.flatten().tolist()})
    places = {one: at for at, one in enumerate(ids)}
    best = [[[places[one] for one in k] for k in row] for row in found.ids.tolist()]
    return {"tokens": _spelled(served, ids), "best": best, "chances": found.probabilities.tolist(),
            "milliseconds": 1000 * (perf_counter() - began)}  # fmt: skip


def attribution(inside: Inside, served: Served, asked: Asked) -> Shares:
    """Of the likeliest next token."""
    with inside.looking(served, asked) as now:
        position = _position(now, asked)
        token = int(now.logits[position].argmax())
        found = now.attribution(token, position=position)
    return {"token": _spelled(served, [token])[0], "logit": found.logit, "embedding": found.embedding,
            "heads": found.heads.tolist(), "mlps": found.mlps.tolist(), "rest": found.rest}  # fmt: skip


def effects(inside: Inside, served: Served, asked: Asked) -> Effects:
    """Of every part, cut out alone, or as it is in the other text: what it does to the likeliest next token."""
    began = perf_counter()
    with inside.looking(served, asked, whole=True) as whole:
        model, position = whole.model, _position(whole, asked)
        token = int(whole.logits[position].argmax())

        def metric(logits: Float[Tensor, "1 s v"]) -> Tensor:
            return logits[0, position].log_softmax(-1)[token]

        before = metric(whole.logits[None])
        if asked.other is None:
            heads, mlps = head_effects(model, whole.ids, metric), mlp_effects(model, whole.ids, metric)
        else:
            other = row(model, inside.ids(served, asked.other))
            heads = patch_heads(model, other, whole.ids, metric)
            mlps = mlp_effects(model, whole.ids, metric, other)
    return {"token": _spelled(served, [token])[0], "chance": float(before.exp()), "heads": (heads - before).tolist(),
            "mlps": (mlps - before).tolist(), "milliseconds": 1000 * (perf_counter() - began)}  # fmt: skip


def meeting(inside: Inside, served: Served, asked: Pair) -> Met:
    with inside.looking(served, asked) as now:
        config, s = now.model.config, now.ids.shape[1]
        for name, value, of in (("layer", asked.layer, config.n_layers), ("head", asked.head, config.n_heads),
                                ("query", asked.query, s), ("key", asked.key, s)):  # fmt: skip
            if value >= of:
                raise Problem(400, f"there is no {name} {value}; there are {of}, counted from 0", param=name)
        if asked.key > asked.query:
            raise Problem(400, f"the token {asked.query} cannot look at the later token {asked.key}", param="key")
        met = now.meeting(asked.layer, asked.head, asked.query, asked.key)
        moved = _moved(now, asked, met.value * met.weight)
    most, least = moved.topk(min(5, len(moved))), (-moved).topk(min(5, len(moved)))
    return {
        "query": met.query.tolist(), "key": met.key.tolist(), "products": met.products.tolist(),
        "value": met.value.tolist(), "score": met.score, "weight": met.weight,
        "raises": _named(served, zip(most.indices.tolist(), most.values.tolist(), strict=True)),
        "lowers": _named(served, zip(least.indices.tolist(), (-least.values).tolist(), strict=True)),
    }  # fmt: skip


def most_active(inside: Inside, served: Served, asked: Neuron) -> MostActive:
    with inside.looking(served, asked) as now:
        config = now.model.config
        if asked.layer >= config.n_layers or config.mlp == "none":
            raise Problem(400, f"there is no MLP in layer {asked.layer} of {served.name}", param="layer")
        return {"neurons": now.neurons(asked.layer, _position(now, asked)), "of": config.d_ff}


def exciting(inside: Inside, served: Served, asked: Excited) -> Excitement:
    """Where a neuron is most active in texts that come with the package, read by the whole model."""
    source, rows = texts(served)
    with inside.lock:
        model = inside.decoder(served, asked.step)
        found = neurons.exciting(model, torch.tensor(rows), asked.layer, [asked.neuron], k=6)
    decode, places = served.engine.tokenizer.decode, list[Place]()
    columns = (each[0].tolist() for each in (found.row, found.position, found.activation))
    for number, at, value in zip(*columns, strict=True):
        ids = rows[number]
        before, after = ids[max(0, at - BEFORE) : at], ids[at + 1 : at + 1 + AFTER]
        places.append({"before": decode(before), "token": decode([ids[at]]), "after": decode(after), "value": value})
    return {"places": places, "mean": float(found.mean[0]), "tokens": sum(map(len, rows)), "source": source}


def near(inside: Inside, served: Served, asked: Word) -> Near:
    with inside.lock:
        found = embeddings.neighbours(inside.decoder(served, asked.step), asked.token)
    return {"token": _spelled(served, [asked.token])[0], "neighbours": _named(served, found)}


def plane(inside: Inside, served: Served, asked: Asked) -> Plane:
    """The text's tokens and the nearest to each; and how much is seen of as many tokens that chance has drawn."""
    own = list(dict.fromkeys(inside.ids(served, asked.text)))
    with inside.lock:
        model = inside.decoder(served, asked.step)
        ids, cosines = embeddings.nearest(model, own, max(1, min(AROUND, DRAWN // len(own) - 1)))
        them = list(dict.fromkeys([*own, *ids.flatten().tolist()]))
        points, share = embeddings.projection(model, them)
        drawn = torch.randperm(len(model.W_E), generator=torch.Generator().manual_seed(0))[: len(them)]
        _, chance = embeddings.projection(model, drawn.tolist())
    places = {one: at for at, one in enumerate(them)}
    near = [[places[one] for one in row] for row in ids.tolist()]
    return {"tokens": _spelled(served, them), "near": near, "cosines": cosines.tolist(), "points": points.tolist(),
            "directions": model.config.d_model, "share": share, "chance": chance}  # fmt: skip


def analogous(inside: Inside, served: Served, asked: Analogy) -> Analogous:
    """The answers to a : b :: c : ?, and how often such a question is answered rightly in all these pairs."""
    words = [*chain(*asked.pairs), asked.c, *([] if asked.d is None else [asked.d])]
    ids = [served.engine.tokenizer.encode(word) for word in words]
    firsts = [each[0] for each in ids]
    pairs, (c, *expected) = list(zip(firsts[::2], firsts[1::2], strict=False)), firsts[2 * len(asked.pairs) :]
    a, b = pairs[0]
    with inside.lock:
        model = inside.decoder(served, asked.step)
        answers = embeddings.analogy(model, a, b, c, SHOWN)
        ranks = [embeddings.ranks(model, a, b, c, d) for d in expected if d not in (a, b, c)]
        found = embeddings.analogies(model, pairs) if len(pairs) > 1 else None
    read: list[FirstOf] = [{**one, "tokens": len(each)}
                           for one, each in zip(_spelled(served, firsts), ids, strict=True)]  # fmt: skip
    return {"read": read, "answers": _named(served, answers), "of": len(model.W_E) - len({a, b, c}),
            "ranks": ranks[0] if ranks else None, "counts": None if found is None else _counts(found)}  # fmt: skip


def sources() -> dict[str, str]:
    """The functions that do it, as they run, by panel."""
    return {
        "next": code(Look.next), "lens": code(lens_of, logits_of, stream_places), "block": code(Block.forward),
        "heads": code(scores, attend), "pair": code(Look.meeting, _moved), "neurons": code(MLP.forward, Look.neurons),
        "shares": code(Look.attribution), "cut": code(ablated, head_effects, patch_heads), "areas": code(count),
        "near": code(embeddings.neighbours, embeddings.nearest), "exciting": code(neurons.exciting),
        "plane": code(embeddings.projection),
        "analogies": code(embeddings.analogy, embeddings.ranks, embeddings.analogies),
    }  # fmt: skip


def _position(look: Look, asked: Asked) -> int:
    """The last token where none is named, or one that there is no more."""
    last = look.ids.shape[1] - 1
    return last if asked.position is None else min(asked.position, last)


def _chances(served: Served, now: Look, whole: Look | None, position: int) -> Chances:
    """At every temperature of the slider, so that moving it computes nothing."""
    vocabulary = served.engine.tokenizer.vocab_size  # padding rows are no tokens
    ids = [one for one in now.next(position, SHOWN).ids if one < vocabulary]
    if whole is not None:
        ids += [one for one in whole.next(position, SHOWN).ids if one not in ids and one < vocabulary]

    def rows(look: Look) -> list[list[float]]:
        return _at_temperatures(look.logits[position, :vocabulary])[:, ids].tolist()

    return {"tokens": _spelled(served, ids), "temperatures": TEMPERATURES, "now": rows(now),
            "whole": None if whole is None else rows(whole)}  # fmt: skip


def _at_temperatures(logits: Float[Tensor, " v"]) -> Float[Tensor, "t v"]:
    return (logits[None] / torch.tensor(TEMPERATURES).clamp(min=1e-6)[:, None]).softmax(-1)


def _moved(now: Look, pair: Pair, value: Float[Tensor, " e"]) -> Float[Tensor, " v"]:
    """What a head's weighted value adds to every token's score, straight through W_O, the last norm's scale and W_U."""
    block = now.model.blocks[pair.layer]
    assert isinstance(block, Block)
    e = now.model.config.d_head
    written = plain(block.attn.W_O)[:, pair.head * e : (pair.head + 1) * e] @ value
    return unembedding(now.model) @ written / now.record["ln_final.hook_scale"][0, pair.query]


def _counts(found: embeddings.Analogies) -> Counts:
    def counted(one: embeddings.Share) -> Counted:
        return {"right": one.right, "of": one.of, "interval": one.interval}

    return {"holds": counted(found.holds), "unrelated": counted(found.unrelated), "nearest": counted(found.nearest)}


def _spelled(served: Served, ids: Sequence[int]) -> list[Spelled]:
    return [{"id": one, "text": text, "bytes": raw if "\ufffd" in text else None}
            for one in ids for text, raw in [_text(served, one)]]  # fmt: skip


def _text(served: Served, one: int) -> tuple[str, list[int]]:
    """Rows beyond the vocabulary only fill a matrix up."""
    return spelled(served, one) if one < served.engine.tokenizer.vocab_size else ("(no token)", [])


def _named(served: Served, found: Iterable[tuple[int, float]]) -> list[Named]:
    them = list(found)
    spelt = _spelled(served, [one for one, _ in them])
    return [{**one, "value": value} for one, (_, value) in zip(spelt, them, strict=True)]

"""Over the wire: what the page "Look inside" asks, and is told. These paths are the page's own, not part of the API."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from twofold.serve.wire import Wire

__all__ = [
    "Analogous", "Analogy", "Areas", "Asked", "Chances", "Counted", "Counts", "Effects", "Excited", "Excitement",
    "FirstOf", "LensGrid", "Met", "MostActive", "Named", "Near", "Neuron", "Pair", "Place", "Plane", "Seen", "Shares",
    "Spelled", "WhatThereIs", "Word",
]  # fmt: skip

Index = Annotated[int, Field(ge=0, lt=2**31)]
Written = Annotated[str, Field(min_length=1, max_length=200)]
Head = Annotated[list[Index], Field(min_length=2, max_length=2)]


class Asked(Wire):
    """A text in a model, of which parts may be cut out."""

    model: str | None = None
    step: Index | None = Field(None, description="A checkpoint of the model's run; without it, the finished model.")
    text: str = Field(max_length=20_000)
    position: Index | None = Field(None, description="Of a token, counted from 0; the last one where it is left out.")
    heads: list[Head] = Field(default_factory=list, max_length=10_000, description="[layer, head], that give zeros.")
    mlps: list[Index] = Field(default_factory=list, max_length=1000, description="Layers whose MLP gives zeros.")
    other: str | None = Field(None, max_length=20_000, description="A text as long; these parts give what they give in "
                              "it, not zeros.")  # fmt: skip


class Pair(Asked):
    layer: Index
    head: Index
    query: Index
    key: Index


class Neuron(Asked):
    layer: Index


class Excited(Neuron):
    neuron: Index


class Word(Wire):
    model: str | None = None
    step: Index | None = None
    token: Index


class Analogy(Wire):
    """a is to b, the first pair, as c is to what? Of each word the first token counts."""

    model: str | None = None
    step: Index | None = None
    pairs: list[Annotated[list[Written], Field(min_length=2, max_length=2)]] = Field(
        min_length=1, max_length=12, description="Of one relation.")  # fmt: skip
    c: Written
    d: Written | None = Field(None, description="What is expected; with c, it is another pair.")


class Spelled(TypedDict):
    id: int
    text: str
    bytes: list[int] | None  # where it is a part of a character


class Named(Spelled):
    value: float


class Chances(TypedDict):
    """Of the likeliest next tokens: a row for each temperature, a column for each token."""

    tokens: list[Spelled]
    temperatures: list[float]
    now: list[list[float]]
    whole: list[list[float]] | None  # of the model of which nothing is cut out


class Seen(TypedDict):
    tokens: list[Spelled]
    position: int
    layers: int
    heads: int
    mlp: bool
    next: Chances
    milliseconds: float


class LensGrid(TypedDict):
    """A row for each place in the stream, a column for each token; `best` counts in `tokens`."""

    tokens: list[Spelled]
    best: list[list[list[int]]]
    chances: list[list[list[float]]]
    milliseconds: float


class Shares(TypedDict):
    """Of one token's score at one position, in logits."""

    token: Spelled
    logit: float
    embedding: float
    heads: list[list[float]]
    mlps: list[float]
    rest: float


class Effects(TypedDict):
    """By how many nats the likeliest token becomes likelier (or less likely) when one part alone is changed."""

    token: Spelled
    chance: float
    heads: list[list[float]]
    mlps: list[float]
    milliseconds: float


class Met(TypedDict):
    """A query and a key, and the value that is moved: what it adds straight to the scores of tokens is in logits."""

    query: list[float]
    key: list[float]
    products: list[float]
    value: list[float]
    score: float
    weight: float
    raises: list[Named]
    lowers: list[Named]


class MostActive(TypedDict):
    neurons: list[tuple[int, float]]
    of: int


class Place(TypedDict):
    """A token with some of what stands around it."""

    before: str
    token: str
    after: str
    value: float


class Excitement(TypedDict):
    places: list[Place]
    mean: float
    tokens: int
    source: str


class Near(TypedDict):
    token: Spelled
    neighbours: list[Named]


class Plane(TypedDict):
    """Tokens where they differ most, those of the text first; `near` counts in `tokens`, a row for each of the text."""

    tokens: list[Spelled]
    near: list[list[int]]
    cosines: list[list[float]]
    points: list[list[float]]
    directions: int
    share: float  # of the variance that is seen
    chance: float  # the same of as many tokens, drawn by chance


class FirstOf(Spelled):
    """A word, as its first token."""

    tokens: int  # of the whole word


class Counted(TypedDict):
    right: int
    of: int
    interval: tuple[float, float]


class Counts(TypedDict):
    """How often analogies hold: with the pair's difference, with that of two drawn by chance, and with none."""

    holds: Counted
    unrelated: Counted
    nearest: Counted


class Analogous(TypedDict):
    read: list[FirstOf]  # the pairs, c, and d where there is one
    answers: list[Named]
    of: int  # tokens that could be the answer
    ranks: tuple[int, int] | None  # of d: with the difference, and by nearness to c alone
    counts: Counts | None  # where there are two pairs


class WhatThereIs(TypedDict):
    steps: list[int]  # of checkpoints that are kept
    context: int
    most: int  # tokens that are shown
    code: dict[str, str]


class Areas(TypedDict):
    """Numbers in a model by category."""

    eight: dict[str, int]
    rest: dict[str, int]
    held: int
    tied: bool

"""Over the wire: what the page of the digits asks, and is told. These paths are the page's own, not part of the API."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from twofold.serve.wire import Wire

__all__ = [
    "About", "Asked", "Begun", "Convolution", "Course", "Gradient", "Kind", "Look", "Matrix", "Network", "Own", "Plan",
    "Question", "Sizes", "Slice", "Train", "Which",
]  # fmt: skip

Part = Annotated[float, Field(ge=0, le=1)]
Point = Annotated[list[Part], Field(min_length=2, max_length=2)]
Strokes = Annotated[list[Annotated[list[Point], Field(max_length=2000)]], Field(max_length=200)]
Client = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Index = Annotated[int, Field(ge=0, lt=2**31)]


class Asked(Wire):
    client: Client = Field(description="A name that the page made up for itself: 32 hexadecimal digits.")


class Which(Asked):
    network: str = Field(max_length=64)


class Question(Which):
    """One of the three; what is on paper without a stroke is nothing."""

    strokes: Strokes | None = Field(None, description="Lists of points [x, y], each from 0 to 1: across, and down.")
    example: Index | None = Field(None, description="A held-out image.")
    noise: Index | None = Field(None, description="The seed of an image of noise.")


class Plan(Wire):
    activation: Literal["sigmoid", "relu"] = "sigmoid"
    loss: Literal["squared", "cross-entropy"] = "squared"
    seed: Index = 0


class Own(Asked):
    example: Index = Field(0, description="The training image that is looked at.")
    plan: Plan = Field(default_factory=Plan)
    fresh: bool = Field(False, description="Begin anew, with the plan, if there is a network already.")


class Train(Asked):
    learning_rate: float = Field(gt=0, le=1000)
    batch: int = Field(ge=1, le=100_000)
    momentum: float = Field(0, ge=0, lt=1)
    pace: float = Field(0, ge=0, le=1e6, description="Steps a second; 0: as many as there can be.")
    steps: int | None = Field(None, ge=1, description="Stop after so many.")
    example: Index = 0


class Matrix(TypedDict):
    """32-bit numbers, lowest byte first, row by row, in base64."""

    shape: tuple[int, int]
    data: str


class Gradient(TypedDict):
    """Of one example's cost. Layers count from the first that has weights."""

    cost: float
    activations: list[list[float]]
    weights: list[Matrix]
    biases: list[list[float]]


class Look(TypedDict):
    pixels: list[float]
    label: int | None
    example: int | None
    sums: list[list[float]]
    activations: list[list[float]]
    gradient: Gradient | None
    maps: NotRequired[list[list[list[float]]]]  # of a convolutional network: layer, map, row by row


class Network(TypedDict):
    sizes: list[int]
    activation: str
    loss: str
    weights: list[Matrix]
    biases: list[list[float]]


class Convolution(TypedDict):
    activation: str
    loss: str
    maps: list[list[int]]  # channels, height, width of each layer's
    kernels: Matrix  # of the first layer, a row each


class Kind(TypedDict):
    name: str
    title: str
    told: str
    takes: str


class Sizes(TypedDict):
    name: str
    side: int
    train: int
    held_out: int


class About(TypedDict):
    digits: Sizes
    networks: list[Kind]
    defaults: dict[str, float]
    code: dict[str, str]


class Course(TypedDict):
    """A network and how it came to be: all of it, or, in a stream, what is new."""

    network: Network
    look: Look
    step: int
    epoch: float
    cost: float | None
    costs: list[tuple[int, float]]
    accuracies: list[tuple[int, float, float, float]]


class Begun(Course):
    """All of it, with the weights of the first layer that it began with."""

    began: Matrix


class Slice(TypedDict):
    xs: list[float]
    ys: list[float]
    costs: list[list[float]]
    path: list[tuple[float, float]]
    steps: list[int]
    share: float
    images: int
    parameters: int

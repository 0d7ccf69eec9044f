"""Over the wire: what the page of the digits asks, and is told. These paths are the page's own, not part of the API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from typing_extensions import TypedDict

from twofold.serve.wire import Wire

__all__ = [
    "About", "Asked", "Begun", "Course", "Gradient", "Kind", "Look", "Matrix", "Network", "Own", "Plan", "Question",
    "Sizes", "Slice", "Train", "Usual", "Which",
]  # fmt: skip

Part = Annotated[float, Field(ge=0, le=1)]
Point = Annotated[list[Part], Field(min_length=2, max_length=2)]
Strokes = Annotated[list[Annotated[list[Point], Field(max_length=2000)]], Field(max_length=200)]
Client = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Index = Annotated[int, Field(ge=0, lt=2**31)]


class Asked(Wire):
    client: Client = Field(description="A name that the page made up for itself: 32 hexadecimal digits.")


class Which(Asked):
    network: str = Field(max_length=1024)


class Question(Which):
    """One of the three; what is on paper without a stroke is nothing."""

    strokes: Strokes | None = Field(None, description="Lists of points [x, y], each from 0 to 1: across, and down.")
    example: Index | None = Field(None, description="A held-out image.")
    noise: Index | None = Field(None, description="The seed of an image of noise.")


class Plan(Wire):
    activation: Literal["sigmoid", "relu"] = "sigmoid"
    loss: Literal["squared", "cross-entropy"] = "squared"
    convolution: Annotated[bool, Field(description="With ReLU and cross-entropy, whatever stands above.")] = False
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
    """Of one example's cost, and like what it is the gradient of: layers that have maps stand in `maps`."""

    cost: float
    activations: list[list[float]]
    maps: list[Matrix]
    weights: list[Matrix]
    biases: list[list[float]]


class Look(TypedDict):
    """Layers count from the first that has weights; `sums` and `activations` are of those that are fully connected."""

    pixels: list[float]
    label: int | None
    example: int | None
    sums: list[list[float]]
    activations: list[list[float]]
    maps: list[Matrix]  # of each convolution: a row for each map, [channels, height · width]
    gradient: Gradient | None


class Network(TypedDict):
    """A matrix of weights has a row for each neuron or, in a convolution, for each map that it makes."""

    sizes: list[int]  # pixels, and the neurons of each layer that is fully connected
    maps: list[list[int]]  # channels, height, width, and how many pixels each way become one, of each convolution
    activation: str
    loss: str
    weights: list[Matrix]
    biases: list[list[float]]


class Kind(TypedDict):
    """A network that can be asked. `wait` is what happens before it can be."""

    name: str
    title: str
    wait: str
    saved: bool


class Usual(TypedDict):
    """How a network is usually trained."""

    learning_rate: float
    batch: int
    momentum: float


class Sizes(TypedDict):
    name: str
    side: int
    train: int
    held_out: int


class About(TypedDict):
    digits: Sizes
    networks: list[Kind]
    code: dict[str, dict[str, str]]  # by kind of network, and by what it does


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
    usual: Usual
    held_out: int  # images that accuracies are measured on


class Slice(TypedDict):
    xs: list[float]
    ys: list[float]
    costs: list[list[float]]
    path: list[tuple[float, float]]
    steps: list[int]
    share: float
    images: int
    parameters: int

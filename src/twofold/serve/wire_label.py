"""Over the wire: what the page for labels asks, and is told. These paths are the pages' own, not part of the API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

from twofold.data.labels import Given
from twofold.serve.wire import Wire
from twofold.serve.wire_chat import Said

__all__ = ["Flag", "Give", "Given", "Kept", "LabelDesk", "LabelSheet", "Labeller", "Next", "NextSheet", "TakeBack",
           "TakenBack"]  # fmt: skip

Task = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Text = Annotated[str, Field(max_length=100_000)]


class Labeller(Wire):
    by: str = Field(min_length=1, max_length=64, description="Who labels.")


class Next(Labeller):
    after: Task | None = Field(None, description="Only what comes behind this one, which is not labelled yet.")


class Give(Labeller):
    task: Task
    verdict: Given
    answer: Literal[0, 1] | None = Field(None, description="Which of those shown is meant, where it is one.")
    text: Text = ""
    seconds: float | None = Field(None, ge=0)


class TakeBack(Labeller):
    entry: Task | None = Field(None, description="What is taken back; without it, the last that was labelled.")


class Flag(Labeller):
    """Of an answer in a chat."""

    verdict: Literal["good", "bad", "corrected"]
    prompt: list[Said] = Field(min_length=1, max_length=10_000)
    answer: list[Said] = Field(min_length=1, max_length=1000)
    text: Text = ""
    model: str | None = Field(None, max_length=200)


class LabelSheet(TypedDict):
    task: str
    number: int
    prompt: list[dict[str, Any]]
    answers: list[list[dict[str, Any]]]
    cut: list[bool]
    trouble: str


class NextSheet(TypedDict):
    sheet: LabelSheet | None
    done: int
    of: int


class LabelDesk(TypedDict):
    file: str
    by: str
    model: str | None
    prompts: int
    instructions: str


class Kept(TypedDict):
    entry: str


class TakenBack(TypedDict):
    task: str | None

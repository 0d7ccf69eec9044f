"""The shapes that every request shares, as they come over the wire: how tokens are drawn, where an answer ends.

Types only: what they mean is in asking.py. Values are checked as they are, without conversion; fields that are not
known are passed over, since clients send many that change nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

__all__ = [
    "Biases", "BuiltinTool", "ChoiceFormat", "Drawing", "Function", "FunctionTool", "JsonObjectFormat",
    "JsonSchemaFormat", "Name", "NamedFunction", "OnlyName", "RegexFormat", "ResponseFormat", "Schema", "Stop",
    "StreamOptions", "TextFormat", "Wire",
]  # fmt: skip

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Biases = Annotated[
    dict[Annotated[str, Field(pattern=r"^[0-9]{1,9}$")], Annotated[float, Field(ge=-100, le=100)]],
    Field(max_length=1024),
]
Stop = Annotated[str, Field(min_length=1, max_length=1000)]


class Wire(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False, protected_namespaces=())


class StreamOptions(Wire):
    include_usage: bool | None = Field(None, description="One more event at the end, with the counts of tokens.")


class Drawing(Wire):
    """How the next token is drawn: repetition penalty, then top-k, top-p, min-p, then temperature."""

    model: str | None = Field(None, description="One of /v1/models; the first of them where it is left out.")
    temperature: float | None = Field(None, ge=0, le=100, description="0 takes the likeliest; default: see /v1/models.")
    top_p: float | None = Field(None, ge=0, le=1, description="Keep the fewest tokens that hold this much; 0.95.")
    top_k: int | None = Field(None, ge=0, le=2**31, description="Keep the likeliest so many; 0 keeps all; 40.")
    min_p: float | None = Field(None, ge=0, le=1, description="Keep what is this many times the likeliest; 0.05.")
    repetition_penalty: float | None = Field(
        None, ge=0.01, le=100, validation_alias=AliasChoices("repetition_penalty", "repeat_penalty"),
        description="Above 1: tokens of late become less likely; default 1.",
    )  # fmt: skip
    frequency_penalty: float | None = Field(None, ge=0, le=0, description="Only 0; use repetition_penalty.")
    presence_penalty: float | None = Field(None, ge=0, le=0, description="Only 0; use repetition_penalty.")
    seed: int | None = Field(None, ge=-1, lt=2**63, description="Which of the possible texts; -1 and none: any.")
    logit_bias: Biases | None = Field(None, description="Added to the scores of tokens, by their ids.")
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = Field(None, description="Texts that end it.")
    n: int | None = Field(None, ge=1, le=32, description="How many answers; default 1.")
    stream: bool | None = Field(None, description="Answer by server-sent events, as it is written.")
    stream_options: StreamOptions | None = None
    overflow: Literal["error", "slide"] | None = Field(
        None, description="Past the model's context: an error (default); or leave out a conversation's oldest "
        "turns, and of a text that is still too long read the later half anew and go on.",
    )


class TextFormat(Wire):
    type: Literal["text"]


class JsonObjectFormat(Wire):
    type: Literal["json_object"]


class Schema(Wire):
    name: Name
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(Wire):
    type: Literal["json_schema"]
    json_schema: Schema


class RegexFormat(Wire):
    """An answer that a regular expression matches as a whole. Not in OpenAI's API."""

    type: Literal["regex"]
    pattern: str = Field(min_length=1, max_length=10_000)


class ChoiceFormat(Wire):
    """One of some texts. Not in OpenAI's API."""

    type: Literal["choice"]
    choices: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1, max_length=1000)


ResponseFormat = Annotated[
    TextFormat | JsonObjectFormat | JsonSchemaFormat | RegexFormat | ChoiceFormat, Field(discriminator="type")
]


class Function(Wire):
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class FunctionTool(Wire):
    type: Literal["function"]
    function: Function


class BuiltinTool(Wire):
    """A tool that the server has and calls itself, within the answer. Not in OpenAI's API."""

    type: Literal["calculator"]


class OnlyName(Wire):
    name: Name


class NamedFunction(Wire):
    type: Literal["function"]
    function: OnlyName

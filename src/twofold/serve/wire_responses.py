"""/v1/responses over the wire: what is asked, and what is answered. Nothing is kept between calls."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag
from typing_extensions import TypedDict

from twofold.serve.wire import Drawing, JsonObjectFormat, Name, TextFormat, Wire
from twofold.serve.wire_chat import TokenLogprob

__all__ = [
    "Answer", "CallItem", "CallOutput", "FlatSchemaFormat", "FlatTool", "Form", "IncompleteDetails", "InputTokens",
    "Item", "MessageItem", "NamedTool", "OnlyFalse", "OutputCall", "OutputMessage", "OutputText", "OutputTokens",
    "Part", "PastItem", "Respond", "ResponseUsage", "StreamEvent", "TextSettings",
]  # fmt: skip


class Part(Wire):
    type: Literal["input_text", "output_text", "text"]
    text: str


class MessageItem(Wire):
    type: Literal["message"] | None = None
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[Part]


class CallItem(Wire):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str


class CallOutput(Wire):
    type: Literal["function_call_output"]
    call_id: str
    output: str | list[Part]


class PastItem(Wire):
    """What a model thought; passed over."""

    type: Literal["reasoning"]


def _only_bool(value: Any) -> Any:
    if not isinstance(value, bool):
        raise ValueError("Input should be false")
    return value


OnlyFalse = Annotated[Literal[False], BeforeValidator(_only_bool)]  # 0 == False, but it is not false


def _kind(item: Any) -> str:
    kind = item.get("type") if isinstance(item, dict) else getattr(item, "type", None)
    return kind if kind in ("function_call", "function_call_output", "reasoning") else "message"


Item = Annotated[
    Annotated[MessageItem, Tag("message")]
    | Annotated[CallItem, Tag("function_call")]
    | Annotated[CallOutput, Tag("function_call_output")]
    | Annotated[PastItem, Tag("reasoning")],
    Discriminator(_kind),
]


class FlatSchemaFormat(Wire):
    type: Literal["json_schema"]
    name: Name
    schema_: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


Form = Annotated[TextFormat | JsonObjectFormat | FlatSchemaFormat, Field(discriminator="type")]


class TextSettings(Wire):
    format: Form | None = None


class FlatTool(Wire):
    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class NamedTool(Wire):
    type: Literal["function"]
    name: Name


class Respond(Drawing):
    input: str | Annotated[list[Item], Field(min_length=1, max_length=10_000)]
    instructions: str | None = None
    max_output_tokens: int | None = Field(None, ge=1, le=2**31, description="Default: what fits.")
    top_logprobs: int | None = Field(None, ge=0, le=100)
    include: list[str] | None = Field(None, description="message.output_text.logprobs asks for those.")
    text: TextSettings | None = None
    tools: list[FlatTool] | None = Field(None, max_length=128)
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = None
    parallel_tool_calls: bool | None = None
    truncation: Literal["auto", "disabled"] | None = Field(None, description="auto: as overflow: slide.")
    metadata: dict[str, str] | None = None
    n: int | None = Field(None, ge=1, le=1, description="Only 1.")
    previous_response_id: None = Field(None, description="Nothing is kept here; send the earlier turns in input.")
    background: OnlyFalse | None = Field(None, description="Only false: an answer comes when it is asked for.")


class OutputText(TypedDict):
    type: Literal["output_text"]
    text: str
    annotations: list[Any]
    logprobs: list[TokenLogprob]


class OutputMessage(TypedDict):
    type: Literal["message"]
    id: str
    status: Literal["in_progress", "completed", "incomplete"]
    role: Literal["assistant"]
    content: list[OutputText]


class OutputCall(TypedDict):
    type: Literal["function_call"]
    id: str
    call_id: str
    name: str
    arguments: str
    status: Literal["in_progress", "completed"]


class InputTokens(TypedDict):
    cached_tokens: int


class OutputTokens(TypedDict):
    reasoning_tokens: int


class ResponseUsage(TypedDict):
    input_tokens: int
    input_tokens_details: InputTokens
    output_tokens: int
    output_tokens_details: OutputTokens
    total_tokens: int


class IncompleteDetails(TypedDict):
    reason: Literal["max_output_tokens"]


class Answer(TypedDict):
    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["in_progress", "completed", "incomplete"]
    error: None
    incomplete_details: IncompleteDetails | None
    instructions: str | None
    max_output_tokens: int | None
    metadata: dict[str, str]
    model: str
    output: list[OutputMessage | OutputCall]
    parallel_tool_calls: bool
    previous_response_id: None
    temperature: float
    text: dict[str, Any]
    tool_choice: Any
    tools: list[Any]
    top_p: float
    truncation: Literal["auto", "disabled"]
    usage: ResponseUsage | None


class StreamEvent(TypedDict):
    """What every event of a stream has; the rest is as its type says (OpenAI's response.* events)."""

    type: str
    sequence_number: int

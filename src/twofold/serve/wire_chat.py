"""/v1/chat/completions over the wire: what is asked, and what is answered."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from twofold.serve.wire import BuiltinTool, Drawing, FunctionTool, NamedFunction, ResponseFormat, Wire

__all__ = [
    "AnsweredCall", "AnsweredFunction", "AssistantMessage", "CalledFunction", "Chat", "ChatChoice", "ChatChunk",
    "ChatCompletion", "ChatLogprobs", "ChatMessage", "ChunkChoice", "Content", "Delta", "FinishReason", "Instruction",
    "PastCall", "PromptDetails", "Said", "Seconds", "TextPart", "TokenLogprob", "ToolMessage", "ToolStep", "TopLogprob",
    "Usage", "UserMessage",
]  # fmt: skip


class TextPart(Wire):
    type: Literal["text"]
    text: str


Content = str | list[TextPart]


class CalledFunction(Wire):
    name: str
    arguments: str


class PastCall(Wire):
    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class Instruction(Wire):
    role: Literal["system", "developer"]
    content: Content


class UserMessage(Wire):
    role: Literal["user"]
    content: Content
    name: str | None = None


class AssistantMessage(Wire):
    role: Literal["assistant"]
    content: Content | None = None
    tool_calls: list[PastCall] | None = None


class ToolMessage(Wire):
    role: Literal["tool"]
    content: Content
    tool_call_id: str


Said = Annotated[Instruction | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class Chat(Drawing):
    messages: list[Said] = Field(min_length=1, max_length=10_000)
    max_tokens: int | None = Field(None, ge=1, le=2**31, description="Older name of max_completion_tokens.")
    max_completion_tokens: int | None = Field(None, ge=1, le=2**31, description="Default: what fits.")
    logprobs: bool | None = None
    top_logprobs: int | None = Field(None, ge=0, le=100)
    tools: list[Annotated[FunctionTool | BuiltinTool, Field(discriminator="type")]] | None = Field(None, max_length=128)
    tool_choice: Literal["none", "auto", "required"] | NamedFunction | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    continue_final_message: bool | None = Field(
        None, description="The last message is the assistant's, and the answer goes on right after it. vLLM's name."
    )


class TopLogprob(TypedDict):
    token: str
    logprob: float
    bytes: list[int] | None


class TokenLogprob(TopLogprob):
    top_logprobs: list[TopLogprob]


class ChatLogprobs(TypedDict):
    content: list[TokenLogprob]
    refusal: None


class AnsweredFunction(TypedDict):
    name: str
    arguments: str


class AnsweredCall(TypedDict):
    id: str
    type: Literal["function"]
    function: AnsweredFunction
    index: NotRequired[int]


class ToolStep(TypedDict):
    """A call of one of the server's own tools, and its result; what is said after it is the answer."""

    name: str
    arguments: dict[str, Any]
    result: str
    failed: bool
    seconds: float


class ChatMessage(TypedDict):
    role: Literal["assistant"]
    content: str | None
    refusal: None
    tool_calls: NotRequired[list[AnsweredCall]]
    tool_steps: NotRequired[list[ToolStep]]


FinishReason = Literal["stop", "length", "tool_calls"]


class ChatChoice(TypedDict):
    index: int
    message: ChatMessage
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason


class PromptDetails(TypedDict):
    cached_tokens: int


class Seconds(TypedDict):
    waited: float
    prompt: float
    completion: float


class Usage(TypedDict):
    """`seconds` is ours: of waiting for a place, reading the prompt, and writing."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    seconds: Seconds


class ChatCompletion(TypedDict):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[ChatChoice]
    usage: Usage
    system_fingerprint: str


class Delta(TypedDict, total=False):
    role: Literal["assistant"]
    content: str
    tool_calls: list[AnsweredCall]
    tool_steps: list[ToolStep]


class ChunkChoice(TypedDict):
    index: int
    delta: Delta
    logprobs: ChatLogprobs | None
    finish_reason: FinishReason | None


class ChatChunk(TypedDict):
    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    system_fingerprint: str
    usage: NotRequired[Usage | None]

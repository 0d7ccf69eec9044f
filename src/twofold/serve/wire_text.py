"""Over the wire: completions, embeddings, models, and text to tokens and back."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from twofold.serve.wire import Drawing, Wire
from twofold.serve.wire_chat import Usage

__all__ = [
    "Completion", "CompletionAnswer", "CompletionChoice", "CompletionLogprobs", "Detokenize", "Detokenized", "Embed",
    "EmbeddingItem", "Embeddings", "EmbeddingsUsage", "ErrorBody", "ErrorDetail", "Health", "Id", "Ids", "ModelItem",
    "ModelList", "Nothing", "Prompts", "Tokenize", "Tokenized", "TokenizerInfo",
]  # fmt: skip

Id = Annotated[int, Field(ge=0, lt=2**31)]
Nothing = Annotated[str, Field(max_length=0)]
Ids = Annotated[list[Id], Field(min_length=1)]
Prompts = str | Ids | Annotated[list[str], Field(min_length=1, max_length=1024)] | Annotated[
    list[Ids], Field(min_length=1, max_length=1024)
]  # fmt: skip


class Completion(Drawing):
    prompt: Prompts = Field(description="Text, or ids; or a list of either. Names of special tokens in text are read.")
    max_tokens: int | None = Field(None, ge=0, le=2**31, description="Default 16. 0, with echo, scores the prompt.")
    logprobs: int | None = Field(None, ge=0, le=100, description="So many of the likeliest with each token.")
    echo: bool | None = Field(None, description="The prompt is part of the answer, with its logprobs if wanted.")
    suffix: Nothing | None = Field(None, description="No model here fills in; leave it out.")
    best_of: int | None = Field(None, ge=1, le=1, description="Only 1.")
    parse_special: bool | None = Field(None, description="false: names of special tokens are only text.")


class CompletionLogprobs(TypedDict):
    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] | None
    text_offset: list[int]


class CompletionChoice(TypedDict):
    index: int
    text: str
    logprobs: CompletionLogprobs | None
    finish_reason: Literal["stop", "length"] | None


class CompletionAnswer(TypedDict):
    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[CompletionChoice]
    system_fingerprint: str
    usage: NotRequired[Usage | None]


class Embed(Wire):
    model: str | None = None
    input: Prompts
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(None, ge=1, description="Only the model's own width.")


class EmbeddingItem(TypedDict):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingsUsage(TypedDict):
    prompt_tokens: int
    total_tokens: int


class Embeddings(TypedDict):
    object: Literal["list"]
    data: list[EmbeddingItem]
    model: str
    usage: EmbeddingsUsage


class ModelItem(TypedDict):
    """OpenAI's four fields, and what this server knows besides.

    `tools` are those of its own that the model was taught, `temperature` what its tokens are drawn at unless asked.
    """

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    context: int
    vocabulary: int
    parameters: int
    chat: bool
    tools: list[str]
    temperature: float


class ModelList(TypedDict):
    object: Literal["list"]
    data: list[ModelItem]


class Tokenize(Wire):
    model: str | None = None
    prompt: str
    add_special_tokens: bool | None = Field(None, description="Begin with bos where the model wants one; default true.")
    parse_special: bool | None = Field(None, description="false: names of special tokens are only text.")
    return_token_strs: bool | None = None


class Tokenized(TypedDict):
    count: int
    max_model_len: int
    tokens: list[int]
    token_strs: list[str] | None


class Detokenize(Wire):
    model: str | None = None
    tokens: list[Id]


class Detokenized(TypedDict):
    prompt: str


class TokenizerInfo(TypedDict):
    model: str
    tokenizer_class: str
    vocab_size: int
    model_max_length: int
    add_bos_token: bool
    bos_token: str | None
    eos_token: str | None
    pad_token: str | None
    unk_token: str | None
    chat_template: str | None


class Health(TypedDict):
    status: Literal["ok"]
    models: list[str]


class ErrorDetail(TypedDict):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(TypedDict):
    error: ErrorDetail

"""/openapi.json: what may be asked and what is answered, from the types that are used over the wire."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import TypeAdapter

from twofold import __version__
from twofold.serve import wire_chat, wire_responses, wire_text

__all__ = ["description"]

REFERENCE = "#/components/schemas/{model}"
ASKED = {"/v1/chat/completions": wire_chat.Chat, "/v1/completions": wire_text.Completion,
         "/v1/embeddings": wire_text.Embed, "/v1/responses": wire_responses.Respond, "/tokenize": wire_text.Tokenize,
         "/detokenize": wire_text.Detokenize}  # fmt: skip
ANSWERED: dict[str, Any] = {
    "/v1/models": wire_text.ModelList, "/v1/models/{name}": wire_text.ModelItem,
    "/v1/chat/completions": wire_chat.ChatCompletion, "/v1/completions": wire_text.CompletionAnswer,
    "/v1/embeddings": wire_text.Embeddings, "/v1/responses": wire_responses.Answer,
    "/tokenize": wire_text.Tokenized, "/detokenize": wire_text.Detokenized,
    "/tokenizer_info": wire_text.TokenizerInfo, "/health": wire_text.Health,
}  # fmt: skip
STREAMED: dict[str, Any] = {
    "/v1/chat/completions": wire_chat.ChatChunk, "/v1/completions": wire_text.CompletionAnswer,
    "/v1/responses": wire_responses.StreamEvent,
}  # fmt: skip
TOLD = {
    "/v1/models": "The models that are served.",
    "/v1/models/{name}": "One of them.",
    "/v1/chat/completions": "The assistant's next turn in a conversation.",
    "/v1/completions": "What a text goes on with; and, with echo and logprobs, how likely it is itself.",
    "/v1/responses": "The same, told in items. Nothing is kept: every call brings all of them.",
    "/v1/embeddings": "Texts as vectors of length 1.",
    "/tokenize": "A text's tokens.",
    "/detokenize": "The text of tokens.",
    "/tokenizer_info": "The tokenizer of a model: its special tokens, its chat template.",
    "/health": "Whether the server answers.",
}
WRONG = {
    "400": "Something in the request is wrong; the message says what.",
    "401": "The API key is missing or not right.",
    "403": "The Host or Origin is not one that may use this server.",
    "404": "There is no such model.",
    "405": "The path is asked with another method.",
    "408": "The request did not come to its end in time.",
    "413": "The request is too large.",
    "415": "The request is not JSON.",
    "429": "Too many answers are waited for; see Retry-After.",
    "500": "The server failed.",
    "503": "The server is closing.",
    "504": "The answer took too long.",
}


@cache
def description(*, key: bool = False) -> dict[str, Any]:
    """The OpenAPI 3.1 document; `key` says that the server was started with an API key."""
    names: list[tuple[str, Any, TypeAdapter[Any]]] = [("error", "serialization", TypeAdapter(wire_text.ErrorBody))]
    names += [(f"asked {path}", "validation", TypeAdapter(kind)) for path, kind in ASKED.items()]
    names += [(f"answered {path}", "serialization", TypeAdapter(kind)) for path, kind in ANSWERED.items()]
    names += [(f"streamed {path}", "serialization", TypeAdapter(kind)) for path, kind in STREAMED.items()]
    schemas, shared = TypeAdapter.json_schemas(names, ref_template=REFERENCE)
    of = {name: schema for (name, _), schema in schemas.items()}
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "twofold", "version": __version__, "description": "Language models on your own machine."},
        "paths": {path: _operation(path, of) for path in TOLD},
        "components": {"schemas": shared.get("$defs", {})},
    }
    document["paths"]["/metrics"] = {"get": {
        "summary": "Counts and times, for Prometheus.", "operationId": "metrics",
        "responses": {"200": {"description": "Text.", "content": {"text/plain": {"schema": {"type": "string"}}}},
                      **_wrong(of, ("401", "403"))},
    }}  # fmt: skip
    if key:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, item in document["paths"].items():
            if path != "/health":
                next(iter(item.values()))["security"] = [{"key": []}]
    return document


def _operation(path: str, of: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"application/json": {"schema": of[f"answered {path}"]}}
    if path in STREAMED:
        answer["text/event-stream"] = {"schema": _event(of[f"streamed {path}"], of["error"])}
    operation: dict[str, Any] = {
        "summary": TOLD[path], "operationId": path.strip("/").replace("/", "_").replace("{name}", "name"),
        "responses": {"200": {"description": "The answer.", "content": answer}, **_wrong(of, tuple(WRONG))},
    }  # fmt: skip
    if path in ASKED:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": of[f"asked {path}"]}}}
    if "{name}" in path:
        operation["parameters"] = [_parameter("name", "path")]
    if path == "/tokenizer_info":
        operation["parameters"] = [_parameter("model", "query")]
    return {"post" if path in ASKED else "get": operation}


def _event(data: Any, error: Any) -> dict[str, Any]:
    """One server-sent event: a part, or what went wrong, or, where OpenAI's protocol has it, the sign of the end."""
    held = {"type": "string", "contentMediaType": "application/json", "contentSchema": {"anyOf": [data, error]}}
    told = {"anyOf": [{"const": "[DONE]"}, held]}
    return {"type": "object", "properties": {"event": {"type": "string"}, "data": told}, "required": ["data"]}


def _parameter(name: str, place: str) -> dict[str, Any]:
    return {"name": name, "in": place, "required": place == "path", "schema": {"type": "string"},
            "description": "The name of a model, as in /v1/models."}  # fmt: skip


def _wrong(of: dict[str, Any], statuses: tuple[str, ...]) -> dict[str, Any]:
    content = {"application/json": {"schema": of["error"]}}
    return {status: {"description": WRONG[status], "content": content} for status in statuses}

"""What the server says of itself: its models, its health, its counts."""

from __future__ import annotations

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response

from twofold.serve.metrics import exposition
from twofold.serve.state import state_of
from twofold.serve.wire_text import Health, ModelList

__all__ = ["health", "metrics", "model", "models"]


async def models(http: HTTPRequest) -> Response:
    answer: ModelList = {"object": "list", "data": [served.about for served in state_of(http).shelf]}
    return JSONResponse(answer)


async def model(http: HTTPRequest) -> Response:
    return JSONResponse(state_of(http).shelf.find(http.path_params["name"]).about)


async def health(http: HTTPRequest) -> Response:
    answer: Health = {"status": "ok", "models": [served.name for served in state_of(http).shelf]}
    return JSONResponse(answer)


async def metrics(http: HTTPRequest) -> Response:
    state = state_of(http)
    return PlainTextResponse(exposition(state.meter, state.shelf), media_type="text/plain; version=0.0.4")

"""The application: which path is answered by what, and what every request passes on its way there.

    Log  ->  Guard (Host, Origin, key)  ->  the endpoint  ->  errors as OpenAI's clients know them
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from twofold.errors import TwofoldError
from twofold.serve import about, inside, labelling, learning, pages, reading, tokens
from twofold.serve.chat import chat_completions
from twofold.serve.completions import completions
from twofold.serve.embeddings import embeddings
from twofold.serve.guard import Guard
from twofold.serve.log import Log
from twofold.serve.openapi import description
from twofold.serve.problems import Problem, from_error
from twofold.serve.receiving import Gone
from twofold.serve.responses import responses
from twofold.serve.state import State, state_of

__all__ = ["application"]


async def _openapi(http: HTTPRequest) -> Response:
    state = state_of(http)
    return JSONResponse(description(key=state.settings.api_key is not None))


API = (
    Route("/v1/models", about.models, methods=["GET"]),
    Route("/v1/models/{name:path}", about.model, methods=["GET"]),
    Route("/v1/chat/completions", chat_completions, methods=["POST"]),
    Route("/v1/completions", completions, methods=["POST"]),
    Route("/v1/responses", responses, methods=["POST"]),
    Route("/v1/embeddings", embeddings, methods=["POST"]),
    Route("/tokenize", tokens.tokenize, methods=["POST"]),
    Route("/detokenize", tokens.detokenize, methods=["POST"]),
    Route("/tokenizer_info", tokens.tokenizer_info, methods=["GET"]),
    Route("/health", about.health, methods=["GET"]),
    Route("/metrics", about.metrics, methods=["GET"]),
    Route("/openapi.json", _openapi, methods=["GET"]),
)
DIGITS = (  # their page's own, which is why /openapi.json leaves them out
    Route("/digits/about", reading.about, methods=["GET"]),
    Route("/digits/network", reading.network, methods=["POST"]),
    Route("/digits/answer", reading.answer, methods=["POST"]),
    Route("/digits/own", learning.own, methods=["POST"]),
    Route("/digits/train", learning.train, methods=["POST"]),
    Route("/digits/landscape", learning.landscape, methods=["POST"]),
)
LABELS = (  # the same
    Route("/label/about", labelling.about, methods=["GET"]),
    Route("/label/next", labelling.sheet, methods=["POST"]),
    Route("/label/give", labelling.give, methods=["POST"]),
    Route("/label/back", labelling.take_back, methods=["POST"]),
    Route("/label/flag", labelling.flag, methods=["POST"]),
    Route("/label/counts", labelling.counts, methods=["POST"]),
)
INSIDE = (  # the same
    Route("/inside/about", inside.about, methods=["GET"]),
    Route("/inside/areas", inside.areas, methods=["GET"]),
    Route("/inside/seen", inside.seen, methods=["POST"]),
    Route("/inside/patterns", inside.patterns, methods=["POST"]),
    Route("/inside/lens", inside.lens, methods=["POST"]),
    Route("/inside/attribution", inside.attribution, methods=["POST"]),
    Route("/inside/meeting", inside.meeting, methods=["POST"]),
    Route("/inside/neurons", inside.most_active, methods=["POST"]),
    Route("/inside/exciting", inside.exciting, methods=["POST"]),
    Route("/inside/effects", inside.effects, methods=["POST"]),
    Route("/inside/near", inside.near, methods=["POST"]),
    Route("/inside/plane", inside.plane, methods=["POST"]),
    Route("/inside/analogous", inside.analogous, methods=["POST"]),
)
PAGES = (
    Route("/", pages.page, methods=["GET"]),
    Route("/pages/manifest.json", pages.manifest, methods=["GET"]),
    Route("/pages/{name:path}", pages.page, methods=["GET"]),
)


def application(state: State, *, quiet: bool = False, as_json: bool = False) -> Starlette:
    """The whole server as an ASGI application; when it is shut down its models finish what they have.

    Without a model it answers for the digits, for labels where there is a desk, and for its health only.
    """
    api = [*API, *INSIDE] if any(state.shelf) else [route for route in API if route.path in ("/health", "/metrics")]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(state.shelf.close, state.settings.closing_seconds)

    known = {route.path for route in (*api, *DIGITS, *LABELS, *PAGES) if "{" not in route.path}
    app = Starlette(
        routes=[*api, *DIGITS, *LABELS, *PAGES],
        middleware=[
            Middleware(Log, meter=state.meter, known=known, quiet=quiet, as_json=as_json),
            Middleware(Guard, settings=state.settings),
        ],
        exception_handlers={
            Problem: _tell, TwofoldError: _tell, Gone: _leave, HTTPException: _refuse, Exception: _tell,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.twofold = state
    return app


def _tell(http: HTTPRequest, error: Exception) -> Response:
    """What was not foreseen is told of only; uvicorn writes it to the log."""
    return from_error(error).response()


def _leave(http: HTTPRequest, error: Exception) -> Response:
    return Response(status_code=499)  # goes nowhere


def _refuse(http: HTTPRequest, error: Exception) -> Response:
    """Paths and methods that there are not."""
    assert isinstance(error, HTTPException)
    path, headers = http.url.path, error.headers
    if error.status_code == 405:
        allowed = (headers or {}).get("Allow", "another method")
        return Problem(405, f"{path} is asked with {allowed}, not {http.method}", headers=headers).response()
    if error.status_code == 404:
        where = "/openapi.json lists what there is" if any(state_of(http).shelf) else "this server has no model"
        return Problem(404, f"there is no {path!r:.80} here; {where}").response()
    return Problem(error.status_code, error.detail, headers=headers).response()

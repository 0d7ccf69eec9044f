"""/inside/…: what the page "Look inside" asks. Torch is imported when it asks, and not before."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from twofold.errors import require
from twofold.model.count import count
from twofold.serve.inside_models import MOST, steps_of
from twofold.serve.receiving import read
from twofold.serve.state import state_of
from twofold.serve.wire_inside import Analogy, Areas, Asked, Excited, Neuron, Pair, WhatThereIs, Word

__all__ = [
    "about", "analogous", "areas", "attribution", "effects", "exciting", "lens", "meeting", "most_active", "near",
    "patterns", "plane", "seen",
]  # fmt: skip

Kind = TypeVar("Kind", Asked, Word, Analogy)


async def about(http: HTTPRequest) -> Response:
    """Raises MissingExtra where there is no torch."""
    served = state_of(http).shelf.find(http.query_params.get("model"))
    views = await asyncio.to_thread(_views)
    steps, sources = await asyncio.to_thread(steps_of, served), await asyncio.to_thread(views.sources)
    answer: WhatThereIs = {"steps": steps, "context": served.engine.context,
                           "most": min(MOST, served.engine.context), "code": sources}  # fmt: skip
    return JSONResponse(answer)


async def areas(http: HTTPRequest) -> Response:
    served = state_of(http).shelf.find(http.query_params.get("model"))
    found = count(served.engine.config)
    answer: Areas = {"eight": found.eight, "rest": found.rest, "held": found.held, "tied": served.engine.config.tied}
    return JSONResponse(answer)


async def seen(http: HTTPRequest) -> Response:
    return JSONResponse(await _answer(http, Asked, "seen"))


async def patterns(http: HTTPRequest) -> Response:
    return Response(await _answer(http, Asked, "patterns"), media_type="application/octet-stream")


async def lens(http: HTTPRequest) -> Response:
    return JSONResponse(await _answer(http, Asked, "lens"))


async def attribution(http: HTTPRequest) -> Response:
    return JSONResponse(await _answer(http, Asked, "attribution"))


async def meeting(http: HTTPRequest) -> Response:
    return JSONResponse(await _answer(http, Pair, "meeting"))


async def effects(http: HTTPRequest) -> Response:
    return JSONResponse(await _answer(http, Asked, "effects"))


async def most_active(http: HTTPRequest) -> Response:
    return JSONResponse(await _answer(http, Neuron, "most_active"))


async def exciting(http: HTTPRequest) -> Response:
    return JSONResponse(await _answer(http, Excited, "exciting"))


async def near(http: HTTPRequest) -> Response:
    return JSONResponse(await _answer(http, Word, "near"))


async def plane(http: HTTPRequest) -> Response:
    return JSONResponse(await _answer(http, Asked, "plane"))


async def analogous(http: HTTPRequest) -> Response:
    return JSONResponse(await _answer(http, Analogy, "analogous"))


async def _answer(http: HTTPRequest, kind: type[Kind], view: str) -> Any:
    """What the view of that name shows of what is asked."""
    state = state_of(http)
    asked = await read(http, kind, state.settings)
    served = state.shelf.find(asked.model)
    show: Callable[..., Any] = getattr(await asyncio.to_thread(_views), view)
    return await asyncio.to_thread(show, state.inside, served, asked)


def _views() -> Any:
    require("torch", "train", "looking inside a model")
    from twofold.serve import inside_views

    return inside_views

"""/v1/embeddings: texts as vectors of length 1."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import numpy as np
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from twofold.serve.problems import Problem
from twofold.serve.receiving import read, while_there
from twofold.serve.shelf import Served
from twofold.serve.state import state_of
from twofold.serve.wire_text import Embed, EmbeddingItem, Embeddings

__all__ = ["embeddings"]


async def embeddings(http: HTTPRequest) -> Response:
    state = state_of(http)
    asked = await read(http, Embed, state.settings)
    served = state.shelf.find(asked.model)
    width = served.engine.config.d_model
    if asked.dimensions not in (None, width):
        raise Problem(400, f"the vectors of {served.name} have {width} dimensions, not {asked.dimensions}",
                      param="dimensions")  # fmt: skip
    texts = await asyncio.to_thread(_ids, asked, served)

    async def answer() -> Embeddings:
        data: list[EmbeddingItem] = []
        for index, ids in enumerate(texts):
            vector = await asyncio.to_thread(served.service.embed, ids)
            data.append({"object": "embedding", "index": index, "embedding": _packed(vector, asked.encoding_format)})
        read_tokens = sum(map(len, texts))
        usage: Any = {"prompt_tokens": read_tokens, "total_tokens": read_tokens}
        return {"object": "list", "data": data, "model": served.name, "usage": usage}

    return JSONResponse(await while_there(http.receive, answer()))


def _ids(asked: Embed, served: Served) -> list[list[int]]:
    given: Any = asked.input
    many = isinstance(given, list) and not isinstance(given[0], int)
    return [served.engine.prompt(one) if isinstance(one, str) else one for one in (given if many else [given])]


def _packed(vector: np.ndarray, form: str | None) -> list[float] | str:
    """As numbers, or as the base64 of little-endian float32, which OpenAI's own client asks for."""
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
    numbers: list[float] = vector.astype(np.float64).tolist()
    return numbers

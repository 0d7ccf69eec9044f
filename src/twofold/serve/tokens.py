"""/tokenize, /detokenize and /tokenizer_info, at the root and in the shape that lm-eval asks a server for."""

from __future__ import annotations

import asyncio

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from twofold.contracts import Tokenizer
from twofold.serve.asking import spelled
from twofold.serve.receiving import read
from twofold.serve.shelf import Served
from twofold.serve.state import state_of
from twofold.serve.wire_text import Detokenize, Detokenized, Tokenize, Tokenized, TokenizerInfo

__all__ = ["detokenize", "tokenize", "tokenizer_info"]


async def tokenize(http: HTTPRequest) -> Response:
    state = state_of(http)
    asked = await read(http, Tokenize, state.settings)
    return JSONResponse(await asyncio.to_thread(_tokenize, asked, state.shelf.find(asked.model)))


def _tokenize(asked: Tokenize, served: Served) -> Tokenized:
    engine, special = served.engine, asked.parse_special is not False
    ids = engine.tokenizer.encode(asked.prompt, parse_special=special)
    if asked.add_special_tokens is not False and engine.add_bos and engine.tokenizer.bos_id is not None:
        ids = [engine.tokenizer.bos_id, *ids]
    strings = [spelled(served, i)[0] for i in ids] if asked.return_token_strs else None
    return {"count": len(ids), "max_model_len": engine.context, "tokens": ids, "token_strs": strings}


async def detokenize(http: HTTPRequest) -> Response:
    state = state_of(http)
    asked = await read(http, Detokenize, state.settings)
    tokenizer = state.shelf.find(asked.model).engine.tokenizer
    answer: Detokenized = {"prompt": await asyncio.to_thread(tokenizer.decode, asked.tokens)}
    return JSONResponse(answer)


async def tokenizer_info(http: HTTPRequest) -> Response:
    served = state_of(http).shelf.find(http.query_params.get("model"))
    engine, tokenizer = served.engine, served.engine.tokenizer
    answer: TokenizerInfo = {
        "model": served.name, "tokenizer_class": type(tokenizer).__name__, "vocab_size": tokenizer.vocab_size,
        "model_max_length": engine.context, "add_bos_token": engine.add_bos,
        "bos_token": _name(tokenizer, tokenizer.bos_id), "eos_token": _name(tokenizer, tokenizer.eos_id),
        "pad_token": None, "unk_token": None, "chat_template": engine.chat_template,
    }  # fmt: skip
    return JSONResponse(answer)


def _name(tokenizer: Tokenizer, i: int | None) -> str | None:
    return None if i is None else tokenizer.decode([i])

"""`twofold serve`: models behind an HTTP API and a page in the browser, until Ctrl-C."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Annotated, get_args

import typer

from twofold.cli.options import ApiKey, AsJson
from twofold.cli.output import duration, note, print_json

__all__ = ["serve"]


def serve(
    models: Annotated[list[str], typer.Argument(
        metavar="MODEL...", help="Folders with parameters.gguf, .gguf files, or smollm2-135m; NAME=MODEL names one.")],
    host: Annotated[str, typer.Option(help="Where to listen; beyond this machine needs a key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes any that is free.", min=0, max=65535)] = 8080,
    api_key: ApiKey = None,
    slots: Annotated[int, typer.Option(help="Answers that one model writes at a time.", min=1)] = 16,
    waiting: Annotated[int, typer.Option(help="Answers that may wait for a slot; more are told to come back.")] = 64,
    remember: Annotated[int, typer.Option(
        metavar="MB", help="Memory for what a model has read, so that a conversation's next question is read alone.",
        min=0)] = 256,
    cache: Annotated[str | None, typer.Option(
        help="How keys and values are kept: float16, int8, float32; by default as suits the weights.")] = None,
    timeout: Annotated[float, typer.Option(help="Seconds that one request may take.", min=1)] = 600,
    allow_host: Annotated[list[str] | None, typer.Option(
        metavar="NAME", help="A name that this server goes by, as behind a proxy.")] = None,
    allow_origin: Annotated[list[str] | None, typer.Option(
        metavar="ORIGIN", help="A web page that may use it, such as https://example.org.")] = None,
    labels: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Where what people say of answers on the page is kept.")] = None,
    who: Annotated[str, typer.Option("--as", metavar="NAME", help="Who says it, unless the page tells.")] = "",
    backend: Annotated[str, typer.Option(help="native, numpy, torch, or auto.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="No line for each request.")] = False,
    as_json: AsJson = False,
) -> None:
    """Serve models to programs that speak OpenAI's protocol, and a chat page to browsers.

    \b
    twofold serve runs/mine
    twofold serve runs/mine small=other.gguf --port 8000
    twofold serve runs/mine --labels labels.jsonl
    TWOFOLD_API_KEY=secret twofold serve smollm2-135m --host 0.0.0.0

    It listens on this machine only, unless told otherwise. Lines about requests go to standard error. Ctrl-C takes no
    more requests and finishes those there are; a second one does not wait. With --json, one object says where it
    listens, and the lines are JSON too.
    """
    from twofold.engine.backend import CacheKind
    from twofold.engine.open import open_model
    from twofold.errors import ConfigError, require
    from twofold.serve.settings import Settings

    for package in ("pydantic", "starlette", "uvicorn"):
        require(package, "serve", "twofold serve")
    from twofold.cli.label import desk_for
    from twofold.engine.service import Service
    from twofold.serve import listen
    from twofold.serve.app import application
    from twofold.serve.shelf import Served, Shelf, named
    from twofold.serve.state import State

    settings = Settings(
        host=host, port=port, api_key=api_key, allowed_hosts=tuple(allow_host or ()), waiting=waiting,
        allowed_origins=tuple(allow_origin or ()), slots=slots, answer_seconds=timeout,
    )  # fmt: skip
    if cache not in (None, *get_args(CacheKind)):
        raise ConfigError(f"--cache {cache} is not one of {', '.join(get_args(CacheKind))}")
    desk = desk_for(labels, who) if labels else None
    listening = listen.bind(host, port)
    served = []
    for name, model in map(named, models):
        begun = time.perf_counter()
        engine = open_model(model, backend, tell=note)  # type: ignore[arg-type]
        service = Service(engine, slots=slots, cache_kind=cache, prefix_bytes=remember << 20)  # type: ignore[arg-type]
        served.append(Served(name, engine, service))
        print(f"{name}: open in {duration(time.perf_counter() - begun)}, context {engine.context}, "
              f"{engine.backend.name}", file=sys.stderr)  # fmt: skip
    shelf, address = Shelf(served), listen.url(listening, host)

    def ready() -> None:
        if as_json:
            print_json({"url": address, "api": f"{address}/v1", "models": [one.name for one in shelf],
                        "pid": os.getpid()})  # fmt: skip
        else:
            print(f"{address}/      the page\n{address}/v1    the API (OpenAI's); Ctrl-C stops")
        sys.stdout.flush()

    state = State(settings, shelf, desk=desk)
    app = application(state, quiet=quiet, as_json=as_json)
    listen.run(app, listening, settings, ready, state.exhibit.close)
    shelf.close(0)

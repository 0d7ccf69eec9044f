"""`twofold digits --serve`: the server without a model, for the page of the digits alone."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from twofold.errors import require

__all__ = ["listen"]


def listen(
    source: str, *, host: str, port: int, api_key: str | None = None, seed: int = 0, folder: Path | None = None,
    as_json: bool = False,
) -> None:  # fmt: skip
    """Serve until Ctrl-C. Networks that were saved in runs/ can be chosen on the page, and the one in `folder`.

    Raises MissingExtra, ConfigError for a host beyond this machine without a key, UserError for a port that is taken,
    SourceError or FileFormatError for the images.
    """
    for package in ("pydantic", "starlette", "uvicorn"):
        require(package, "serve", "twofold digits --serve")
    from twofold.serve.app import application
    from twofold.serve.exhibit import Exhibit
    from twofold.serve.listen import bind, run, url
    from twofold.serve.saved_networks import SavedNetworks
    from twofold.serve.settings import Settings
    from twofold.serve.shelf import Shelf
    from twofold.serve.state import State

    settings = Settings(host=host, port=port, api_key=api_key, closing_seconds=5)
    listening = bind(host, port)
    saved = SavedNetworks([Path("runs"), *([folder] if folder else [])])
    state = State(settings, Shelf([]), exhibit=Exhibit(source, seed, saved))
    state.exhibit.digits()  # what is wrong with the images is said now
    address = url(listening, host)

    def ready() -> None:
        told = json.dumps({"url": address, "pid": os.getpid()}) if as_json else f"{address}/      Ctrl-C stops"
        print(told)
        sys.stdout.flush()

    run(application(state, quiet=True, as_json=as_json), listening, settings, ready, state.exhibit.close)

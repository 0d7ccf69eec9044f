"""The pages: files of the package, as they are, which may ask nothing of any server but this one."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse, Response

from twofold.serve.problems import Problem
from twofold.serve.state import state_of

__all__ = ["manifest", "page"]

TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "json": "application/json",
         "svg": "image/svg+xml", "png": "image/png", "txt": "text/plain"}  # fmt: skip
CHAT = {"name": "chat", "title": "Chat", "module": "chat.js", "style": "chat.css"}
LABEL = {"name": "label", "title": "Label", "module": "label/label.js", "style": "label/label.css"}
INSIDE = {"name": "inside", "title": "Look inside", "module": "inside/inside.js", "style": "inside/inside.css"}
DIGITS = {"name": "digits", "title": "Digits", "module": "digits/digits.js", "style": "digits/digits.css"}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-cache",  # ask each time whether it is still the same
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}


async def manifest(http: HTTPRequest) -> Response:
    """The pages that there are, the first of them at /: to label on, where there is something to; to chat on, where
    there is a model, and with `labels` where what is said of its answers is kept; to look inside it; the digits."""
    state = state_of(http)
    label = [LABEL] if state.desk and state.desk.prompts else []
    chat = [{**CHAT, "labels": state.desk is not None}] if any(state.shelf) else []
    inside = [INSIDE] if any(state.shelf) else []
    return JSONResponse([*label, *chat, *inside, DIGITS], headers=HEADERS)


async def page(http: HTTPRequest) -> Response:
    """The file of that name, or, at the root, index.html. Raises Problem 404."""
    name = http.path_params.get("name", "index.html")
    file = _find(name)
    content = file.read_bytes()
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    if etag in (one.strip().removeprefix("W/") for one in http.headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers={**HEADERS, "ETag": etag})
    media_type = TYPES[name.rpartition(".")[2]]
    charset = "; charset=utf-8" if media_type.startswith("text/") else ""
    return Response(content, headers={**HEADERS, "ETag": etag, "Content-Type": media_type + charset})


def _find(name: str) -> Traversable:
    """Step by step from the folder of the pages, each step the name of something that is listed there."""
    place: Traversable = files("twofold.serve") / "pages"
    for step in name.split("/"):
        found = next((one for one in place.iterdir() if one.name == step), None) if place.is_dir() else None
        if found is None:
            break
        place = found
    else:
        if place.is_file() and name.rpartition(".")[2] in TYPES:
            return place
    raise Problem(404, f"there is no page {name!r:.80}; begin at /")

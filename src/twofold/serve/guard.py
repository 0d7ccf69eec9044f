"""Who may ask. Three questions, put to every request before anything else is done with it.

Host    A page on the web can give its own name our address (DNS rebinding) and then read what we answer. Its requests
        carry its name as Host, so only names that are ours are answered.
Origin  A page may send requests to any address, without being able to read the answers. They carry its Origin.
Key     Where there is one, all but the pages, the health and the description need it.
"""

from __future__ import annotations

import hmac
import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from twofold.serve.problems import Problem
from twofold.serve.settings import Settings, is_loopback

__all__ = ["Guard"]

GUARDED = ("/v1/", "/tokenize", "/detokenize", "/tokenizer_info", "/metrics", "/digits/", "/label/")


class Guard:
    """Answers what may not be asked, and the questions that browsers put before a request from an allowed origin."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self.local = is_loopback(settings.host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            self._check_host(headers)
            origin = self._check_origin(headers, scope["scheme"])
            if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
                await _preflight(headers)(scope, receive, _allowing(send, origin))
                return
            self._check_key(headers, scope["path"])
        except Problem as problem:
            await problem.response()(scope, receive, send)
            return
        await self.app(scope, receive, _allowing(send, origin))

    def _check_host(self, headers: Headers) -> None:
        host = _hostname(headers.get("host", ""))
        if host in ("localhost", _hostname(self.settings.host), *map(str.lower, self.settings.allowed_hosts)):
            return
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            address = None
        if address is None or (self.local and not address.is_loopback):
            raise Problem(
                403, f"this server does not go by the name {host!r}; if it should, start it with --allow-host {host}"
            )

    def _check_origin(self, headers: Headers, scheme: str) -> str | None:
        """The other origin that may read the answer, if it is one."""
        origin = headers.get("origin")
        if origin is None or origin == f"{scheme}://{headers.get('host')}":
            return None
        if origin in self.settings.allowed_origins:
            return origin
        raise Problem(
            403, f"pages of {origin} may not use this server; if they should, start it with --allow-origin {origin}"
        )

    def _check_key(self, headers: Headers, path: str) -> None:
        if self.settings.api_key is None or not path.startswith(GUARDED):
            return
        scheme, _, key = headers.get("authorization", "").partition(" ")
        given = key.strip() if scheme.lower() == "bearer" else ""
        if not hmac.compare_digest(given.encode(), self.settings.api_key.encode()):
            said = "this API key is not right" if given else "an API key is needed"
            raise Problem(
                401, f"{said}; send the header Authorization: Bearer KEY, the key that the server was started with",
                code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip


def _hostname(host: str) -> str:
    """The name in a Host header or an address: lower case, without port and brackets; "" where there is none."""
    host = host.strip().lower()
    if host.count(":") > 1 and not host.startswith("["):
        return host  # a bare IPv6 address
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _preflight(headers: Headers) -> Response:
    return Response(status_code=204, headers={
        "Access-Control-Allow-Methods": "GET, POST",
        "Access-Control-Allow-Headers": headers.get("access-control-request-headers", "Authorization, Content-Type"),
        "Access-Control-Max-Age": "600",
    })  # fmt: skip


def _allowing(send: Send, origin: str | None) -> Send:
    """`send`, with the header that lets an allowed origin read, and those that keep browsers from guessing."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Content-Type-Options"] = "nosniff"
            headers.append("Vary", "Origin")
            if origin is not None:
                headers["Access-Control-Allow-Origin"] = origin
        await send(message)

    return sending

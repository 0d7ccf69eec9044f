"""What a client is told when something is wrong: OpenAI's shape of an error, with the way out in its message.

    {"error": {"message": "…", "type": "invalid_request_error", "param": "temperature", "code": null}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError
from starlette.responses import JSONResponse

from twofold.errors import TwofoldError, UserError

__all__ = ["Problem", "from_error", "from_validation"]

KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
FORMS = {"str", "int", "float", "bool", "system", "developer", "user", "assistant", "tool"}  # of a value, tried
SHOWN = 3  # mistakes in one request that are told at a time


class Problem(Exception):
    """An answer that is an error. `status` is HTTP's; `code` is a word for programs."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = dict(headers or {})

    @property
    def body(self) -> dict[str, Any]:
        kind = KINDS.get(self.status, "invalid_request_error" if self.status < 500 else "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body, self.status, self.headers)


def from_error(error: Exception) -> Problem:
    """A user's mistake is the client's (400); all else is ours (500), and says no more than what it is."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, UserError):
        return Problem(400, str(error), code="context_length_exceeded" if "context" in str(error) else None)
    if isinstance(error, TwofoldError):
        return Problem(500, str(error))
    return Problem(500, f"the server failed ({type(error).__name__}); what happened is in its log")


def from_validation(error: ValidationError, kind: type[BaseModel]) -> Problem:
    """The mistakes nearest to what was meant: of the forms that a value may have, the one that it fits furthest."""
    mistakes = error.errors(include_url=False, include_context=False)
    if mistakes[0]["type"] == "json_invalid":
        return Problem(400, f"the body is not JSON: {mistakes[0]['msg'].removeprefix('Invalid JSON: ')}")
    deepest = max(len(one["loc"]) for one in mistakes)
    told = [one for one in mistakes if len(one["loc"]) == deepest][:SHOWN]
    said = "; ".join(f"{_place(one['loc']) or 'the body'}: {one['msg']}" for one in told)
    field = kind.model_fields.get(str(told[0]["loc"][0])) if told[0]["loc"] else None
    meant = f" ({field.description})" if field is not None and field.description else ""
    return Problem(400, said + meant, param=_place(told[0]["loc"]) or None)


def _place(loc: tuple[int | str, ...]) -> str:
    """messages[0].content, without the names of the forms that were tried."""
    place = ""
    for step in loc:
        if isinstance(step, int):
            place += f"[{step}]"
        elif step.isidentifier() and step not in FORMS and not step[0].isupper() and not place.endswith(f".{step}"):
            place += f".{step}" if place else step
    return place

"""Errors as problem details (RFC 9457): what was expected, what came, where. Nothing of the inside leaks."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from store.idempotency import ReusedKeyError
from vehicle.errors import ConflictError, NotFoundError, OdocareError

MEDIA_TYPE: Final = "application/problem+json"
_TITLES: Final = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    410: "Gone",
    413: "Too large",
    415: "Unsupported media type",
    422: "Not valid",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}
RETRY_S: Final = 2
"""What a client is asked to wait when the database does not answer."""


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """An answer that is an error; `name` is a fixed word that a program may compare with."""

    def __init__(
        self,
        status: int,
        name: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,  # noqa: ANN401 - extension members are any JSON
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail
        self.headers = dict(headers or {})
        self.members = members


def body(problem: Problem) -> dict[str, Any]:
    """The JSON object of RFC 9457, section 3."""
    return {
        "type": f"urn:odocare:problem:{problem.name}",
        "title": _TITLES.get(problem.status, "Error"),
        "status": problem.status,
        "detail": problem.detail,
        **problem.members,
    }


def respond(problem: Problem) -> Response:
    """The problem as a response."""
    return JSONResponse(
        body(problem), status_code=problem.status, headers=problem.headers, media_type=MEDIA_TYPE
    )


def from_validation(errors: Sequence[Any]) -> Problem:
    """A request that does not fit; the values sent are not repeated, for they may be secrets."""
    places = [
        {
            "pointer" if error["loc"][0] == "body" else "parameter": _place(error["loc"]),
            "detail": str(error["msg"]),
        }
        for error in errors
    ]
    if any(error["loc"][0] == "path" for error in errors):
        return Problem(404, "not-found", "there is nothing at this address")
    first = places[0]
    where = first.get("parameter") or first.get("pointer")
    return Problem(422, "not-valid", f"{where}: {first['detail']}", errors=places[:50])


def _place(loc: Sequence[str | int]) -> str:
    if loc[0] == "body":
        return "".join(f"/{part}" for part in loc[1:]) or "/"
    return ".".join(str(part) for part in loc[1:])


def from_error(error: OdocareError) -> Problem:
    """What this project refuses, as a problem."""
    match error:
        case NotFoundError():
            return Problem(404, "not-found", str(error))
        case ReusedKeyError():
            return Problem(422, "idempotency-key-reused", str(error))
        case ConflictError():
            return Problem(409, "conflict", str(error))
        case _:
            return Problem(400, "refused", str(error))


def from_http(error: HTTPException) -> Problem:
    """Routing errors: no such address, no such method."""
    details = {
        404: ("not-found", "there is nothing at this address"),
        405: ("method-not-allowed", "this address does not take that method"),
        413: ("too-large", str(error.detail)),
    }
    name, detail = details.get(error.status_code, ("http", str(error.detail)))
    return Problem(error.status_code, name, detail, headers=error.headers)


def internal() -> Problem:
    """What a client learns of a mistake of ours: that there was one."""
    return Problem(500, "internal", "something went wrong here; it has been logged")


def unavailable() -> Problem:
    """The database does not answer, or not in time."""
    return Problem(
        503,
        "database-unavailable",
        "the database does not answer; try again",
        headers={"Retry-After": str(RETRY_S)},
    )


def translate(error: Exception) -> Problem:
    """The problem of any error that a handler is registered for."""
    match error:
        case Problem():
            return error
        case RequestValidationError():
            return from_validation(error.errors())
        case HTTPException():
            return from_http(error)
        case OdocareError():
            return from_error(error)
        case psycopg.DataError():  # such as a zero byte in a text
            return Problem(400, "refused", "a value cannot be stored or compared")
        case psycopg.OperationalError():
            return unavailable()
        case _:
            return internal()


HANDLED: Final[tuple[type[Exception], ...]] = (
    Problem,
    RequestValidationError,
    HTTPException,
    OdocareError,
    psycopg.DataError,
    psycopg.OperationalError,
)


def install(app: FastAPI) -> None:
    """Answer every error with a problem; pages answer theirs with a page (see `pages.install_errors`)."""

    async def handle(request: Request, error: Exception) -> Response:
        problem = translate(error)
        wants_page = request.app.state.context.error_page
        return wants_page(request, problem) or respond(problem)

    for kind in HANDLED:
        app.add_exception_handler(kind, handle)

"""Browser sessions: a strict cookie, tokens against forged forms, and who may see pages."""

import hashlib
import hmac
import secrets
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.context import Shared, brief
from api.problems import Problem
from api.query import read_query
from store import sessions
from store.sessions import SESSION_LIFE, Visitor

COOKIE: Final = "odocare_session"
FORM_COOKIE: Final = "odocare_form"
"""A random value for the forms of people who are not signed in yet."""
_ASK_AGAIN: Final = (
    '<!doctype html><meta charset="utf-8"><title>odocare</title><meta http-equiv="refresh" content="0">'
)
"""A link from another site comes without the strict cookie; asked for again from here, it has it."""
_OWN: Final = frozenset({"same-origin", "none"})


class NotSignedInError(Exception):
    """A page was asked for without a session."""


class ElsewhereError(Exception):
    """The same page stands at another address."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.address = address


def set_cookie(request: Request, response: Response, name: str, value: str) -> None:
    """A cookie no script reads and no other site sends; over TLS it never leaves it."""
    response.set_cookie(
        name,
        value,
        max_age=int(SESSION_LIFE.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def form_token(secret: str) -> str:
    """What a form must send back: derived from a cookie that other sites cannot read or set."""
    return hashlib.sha256(f"form {secret}".encode()).hexdigest()


def new_secret() -> str:
    """A value for `FORM_COOKIE`."""
    return secrets.token_urlsafe(24)


def check_form(request: Request, cookie: str, token: str) -> None:
    """Raise a 403 `Problem` unless the form came from a page of ours."""
    secret = request.cookies.get(cookie, "")
    fits = hmac.compare_digest(form_token(secret).encode(), token.encode())
    if not secret or not fits or request.headers.get("sec-fetch-site", "none") not in _OWN:
        raise Problem(403, "forged-form", "this form did not come from a page of this site; load it again")


async def visitor(request: Request, shared: Shared) -> Visitor:
    """Who sits at the browser. Raises `NotSignedInError`."""
    token = request.cookies.get(COOKIE)
    if not token:
        raise NotSignedInError
    async with brief(shared) as conn:
        found = await sessions.visitor(conn, token, at=shared.options.now())
    if found is None:
        raise NotSignedInError
    return found


SignedIn = Annotated[Visitor, Depends(visitor)]


def local_path(text: str | None) -> str:
    """A path on this site to go on to; `/` for anything else, so that log-in redirects nowhere foreign."""
    if not text or not text.startswith("/") or text.startswith(("//", "/\\", "/login")):
        return "/"
    return text if text.isprintable() and "\\" not in text and len(text) <= 500 else "/"


def _go_to_login(request: Request, _error: Exception) -> Response:
    if request.headers.get("hx-request") == "true":
        return Response(status_code=401, headers={"HX-Redirect": "/login"})
    arrived = request.headers.get("sec-fetch-site", "none")
    if arrived not in _OWN:
        return HTMLResponse(_ASK_AGAIN)
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    shorter = read_query(request.query_params).without_vin()
    if shorter is not None:  # no VIN goes into one more address
        path = shorter.address(request.url.path)
    where = "" if path == "/" else f"?next={quote(path, safe='')}"
    return RedirectResponse(f"/login{where}", status_code=303)


def install(app: FastAPI) -> None:
    """Send who is not signed in to the log-in page, and who asks at the wrong address to the right one."""

    def go_there(_request: Request, error: Exception) -> Response:
        assert isinstance(error, ElsewhereError)
        return RedirectResponse(error.address, status_code=303)

    app.add_exception_handler(NotSignedInError, _go_to_login)
    app.add_exception_handler(ElsewhereError, go_there)

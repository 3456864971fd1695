"""Signing in with a one-time ticket or an access key that has the scope `pages`, and signing out."""

import time
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.auth import client_of, slow_down
from api.context import Context, Shared, brief
from api.session import (
    COOKIE,
    FORM_COOKIE,
    SignedIn,
    check_form,
    form_token,
    local_path,
    new_secret,
    set_cookie,
)
from store import audit, consumers, sessions
from store.consumers import Scope

router = APIRouter(include_in_schema=False)

_Short = Annotated[str, Form(max_length=500)]


def _page(request: Request, shared: Context, *, ticket: str, after: str, failed: bool = False) -> Response:
    secret = request.cookies.get(FORM_COOKIE) or new_secret()
    response = shared.languages.page(
        request,
        "login.html",
        status=401 if failed else 200,
        ticket=ticket,
        after=after,
        failed=failed,
        form=form_token(secret),
    )
    set_cookie(request, response, FORM_COOKIE, secret)
    return response


@router.get("/login")
async def show(
    request: Request,
    shared: Shared,
    ticket: Annotated[str, Query(max_length=200)] = "",
    next: Annotated[str, Query(max_length=500)] = "",  # noqa: A002 - the parameter's name in the address
) -> Response:
    """The form. A ticket is only used when the form is sent, so that a link's preview does not spend it."""
    return _page(request, shared, ticket=ticket, after=local_path(next))


@router.post("/login")
async def sign_in(
    request: Request,
    shared: Shared,
    form: _Short = "",
    ticket: _Short = "",
    key: _Short = "",
    after: _Short = "",
) -> Response:
    """Trade a ticket or a key for a session."""
    check_form(request, FORM_COOKIE, form)
    address, now_s = client_of(request), time.monotonic()
    wait_s = shared.refused.wait_s(address, now_s)
    if wait_s:
        raise slow_down(wait_s, "too many failed log-ins from this address")
    token = await _open(shared, ticket, key.strip())
    if token is None:
        shared.refused.take(address, now_s)
        shared.metrics.refused.labels("login").inc()
        return _page(request, shared, ticket="", after=local_path(after), failed=True)
    response = RedirectResponse(local_path(after), status_code=303)
    set_cookie(request, response, COOKIE, token)
    response.delete_cookie(FORM_COOKIE, path="/")
    return response


async def _open(shared: Context, ticket: str, key: str) -> str | None:
    """A session's token; None where neither ticket nor key is good."""
    now = shared.options.now()
    async with brief(shared) as conn:
        if ticket:
            token = await sessions.redeem(conn, ticket, at=now)
        else:
            parsed = consumers.parse_key(key)
            caller = await consumers.authenticate(conn, parsed, at=now) if parsed else None
            if caller is None or not caller.may(Scope.PAGES):
                return None
            token = await sessions.open_session(conn, caller.consumer_id, caller.key_id, at=now)
        found = await sessions.visitor(conn, token, at=now) if token else None
        if found is not None:
            await audit.append(conn, at=now, actor=found.name, action="session.open", purpose="sign-in")
    return token


@router.post("/logout")
async def sign_out(request: Request, shared: Shared, _visitor: SignedIn, form: _Short = "") -> Response:
    """End the session."""
    check_form(request, COOKIE, form)
    async with brief(shared) as conn:
        await sessions.close(conn, request.cookies[COOKIE], at=shared.options.now())
    response = RedirectResponse("/login", status_code=303)
    response.delete_cookie(COOKIE, path="/")
    return response

"""Access keys of programs: `Authorization: Bearer odo_<prefix>_<secret>`, with scopes and limits."""

import math
import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.context import Context, Shared, brief
from api.limits import origin
from api.problems import Problem
from store import consumers
from store.consumers import Caller, Key, Scope
from vehicle.trigger import Feed

REALM: Final = 'Bearer realm="odocare"'
_bearer: Final = HTTPBearer(
    auto_error=False, scheme_name="access key", description="`odocare key create` prints one, once."
)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def client_of(request: Request) -> str:
    """What the request's sender is counted by."""
    return origin(None if request.client is None else request.client.host)


def slow_down(seconds: float, what: str) -> Problem:
    """The answer to who asks too often."""
    wait_s = max(1, math.ceil(seconds))
    return Problem(429, "too-many-requests", f"{what}; wait {wait_s} s", headers={"Retry-After": str(wait_s)})


def _unknown(detail: str) -> Problem:
    challenge = f'{REALM}, error="invalid_token"'
    return Problem(401, "not-authenticated", detail, headers={"WWW-Authenticate": challenge})


async def _known_caller(shared: Context, request: Request, key: Key) -> Caller:
    """Look a key up. From an address that guesses, only keys that were good before reach the database."""
    address, now_s = client_of(request), time.monotonic()
    wait_s = shared.refused.wait_s(address, now_s)
    if wait_s and key.sha256 not in shared.known:
        raise slow_down(wait_s, "too many unknown keys from this address")
    async with brief(shared) as conn:
        caller = await consumers.authenticate(conn, key, at=shared.options.now())
    if caller is None:
        shared.refused.take(address, now_s)
        shared.metrics.refused.labels("key").inc()
        raise _unknown("this key is unknown, expired or revoked")
    shared.known.add(key.sha256)
    return caller


async def caller(request: Request, shared: Shared, credentials: Credentials) -> Caller:
    """Who asks. Raises a 401 or 429 `Problem`."""
    if credentials is None:
        raise Problem(
            401, "not-authenticated", "this address needs a key", headers={"WWW-Authenticate": REALM}
        )
    key = consumers.parse_key(credentials.credentials)
    if key is None:
        now_s = time.monotonic()
        wait_s = shared.refused.take(client_of(request), now_s)
        shared.metrics.refused.labels("key").inc()
        if wait_s:
            raise slow_down(wait_s, "too many unknown keys from this address")
        raise _unknown("a key looks like odo_<prefix>_<secret>")
    found = await _known_caller(shared, request, key)
    wait_s = shared.per_key.take(str(found.key_id), time.monotonic())
    if wait_s:
        raise slow_down(wait_s, "too many requests with this key")
    return found


AnyCaller = Annotated[Caller, Depends(caller)]


def allow(found: Caller, scope: Scope) -> None:
    """Raise a 403 `Problem` where the key lacks the scope."""
    if not found.may(scope):
        raise Problem(
            403,
            "scope-missing",
            f"this key lacks the scope {scope}",
            headers={"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'},
        )


def requires(scope: Scope) -> Callable[[Caller], Awaitable[Caller]]:
    """A dependency: the caller, who has this scope."""

    async def allowed(found: AnyCaller) -> Caller:
        allow(found, scope)
        return found

    return allowed


FEED_SCOPE: Final = {
    Feed.SERVICE: Scope.FEED_SERVICE,
    Feed.RECALL: Scope.FEED_RECALL,
    Feed.SALES: Scope.FEED_SALES,
}
"""What a key needs for a feed, and for acting on its triggers."""
Reader = Annotated[Caller, Depends(requires(Scope.READ))]
Reporter = Annotated[Caller, Depends(requires(Scope.OUTCOMES))]

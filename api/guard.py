"""The outermost layer: size limit, security headers, measurement, and the last net under mistakes."""

import time
from typing import Final

import structlog
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems
from api.metrics import Metrics
from api.problems import Problem

log = structlog.get_logger()

CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _TooLargeError(HTTPException):
    """The body is over the limit. FastAPI hides whatever else is raised while it reads a body."""

    def __init__(self, most_bytes: int) -> None:
        super().__init__(413, f"a request body has at most {most_bytes} bytes here")


class Guard:
    """Wraps the whole application (pure ASGI, so that answers stream through untouched)."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, body_bytes: int) -> None:
        self._app = app
        self._metrics = metrics
        self._body_bytes = body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; other scopes pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send, secure=scope["scheme"] == "https")
        started_s = time.perf_counter()
        try:
            await self._run(scope, receive, answer)
        finally:
            method = scope["method"] if scope["method"] in _METHODS else "OTHER"
            took_s = time.perf_counter() - started_s
            self._metrics.count(method, route_of(scope), answer.status, took_s)

    async def _run(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        read_bytes = 0

        async def measured() -> Message:
            nonlocal read_bytes
            message = await receive()
            read_bytes += len(message.get("body", b""))
            if read_bytes > self._body_bytes:
                raise _TooLargeError(self._body_bytes)
            return message

        try:
            if _announced_bytes(scope) > self._body_bytes:
                raise _TooLargeError(self._body_bytes)  # noqa: TRY301 - one place answers both ways
            await self._app(scope, measured, answer)
        except _TooLargeError as error:
            await self._tell(scope, receive, answer, problems.from_http(error))
        except Exception:
            log.exception("request failed", method=scope["method"], route=route_of(scope))
            await self._tell(scope, receive, answer, problems.internal())

    async def _tell(self, scope: Scope, receive: Receive, answer: "_Answer", problem: Problem) -> None:
        if not answer.started:
            await problems.respond(problem)(scope, receive, answer)


class _Answer:
    """The way out: adds the headers, remembers the status."""

    def __init__(self, send: Send, *, secure: bool) -> None:
        self._send = send
        self._secure = secure
        self.started = False
        self.status = 500

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
            if self._secure:
                headers["Strict-Transport-Security"] = "max-age=31536000"
        await self._send(message)


def route_of(scope: Scope) -> str:
    """The route's template, never the address itself: it may hold an id, and there are endlessly many."""
    route = scope.get("route")
    return str(getattr(route, "path", "unknown"))


def _announced_bytes(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() and len(value) < 20 else 2**63
    return 0

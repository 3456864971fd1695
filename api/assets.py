"""What the browser loads: our own files, and htmx and uPlot as set-up installed them; kept in memory."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final

import structlog
from fastapi import APIRouter, Request, Response

from api.problems import Problem

log = structlog.get_logger()
router = APIRouter(include_in_schema=False)

_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_INSTALLED: Final = {
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "uplot.js": "uplot/dist/uPlot.iife.min.js",
    "uplot.css": "uplot/dist/uPlot.min.css",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, ready to send."""

    body: bytes
    media_type: str
    digest: str


class Assets:
    """Every file by name. Without the installed ones the pages work, but filter and draw without script."""

    def __init__(self, installed: Path) -> None:
        self._assets: dict[str, Asset] = {}
        for entry in files("api").joinpath("static").iterdir():
            if Path(entry.name).suffix in _TYPES:
                self._add(entry.name, entry.read_bytes())
        for name, path in _INSTALLED.items():
            file = installed / path
            if file.is_file():
                self._add(name, file.read_bytes())
            else:
                log.warning("browser asset missing: run `make setup`", asset=name)

    def _add(self, name: str, body: bytes) -> None:
        digest = hashlib.sha256(body).hexdigest()[:16]
        self._assets[name] = Asset(body, _TYPES[Path(name).suffix], digest)

    def __contains__(self, name: str) -> bool:
        return name in self._assets

    def url(self, name: str) -> str:
        """Where a page finds a file; it changes with the content, so that browsers may keep it for ever."""
        asset = self._assets.get(name)
        return f"/static/{name}" + (f"?v={asset.digest}" if asset else "")

    def respond(self, request: Request, name: str) -> Response:
        """The file, or 304 where the browser has it."""
        asset = self._assets.get(name)
        if asset is None:
            raise Problem(404, "not-found", "there is nothing at this address")
        keep = "public, max-age=31536000, immutable" if request.url.query else "public, max-age=300"
        headers = {"ETag": f'"{asset.digest}"', "Cache-Control": keep}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        return Response(asset.body, media_type=asset.media_type, headers=headers)


@router.get("/static/{name}")
async def send(name: str, request: Request) -> Response:
    """One file; only the ones loaded at start exist."""
    found = request.app.state.assets
    assert isinstance(found, Assets)
    return found.respond(request, name)

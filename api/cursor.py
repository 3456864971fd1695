"""Cursors: a feed position as a short text that its reader must not look into.

18 bytes in base64url, hence 24 characters: version, feed, epoch, position, checksum. The checksum tells a
mistyped or invented cursor from a real one; it is no secret, for a cursor allows nothing that a key does not.
"""

import base64
import binascii
import hashlib
import struct
from typing import Final

from store.feed import Position
from vehicle.errors import OdocareError
from vehicle.trigger import Feed

_VERSION: Final = 1
_BODY: Final = struct.Struct(">BBIQ")
_CHECK_BYTES: Final = 4
_CHARS: Final = 24
_NUMBER: Final = {Feed.SERVICE: 1, Feed.RECALL: 2, Feed.SALES: 3}
_FEED: Final = {number: feed for feed, number in _NUMBER.items()}
_MOST: Final = 2**63 - 1  # what the store's bigint holds


class BadCursorError(OdocareError):
    """A text that is no cursor of the feed it was used on."""


def spell(position: Position) -> str:
    """A position as text."""
    body = _BODY.pack(_VERSION, _NUMBER[position.feed], position.epoch, position.position)
    return base64.urlsafe_b64encode(body + _check(body)).decode()


def parse(text: str, feed: Feed) -> Position:
    """Read a cursor of `feed`. Raises `BadCursorError` on what `spell` did not write for this feed."""
    if len(text) != _CHARS:
        raise BadCursorError(f"a cursor has {_CHARS} characters, got {len(text)}")
    if "+" in text or "/" in text:  # b64decode takes them beside their substitutes
        raise BadCursorError("a cursor has only A-Z a-z 0-9 - _")
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadCursorError("a cursor has only A-Z a-z 0-9 - _") from None
    body, check = raw[: _BODY.size], raw[_BODY.size :]
    if check != _check(body):
        raise BadCursorError("this cursor was never given out: its checksum does not fit")
    version, number, epoch, position = _BODY.unpack(body)
    if version != _VERSION or number not in _FEED or position > _MOST:
        raise BadCursorError(f"this cursor is of another version ({version}) of the feed")
    if _FEED[number] is not feed:
        raise BadCursorError(f"this cursor belongs to feed {_FEED[number]}, not {feed}")
    return Position(feed, epoch, position)


def _check(body: bytes) -> bytes:
    return hashlib.sha256(b"odocare cursor" + body).digest()[:_CHECK_BYTES]

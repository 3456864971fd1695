"""`/v1/feeds/{feed}/events`: what a CRM pulls. docs/feed.md tells how."""

import hashlib
import time
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Header, Query, Request, Response

from api import cursor
from api.auth import FEED_SCOPE, AnyCaller, allow, slow_down
from api.context import Context, Shared, brief
from api.cursor import BadCursorError
from api.problems import Problem
from store import feed as feeds
from store.consumers import Caller
from store.feed import ExpiredCursorError, FeedPage, Position
from vehicle.trigger import Feed, TriggerType

router = APIRouter(prefix="/v1/feeds", tags=["feeds"])

BATCH: Final = "application/cloudevents-batch+json"
MOST_WAIT_S: Final = 30
_LOOK_AGAIN_S: Final = 5.0
"""A waiting request looks this often whether its client is still there."""
_EXAMPLE: Final = [
    {
        "specversion": "1.0",
        "id": "0b1f6e0e-2f5c-5e0f-9a60-6f4f2a3e8d11.1",
        "source": "/feeds/service",
        "type": "odocare.trigger.opened",
        "subject": "0b1f6e0e-2f5c-5e0f-9a60-6f4f2a3e8d11",
        "time": "2026-11-21T06:00:00Z",
        "datacontenttype": "application/json",
        "cursor": "AQEAAAABAAAAAAAAAAE-2l1z",
        "data": {"trigger_id": "0b1f6e0e-2f5c-5e0f-9a60-6f4f2a3e8d11", "state": "new", "revision": 1},
    }
]


def _batch(page: FeedPage) -> bytes:
    """The events as a CloudEvents batch; each carries the cursor to go on from behind it."""
    events: list[dict[str, Any]] = [
        {
            **event.payload,
            "cursor": cursor.spell(Position(page.next.feed, page.next.epoch, event.position)),
        }
        for event in page.events
    ]
    return msgspec.json.encode(events)


def _start(after: str | None, feed: Feed) -> Position | None:
    if after is None or after == "":
        return None
    try:
        return cursor.parse(after, feed)
    except BadCursorError as error:
        raise Problem(400, "bad-cursor", str(error)) from error


@dataclass(frozen=True, slots=True)
class _Wish:
    """What one request wants of a feed."""

    feed: Feed
    limit: int
    types: frozenset[TriggerType] | None


async def _read(shared: Context, wish: _Wish, after: Position | None) -> FeedPage:
    try:
        async with brief(shared) as conn:
            return await feeds.read(conn, wish.feed, after, wish.limit, types=wish.types)
    except ExpiredCursorError as error:
        raise Problem(
            410,
            "expired-cursor",
            "this cursor is older than what is kept, or from before a restore; go on from earliest_cursor,"
            " and read the open triggers again (/v1/triggers?state=open)",
            earliest_cursor=cursor.spell(error.earliest),
        ) from error


async def _await_events(
    request: Request, shared: Context, wish: _Wish, page: FeedPage, wait_s: float
) -> FeedPage:
    """Read on from an empty page until something comes, the time is over or the client is gone."""
    ends_s = time.monotonic() + wait_s
    while not page.events:
        left_s = ends_s - time.monotonic()
        if left_s <= 0 or shared.watch.is_closed or await request.is_disconnected():
            break
        if await shared.watch.moved(wish.feed, page.next, within_s=min(left_s, _LOOK_AGAIN_S)):
            page = await _read(shared, wish, page.next)
    return page


async def _wait_in_turn(
    request: Request, shared: Context, caller: Caller, wish: _Wish, page: FeedPage, wait_s: float
) -> FeedPage:
    """As `_await_events`, as far as the limits on open long polls allow."""
    limits = shared.options.limits
    mine = shared.waits.get(caller.key_id, 0)
    if mine >= limits.waits_per_key or sum(shared.waits.values()) >= limits.waits:
        raise slow_down(1.0, "too many requests are waiting for events")
    shared.waits[caller.key_id] = mine + 1
    shared.metrics.waiting.inc()
    try:
        return await _await_events(request, shared, wish, page, wait_s)
    finally:
        shared.metrics.waiting.dec()
        shared.waits[caller.key_id] -= 1
        if not shared.waits[caller.key_id]:
            del shared.waits[caller.key_id]


@router.get(
    "/{feed}/events",
    response_class=Response,
    responses={
        200: {
            "description": "Events in order, as a CloudEvents batch; an empty batch is the end.",
            "content": {
                BATCH: {"schema": {"type": "array", "items": {"type": "object"}}, "example": _EXAMPLE}
            },
            "headers": {
                "Feed-Next-Cursor": {
                    "description": "Go on with this as `after`, also behind an empty batch.",
                    "schema": {"type": "string"},
                },
                "Feed-Lag-Seconds": {
                    "description": "Age of the oldest event not yet read; 0 at the end.",
                    "schema": {"type": "number"},
                },
                "ETag": {"schema": {"type": "string"}},
            },
        },
        304: {"description": "The batch is the one `If-None-Match` names."},
        400: {"description": "`bad-cursor`: never given out, or of another feed."},
        410: {"description": "`expired-cursor`, with `earliest_cursor`."},
    },
)
async def events(
    feed: Feed,
    request: Request,
    shared: Shared,
    caller: AnyCaller,
    after: Annotated[
        str | None,
        Query(max_length=200, description="A cursor from an earlier answer; absent: from the earliest kept."),
    ] = None,
    limit: Annotated[int, Query(ge=1, le=feeds.MOST, description="Events at most.")] = 100,
    wait: Annotated[
        int, Query(ge=0, le=MOST_WAIT_S, description="Seconds to wait for an event at the end of the feed.")
    ] = 0,
    type: Annotated[  # noqa: A002 - the parameter's name in the address
        list[TriggerType] | None, Query(max_length=20, description="Only triggers of these types.")
    ] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """Events of one feed behind a cursor, in an order that never changes. Each comes at least once."""
    allow(caller, FEED_SCOPE[feed])
    wish = _Wish(feed, limit, frozenset(type) if type else None)
    page = await _read(shared, wish, _start(after, feed))
    if not page.events and wait:
        page = await _wait_in_turn(request, shared, caller, wish, page, wait)
    body = _batch(page)
    spelled = cursor.spell(page.next)
    digest = hashlib.sha256(spelled.encode() + body).hexdigest()[:32]
    headers = {
        "Feed-Next-Cursor": spelled,
        "Feed-Lag-Seconds": f"{page.lag_s:.3f}",
        "ETag": f'"{digest}"',
        "Cache-Control": "no-cache, private",
    }
    if if_none_match == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=BATCH, headers=headers)

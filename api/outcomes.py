"""`POST /v1/outcomes`: what became of triggers."""

import hashlib
import json
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Body, Header, Response
from pydantic import BaseModel, ConfigDict, Field

from api.auth import FEED_SCOPE, Reporter
from api.context import Shared, brief
from api.problems import Problem
from store import feed as feeds
from store import idempotency
from store import outcomes as stored
from store.idempotency import Answer

router = APIRouter(prefix="/v1/outcomes", tags=["outcomes"])

MOST: Final = 200


class Outcomes(BaseModel):
    """Up to 200 outcomes; each is judged by itself, so a malformed one does not spoil its neighbours."""

    model_config = ConfigDict(extra="forbid")

    outcomes: list[dict[str, Any]] = Field(
        min_length=1,
        max_length=MOST,
        description="`trigger_id`, `state` and `happened_at` always; `repair_order` with `completed`,"
        " `reason` with `declined` and `suppressed`; docs/feed.md lists all fields.",
        examples=[
            [
                {
                    "trigger_id": "0b1f6e0e-2f5c-5e0f-9a60-6f4f2a3e8d11",
                    "state": "booked",
                    "happened_at": "2026-11-21T15:04:00+08:00",
                    "booked_for": "2026-11-25T09:00:00+08:00",
                }
            ]
        ],
    )


class Result(BaseModel):
    """What became of one report."""

    status: int = Field(
        description="200 stored or known already, 404 no such trigger in the key's feeds, 409 not possible in"
        " its state, 422 malformed"
    )
    trigger_id: str | None
    state: str | None = Field(description="The trigger's state after it.")
    revision: int | None
    detail: str


class Results(BaseModel):
    """A result per report, in their order."""

    results: list[Result]


IdempotencyKey = Annotated[
    str,
    Header(
        min_length=1,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
        description="Your own name of this request, kept for 72 hours: sent again, it is answered again and"
        " changes nothing.",
    ),
]


@router.post(
    "",
    response_model=Results,
    responses={422: {"description": "The body is malformed, or the key came before with another body."}},
)
async def report(
    body: Annotated[Outcomes, Body()], shared: Shared, caller: Reporter, idempotency_key: IdempotencyKey
) -> Response:
    """Move triggers through their life. Always 200 with a status per row."""
    now = shared.options.now()
    digest = _digest(body.outcomes)
    allowed = frozenset(feed for feed, scope in FEED_SCOPE.items() if caller.may(scope))
    async with brief(shared) as conn:
        async with conn.transaction():
            kept = await idempotency.claim(conn, caller.consumer_id, idempotency_key, digest, at=now)
            if kept is not None:
                return _respond(kept, replayed=True)
            results = await stored.report(conn, caller.consumer_id, body.outcomes, now=now, feeds=allowed)
            answer = Answer(200, msgspec.json.encode({"results": results}).decode())
            await idempotency.settle(conn, caller.consumer_id, idempotency_key, answer)
        await feeds.sequence(conn)
    return _respond(answer, replayed=False)


def _digest(outcomes: list[dict[str, Any]]) -> bytes:
    """What a body is known by, whatever text it holds: a bad row gets a status of its own."""
    try:
        canonical = json.dumps(outcomes, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    except (RecursionError, ValueError) as error:
        raise Problem(422, "not-valid", "outcomes are nested too deeply") from error
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).digest()


def _respond(answer: Answer, *, replayed: bool) -> Response:
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    return Response(answer.answer, status_code=answer.status, media_type="application/json", headers=headers)

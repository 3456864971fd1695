"""`/v1/rejects`: messages that were not accepted, with the reason; their bytes stay sealed."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from api.auth import Reader
from api.context import Conn
from api.schemas import RejectOut, RejectsOut
from store import reject_list
from store.reject_list import Wanted

router = APIRouter(prefix="/v1/rejects", tags=["ingest"])

Word = Annotated[str, Query(min_length=1, max_length=64, pattern=r"^[\w-]+$")]


@router.get("")
async def listing(
    conn: Conn,
    _caller: Reader,
    reason: Word | None = None,
    kind: Word | None = None,
    vehicle: Annotated[UUID | None, Query(description="A vehicle's id.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Arrived then or later.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Arrived before.")] = None,
    waiting: Annotated[bool, Query(description="Only what can be replayed and has not been.")] = False,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="`next` of the page before.")] = None,
) -> RejectsOut:
    """What was refused, newest first, and how many there are of each reason over all pages."""
    wanted = Wanted(reason=reason, kind=kind, vehicle=vehicle, since=since, until=until, is_waiting=waiting)
    found = await reject_list.page(conn, wanted, limit=limit, before=before)
    return RejectsOut(
        rejects=[RejectOut.model_validate(one) for one in found],
        counts=await reject_list.counts(conn, wanted),
        next=found[-1].id if len(found) == limit else None,
    )

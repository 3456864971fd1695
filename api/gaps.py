"""`/v1/gaps`: sequence numbers that vehicles passed over: messages that were lost, or came late."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from api.auth import Reader
from api.context import Conn
from api.schemas import GapOut, GapsOut, GapTotalsOut
from store import gap_list
from store.gap_list import Wanted

router = APIRouter(prefix="/v1/gaps", tags=["ingest"])


@router.get("")
async def listing(
    conn: Conn,
    _caller: Reader,
    vehicle: Annotated[UUID | None, Query(description="A vehicle's id.")] = None,
    since: Annotated[AwareDatetime | None, Query(description="Seen then or later.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Seen before.")] = None,
    open_only: Annotated[
        bool, Query(alias="open", description="Only what is missing still; false: also what came late.")
    ] = True,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="`next` of the page before.")] = None,
) -> GapsOut:
    """Gaps, newest first, and how many messages they are over all pages."""
    wanted = Wanted(vehicle=vehicle, since=since, until=until, is_open=open_only)
    found = await gap_list.page(conn, wanted, limit=limit, before=before)
    return GapsOut(
        gaps=[GapOut.model_validate(one) for one in found],
        totals=GapTotalsOut.model_validate(await gap_list.totals(conn, wanted)),
        next=found[-1].id if len(found) == limit else None,
    )

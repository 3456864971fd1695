"""`/v1/triggers`: the triggers themselves; how a CRM rebuilds after an expired cursor."""

from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Query

from api.auth import Reader
from api.context import Conn
from api.schemas import DueOut, TriggerOut, TriggersOut
from store import trigger_history as history
from store.consumers import Caller, Scope
from store.trigger_history import Trigger, Wanted
from vehicle.errors import NotFoundError
from vehicle.trigger import Feed, TriggerState, TriggerType

router = APIRouter(prefix="/v1/triggers", tags=["triggers"])

Code = Annotated[str, Query(max_length=64, pattern=r"^[^\x00-\x1f]*$")]
_SALES_ONLY: Final = {Scope.FEED_SALES}


def feeds_of(caller: Caller) -> tuple[str, ...]:
    """The feeds whose triggers a reader sees: sales only with the sales feed's scope."""
    return tuple(feed for feed in Feed if feed is not Feed.SALES or caller.may(Scope.FEED_SALES))


def shape(trigger: Trigger) -> TriggerOut:
    """A stored trigger as the API tells it."""
    due = DueOut(p10_on=trigger.due_p10_on, p50_on=trigger.due_p50_on, p90_on=trigger.due_p90_on)
    fields = {name: getattr(trigger, name) for name in TriggerOut.model_fields if name != "due"}
    return TriggerOut.model_validate({**fields, "due": due})


@router.get("")
async def listing(
    conn: Conn,
    caller: Reader,
    state: Annotated[
        Literal["open", "all"] | TriggerState,
        Query(description="`open`: every state that a trigger may still leave; or one state; or `all`."),
    ] = "open",
    dealer: Annotated[Code | None, Query(description="A dealer's code.")] = None,
    type: Annotated[TriggerType | None, Query()] = None,  # noqa: A002 - the parameter's name in the address
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    after: Annotated[UUID | None, Query(description="`next` of the page before.")] = None,
) -> TriggersOut:
    """Triggers in the order of their ids, which never changes: going on with `next` skips none."""
    wanted = Wanted(
        feeds=feeds_of(caller),
        after=after,
        is_open=state == "open",
        state=state if isinstance(state, TriggerState) else None,
        dealer=dealer or None,
        type=type,
    )
    found = await history.page(conn, wanted, limit=limit)
    return TriggersOut(
        triggers=[shape(trigger) for trigger in found], next=found[-1].id if len(found) == limit else None
    )


@router.get("/{trigger_id}")
async def one(trigger_id: UUID, conn: Conn, caller: Reader) -> TriggerOut:
    """One trigger with its evidence."""
    found = await history.one(conn, feeds_of(caller), trigger_id)
    if found is None:
        raise NotFoundError("trigger", trigger_id)
    return shape(found)

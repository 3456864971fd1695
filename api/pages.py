"""The lists: open jobs of today, what is expected in the next three months, and all vehicles."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from api import spreadsheet
from api.context import Conn, Context, Shared
from api.query import MOST_PAGES, PAGE, TYPES, WITHIN_D, Query, read_query
from api.session import COOKIE, ElsewhereError, SignedIn, form_token
from api.wording import ZONE
from store import audit, vehicle_list, worklist
from store.sessions import Visitor
from vehicle.trigger import Severity

router = APIRouter(include_in_schema=False)

_CSV_MOST: Final = 10_000
AHEAD_D: Final = 90


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A list that somebody asked for."""

    request: Request
    shared: Context
    visitor: Visitor
    query: Query
    now: datetime

    @property
    def today(self) -> date:
        """The pages' today."""
        return self.now.astimezone(ZONE).date()

    def page(self, template: str, total: int, **values: Any) -> Response:  # noqa: ANN401 - as the template names
        """The list in the reader's language; filters change the address without leaving empty ones in it."""
        is_swap = self.request.headers.get("hx-request") == "true"
        address = self.query.address(self.request.url.path)
        return self.shared.languages.page(
            self.request,
            template,
            headers={"HX-Push-Url": address} if is_swap else {},
            visitor=self.visitor,
            form=form_token(self.request.cookies[COOKIE]),
            query=self.query,
            total=total,
            pages=min(-(-total // PAGE), MOST_PAGES),
            first=self.query.offset + 1,
            today=self.today,
            now=self.now,
            **values,
        )


async def _list_request(request: Request, shared: Shared, visitor: SignedIn) -> ListRequest:
    query = read_query(request.query_params)
    shorter = query.without_vin()
    if shorter is not None:
        raise ElsewhereError(shorter.address(request.url.path))
    return ListRequest(request, shared, visitor, query, shared.options.now())


Asked = Annotated[ListRequest, Depends(_list_request)]


@router.get("/")
async def today_page(asked: Asked, conn: Conn) -> Response:
    """Open jobs, most severe first."""
    query = asked.query
    listed = await worklist.open_jobs(conn, query.filters, today=asked.today, limit=PAGE, offset=query.offset)
    return asked.page(
        "today.html",
        listed.counts.total,
        jobs=listed.jobs,
        counts=listed.counts,
        dealers=await worklist.dealers(conn),
        types=TYPES,
        severities=tuple(reversed(Severity)),
        within=WITHIN_D,
    )


@router.get("/upcoming")
async def upcoming_page(asked: Asked, conn: Conn) -> Response:
    """What the models expect within three months and no rule has made a job of yet."""
    filters, span = (
        asked.query.filters,
        {"today": asked.today, "until": asked.today + timedelta(days=AHEAD_D)},
    )
    return asked.page(
        "upcoming.html",
        await worklist.upcoming_count(conn, filters, **span),
        expected=await worklist.upcoming(conn, filters, **span, limit=PAGE, offset=asked.query.offset),
        dealers=await worklist.dealers(conn),
        counted_most=worklist.COUNTED_MOST,
    )


@router.get("/vehicles")
async def vehicles_page(asked: Asked, conn: Conn) -> Response:
    """Every vehicle, to find one by its plate or VIN tail, and to see which nobody registered."""
    query = asked.query
    wanted = vehicle_list.Wanted(query.filters.text, query.filters.dealer, query.unregistered)
    counts = await vehicle_list.counts(conn, wanted)
    return asked.page(
        "vehicles.html",
        counts.total,
        entries=await vehicle_list.page(conn, wanted, limit=PAGE, offset=query.offset),
        counts=counts,
        dealers=await worklist.dealers(conn),
    )


@router.get("/worklist.csv")
async def export(asked: Asked, conn: Conn) -> Response:
    """The filtered list as a table for a spreadsheet, without contacts; audited, for it is a bulk read."""
    listed = await worklist.open_jobs(conn, asked.query.filters, today=asked.today, limit=_CSV_MOST)
    await audit.append(
        conn,
        at=asked.now,
        actor=asked.visitor.name,
        action="worklist.export",
        purpose="advisor's list",
        detail={"rows": len(listed.jobs)},
    )
    return StreamingResponse(
        spreadsheet.lines(listed.jobs, asked.shared.languages.choose(asked.request)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="odocare-{asked.today.isoformat()}.csv"'},
    )

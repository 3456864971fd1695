"""The advisor's list: open jobs of today, and what is expected in the next three months."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from starlette.datastructures import QueryParams

from api.context import Conn, Context, Shared
from api.language import Language
from api.session import COOKIE, SignedIn, form_token
from api.wording import ZONE
from store import audit, vehicle_list, worklist
from store.worklist import Filters, Job
from vehicle.errors import DecodeError
from vehicle.trigger import Severity, TriggerType
from vehicle.vin import parse_vin, tail

router = APIRouter(include_in_schema=False)

PAGE: Final = 50
_MOST_PAGES: Final = 400
_CSV_MOST: Final = 10_000
AHEAD_D: Final = 90
WITHIN_D: Final = (7, 14, 30)
TYPES: Final = tuple(kind for kind in TriggerType if kind is not TriggerType.TRADE_IN)
"""What can be filtered by: the sales feed's triggers are not the workshop's business."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Query:
    """The filters of an address; what makes no sense there is left out rather than refused."""

    filters: Filters
    page: int
    unregistered: bool = False
    """Of the list of vehicles: only those that nobody registered."""

    def address(self, path: str = "/", **changes: str | int | None) -> str:
        """The shortest address of these filters, with some changed; a changed filter starts at page 1."""
        wanted: dict[str, str | int | None] = {
            "q": self.filters.text,
            "dealer": self.filters.dealer,
            "due": self.filters.within_d,
            "overdue": 1 if self.filters.overdue else None,
            "severity": self.filters.severity,
            "type": self.filters.type,
            "recall": 1 if self.filters.recall else None,
            "unregistered": 1 if self.unregistered else None,
            "page": self.page if not changes and self.page > 1 else None,
        }
        query = urlencode({name: value for name, value in {**wanted, **changes}.items() if value})
        return f"{path}?{query}" if query else path


def read_query(params: QueryParams) -> Query:
    """The filters in an address."""
    within, severity, kind = params.get("due", ""), params.get("severity", ""), params.get("type", "")
    page = params.get("page", "")
    filters = Filters(
        dealer=_plain(params.get("dealer", "")),
        within_d=int(within) if within in {str(days) for days in WITHIN_D} else None,
        overdue=params.get("overdue") == "1",
        severity=Severity(severity) if severity in set(Severity) else None,
        type=TriggerType(kind) if kind in set(TYPES) else None,
        recall=params.get("recall") == "1",
        text=_plain(params.get("q", "")),
    )
    number = int(page) if page.isascii() and page.isdecimal() and len(page) < 6 else 1
    return Query(filters, min(max(number, 1), _MOST_PAGES), params.get("unregistered") == "1")


def _plain(text: str) -> str | None:
    cleaned = "".join(char for char in text if char.isprintable()).strip()[:64]
    return cleaned or None


def _without_vin(query: Query) -> Query | None:
    """The same search by a VIN's last six characters, where somebody searched by a whole VIN."""
    try:
        vin = parse_vin(query.filters.text or "")
    except DecodeError:
        return None
    return replace(query, filters=replace(query.filters, text=tail(vin)))


def today_of(shared: Context) -> date:
    """The pages' today."""
    return shared.options.now().astimezone(ZONE).date()


def _headers(request: Request, address: str) -> dict[str, str]:
    """Filters change the address without leaving empty ones in it."""
    return {"HX-Push-Url": address} if request.headers.get("hx-request") == "true" else {}


@router.get("/")
async def today_page(request: Request, conn: Conn, shared: Shared, visitor: SignedIn) -> Response:
    """Open jobs, most severe first."""
    query = read_query(request.query_params)
    shorter = _without_vin(query)
    if shorter is not None:
        return RedirectResponse(shorter.address(), status_code=303)
    today = today_of(shared)
    listed = await worklist.open_jobs(
        conn, query.filters, today=today, limit=PAGE, offset=(query.page - 1) * PAGE
    )
    return shared.languages.page(
        request,
        "today.html",
        headers=_headers(request, query.address()),
        visitor=visitor,
        form=form_token(request.cookies[COOKIE]),
        query=query,
        jobs=listed.jobs,
        counts=listed.counts,
        pages=min(-(-listed.counts.total // PAGE), _MOST_PAGES),
        first=(query.page - 1) * PAGE + 1,
        dealers=await worklist.dealers(conn),
        types=TYPES,
        severities=tuple(reversed(Severity)),
        within=WITHIN_D,
        today=today,
        now=shared.options.now(),
    )


@router.get("/upcoming")
async def upcoming_page(request: Request, conn: Conn, shared: Shared, visitor: SignedIn) -> Response:
    """What the models expect within three months and no rule has made a job of yet."""
    query = read_query(request.query_params)
    shorter = _without_vin(query)
    if shorter is not None:
        return RedirectResponse(shorter.address("/upcoming"), status_code=303)
    today = today_of(shared)
    until = today + timedelta(days=AHEAD_D)
    expected = await worklist.upcoming(
        conn, query.filters, today=today, until=until, limit=PAGE, offset=(query.page - 1) * PAGE
    )
    total = await worklist.upcoming_count(conn, query.filters, today=today, until=until)
    return shared.languages.page(
        request,
        "upcoming.html",
        headers=_headers(request, query.address("/upcoming")),
        visitor=visitor,
        form=form_token(request.cookies[COOKIE]),
        query=query,
        expected=expected,
        total=total,
        pages=min(-(-total // PAGE), _MOST_PAGES),
        first=(query.page - 1) * PAGE + 1,
        dealers=await worklist.dealers(conn),
        counted_most=worklist.COUNTED_MOST,
        today=today,
        now=shared.options.now(),
    )


@router.get("/vehicles")
async def vehicles_page(request: Request, conn: Conn, shared: Shared, visitor: SignedIn) -> Response:
    """Every vehicle, to find one by its plate or VIN tail, and to see which nobody registered."""
    query = read_query(request.query_params)
    shorter = _without_vin(query)
    if shorter is not None:
        return RedirectResponse(shorter.address("/vehicles"), status_code=303)
    wanted = vehicle_list.Wanted(query.filters.text, query.filters.dealer, query.unregistered)
    counts = await vehicle_list.counts(conn, wanted)
    return shared.languages.page(
        request,
        "vehicles.html",
        headers=_headers(request, query.address("/vehicles")),
        visitor=visitor,
        form=form_token(request.cookies[COOKIE]),
        query=query,
        entries=await vehicle_list.page(conn, wanted, limit=PAGE, offset=(query.page - 1) * PAGE),
        counts=counts,
        pages=min(-(-counts.total // PAGE), _MOST_PAGES),
        first=(query.page - 1) * PAGE + 1,
        dealers=await worklist.dealers(conn),
        now=shared.options.now(),
    )


@router.get("/worklist.csv")
async def export(request: Request, conn: Conn, shared: Shared, visitor: SignedIn) -> Response:
    """The filtered list as a table for a spreadsheet, without contacts; audited, for it is a bulk read."""
    query = read_query(request.query_params)
    today = today_of(shared)
    jobs = (await worklist.open_jobs(conn, query.filters, today=today, limit=_CSV_MOST)).jobs
    await audit.append(
        conn,
        at=shared.options.now(),
        actor=visitor.name,
        action="worklist.export",
        purpose="advisor's list",
        detail={"rows": len(jobs)},
    )
    lines = _csv(jobs, shared.languages.choose(request))
    return StreamingResponse(
        lines,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="odocare-{today.isoformat()}.csv"'},
    )


def _csv(jobs: Sequence[Job], language: Language) -> Iterator[str]:
    _ = language.wording.translate
    yield "\ufeff"  # spreadsheets take it for UTF-8 only with this
    yield _line(
        [
            _("Severity"),
            _("Type"),
            _("Job"),
            _("Model"),
            _("Plate ends in"),
            _("VIN ends in"),
            _("Due from"),
            _("Likely"),
            _("Due until"),
            _("Overdue"),
            _("Why"),
            _("Dealer"),
            _("State"),
            _("Last seen"),
            _("Vehicle"),
        ]
    )
    for job in jobs:
        yield _line(
            [
                language.labels.severity(job.severity),
                language.labels.type(job.type),
                language.of(job.item_zh, job.item_en) or language.labels.job(job.job),
                job.model,
                plate_tail(job.plate),
                job.vin_tail,
                job.due_p10_on,
                job.due_p50_on,
                job.due_p90_on,
                _("yes") if job.is_overdue else "",
                language.of(job.words_zh, job.words_en),
                language.of(job.dealer_zh, job.dealer_en),
                language.labels.state(job.state),
                None if job.seen_at is None else language.wording.moment(job.seen_at),
                f"/vehicles/{job.vehicle}",
            ]
        )


def _line(cells: Sequence[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([_cell(cell) for cell in cells])
    return out.getvalue()


def _cell(cell: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text


def plate_tail(plate: str | None) -> str | None:
    """The end of a number plate: enough to find the car in the yard, too little to look its owner up."""
    return None if not plate else plate[-4:]

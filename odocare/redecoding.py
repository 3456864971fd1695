"""Decoding stored frames again: vehicle by vehicle and day by day, each day in a transaction of its own.

The difference is found the same way whether it is only told or applied. A run that ends early leaves every
vehicle-day wholly old or wholly new, and another run goes on behind it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from psycopg import errors

from decoders.codebook import Codebook
from ingest.lexicon import Lexicon
from odocare import redecode_day
from odocare.redecode_day import Again, Found
from odocare.redecode_report import RedecodeReport
from store import audit, codebooks, redecode, vehicles
from store.pool import Connection
from store.redecode import Choice, Chosen, Scope, StoredVersion
from vehicle.errors import ConflictError, NotFoundError
from vehicle.vin import parse_vin

_MOST_TRIES: Final = 5
"""Of a vehicle's day that gets in the way of others: invented."""
_ZONES: Final = timedelta(hours=26)
"""No zone's day begins or ends further than this from UTC's."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is wanted."""

    codebook: Codebook
    from_version: str | None
    """Only what this version decoded, given by the beginning of its hash; None: every other version."""
    choice: Choice
    since: date
    """First local day."""
    until: date
    """Last local day."""
    apply: bool
    actor: str
    purpose: str

    @property
    def days(self) -> list[date]:
        """All of them, in order."""
        return [self.since + timedelta(days=n) for n in range((self.until - self.since).days + 1)]


async def run(
    conn: Connection,
    job: Job,
    lexicon: Lexicon,
    *,
    now: datetime,
    begin: Callable[[int], None] = lambda _total: None,
    advance: Callable[[int], None] = lambda _done: None,
) -> RedecodeReport:
    """Decode again and tell the difference; with `job.apply` make it so. `conn` is in autocommit mode.

    `begin` hears of the number of vehicle-days to come, `advance` of those done. What is done stays done when
    a run ends early; another run goes on behind it. Raises `NotFoundError` for a version that was never
    here, `ConflictError` where another run is at work.
    """
    stored = await redecode.versions(conn, job.codebook.name)
    versions = _versions(stored, job)
    report = RedecodeReport(
        codebook=job.codebook.name,
        to_version=job.codebook.version,
        from_versions=tuple(one.version for one in versions),
        since=job.since,
        until=job.until,
        applied=job.apply,
    )
    books = tuple(one.id for one in versions)
    if not job.apply:
        await _Run(conn, job, Again(job.codebook, lexicon, books, None, now), report).vehicles(begin, advance)
        return report
    await redecode.lock(conn)
    try:
        key = (job.codebook.name, job.codebook.version)
        book = (await codebooks.ids(conn, [key]))[key]
        await _Run(conn, job, Again(job.codebook, lexicon, books, book, now), report).vehicles(begin, advance)
    finally:
        if not conn.closed:
            await redecode.unlock(conn)
    return report


async def choice(conn: Connection, vins: Sequence[str] | None, model: str | None) -> Choice:
    """Which vehicles are meant; all, where neither is given. Raises `NotFoundError`, `DecodeError`."""
    if vins:
        wanted = tuple(parse_vin(one) for one in vins)
        known = await vehicles.known(conn, wanted)
        for one in wanted:
            if one not in known:
                raise NotFoundError("vehicle", one)
        return Choice(vins=wanted)
    if model is not None and not await vehicles.has_model(conn, model):
        raise NotFoundError("model", model)
    return Choice(model=model)


def _versions(stored: Sequence[StoredVersion], job: Job) -> list[StoredVersion]:
    if job.from_version is None:
        return [one for one in stored if one.version != job.codebook.version]
    found = [one for one in stored if one.version.startswith(job.from_version.lower())]
    if not found:
        raise NotFoundError(f"version of codebook {job.codebook.name}", job.from_version)
    if len(found) > 1:
        hashes = ", ".join(one.version[:12] for one in found)
        raise ConflictError(f"--from-version {job.from_version} fits {len(found)} versions: {hashes}")
    return found


class _Run:
    """One run over vehicles and days."""

    def __init__(self, conn: Connection, job: Job, again: Again, report: RedecodeReport) -> None:
        self._conn = conn
        self._job = job
        self._again = again
        self._lexicon = again.lexicon
        self._report = report
        self._days = job.days

    async def vehicles(self, begin: Callable[[int], None], advance: Callable[[int], None]) -> None:
        """All vehicles that have something."""
        midnight = datetime.combine(self._job.since, time.min, UTC)
        after = midnight + timedelta(days=len(self._days))
        scope = Scope(self._job.choice, midnight - _ZONES, after + _ZONES, self._again.books)
        begin(await redecode.count(self._conn, scope) * len(self._days))
        async for one in redecode.chosen(self._conn, scope):
            await self._vehicle(one, advance)

    async def _vehicle(self, one: Chosen, advance: Callable[[int], None]) -> None:
        zone = self._lexicon.zone(one.vehicle.tz)
        ends = [*self._days, self._days[-1] + timedelta(days=1)]
        bounds = [datetime.combine(day, time.min, zone) for day in ends]
        counts = await redecode.days(self._conn, one.vehicle.id, self._days, bounds, self._again.books)
        waiting_n = 0
        for count in counts:
            self._report.gone(count.day, count.gone_n)
            if count.waiting_n:
                place = self._days.index(count.day)
                self._report.add(await self._surely(one, count.day, bounds[place], bounds[place + 1]))
                waiting_n += 1
                advance(1)
        self._report.vehicles_n += waiting_n > 0
        advance(len(self._days) - waiting_n)

    async def _surely(self, one: Chosen, on: date, since: datetime, until: datetime) -> Found:
        """A day, tried again where it and others wait for each other crosswise."""
        tries = 1
        while True:
            try:
                return await self._day(one, on, since, until)
            except (errors.DeadlockDetected, errors.SerializationFailure):
                if tries == _MOST_TRIES:
                    raise
                tries += 1

    async def _day(self, one: Chosen, on: date, since: datetime, until: datetime) -> Found:
        async with self._conn.transaction():
            found = await redecode_day.decode_day(self._conn, one.vehicle, since, until, self._again)
            if self._job.apply and found.messages_n:
                await self._record(one, on, found)
        return found

    async def _record(self, one: Chosen, on: date, found: Found) -> None:
        """Last in the transaction: writers of the audit wait for each other."""
        await audit.append(
            self._conn,
            at=self._again.now,
            actor=self._job.actor,
            action="redecode",
            purpose=self._job.purpose,
            subject=one.public_id,
            detail={
                "day": on.isoformat(),
                "codebook": self._job.codebook.name,
                "to_version": self._job.codebook.version,
                "from_versions": " ".join(self._report.from_versions),
                "messages": found.messages_n,
                "changed_messages": found.changed_n,
                "hidden_frames": found.hidden_n,
            },
        )

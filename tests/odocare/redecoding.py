"""What the tests of decoding again share: a codebook in two contents, and frames of it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from decoders import codebook
from decoders.codebook import Codebook, Codebooks
from ingest import pipeline
from ingest.delivery import Delivery
from ingest.lexicon import Lexicon
from ingest.pipeline import Line
from odocare import redecoding, wiring
from odocare.redecode_report import RedecodeReport
from odocare.redecoding import Job
from store.pool import Connection
from store.redecode import Choice
from store.sealed import Seal
from tests.ingest.senders import T0_US, can, contents, deliver
from vehicle.vin import Vin

NAME: Final = "city"
SECOND_US: Final = 1_000_000
HOUR_US: Final = 3600 * SECOND_US
NOW: Final = datetime(2025, 10, 20, tzinfo=UTC)
FIRST, LAST = date(2025, 10, 1), date(2025, 10, 19)
ODOMETER, AMBIENT, CRANKING = (
    "Vehicle.TraveledDistance",
    "Vehicle.Exterior.AirTemperature",
    "Vehicle.X-Odo.LowVoltageBattery.CrankingVoltage",
)
_DBC: Final = """VERSION "{version}"
BS_:
BU_: CLUSTER
BO_ 992 ODOMETER: 8 CLUSTER
 SG_ Odometer : 7|32@0+ ({km_per_bit},0) [0|9999999] "km" Vector__XXX
BO_ 1066 AMBIENT: 2 CLUSTER
 SG_ AmbientTemperature : 0|10@1- (0.25,0) [-60|80] "degC" Vector__XXX
BO_ 1010 BATTERY_12V: 6 CLUSTER
 SG_ CrankingVoltage : {cranking_bit}|12@1+ (0.01,0) [3|16] "V" Vector__XXX
BO_ 256 PLACE: 8 CLUSTER
 SG_ Lat : 0|32@1- (1E-006,0) [-90|90] "deg" Vector__XXX
"""
_MAP: Final = """
[codebook]
name = "city"
bus = "can"
version = "1"
origin = "test"
"""
_PATHS: Final = {
    "Odometer": ("ODOMETER", ODOMETER, "km"),
    "AmbientTemperature": ("AMBIENT", AMBIENT, "celsius"),
    "CrankingVoltage": ("BATTERY_12V", CRANKING, "V"),
    "Lat": ("PLACE", "Vehicle.CurrentLocation.Latitude", "degrees"),
}
MAPPED: Final = ("Odometer", "AmbientTemperature", "CrankingVoltage")


def content(
    km_per_bit: float = 0.1, cranking_bit: int = 24, mapped: Sequence[str] = MAPPED, version: str = "1"
) -> Codebook:
    """A content of the codebook; the default one is right."""
    text = _DBC.format(km_per_bit=km_per_bit, cranking_bit=cranking_bit, version=version)
    maps = "".join(
        f'[[map]]\nmessage = "{_PATHS[name][0]}"\nsignal = "{name}"\n'
        f'path = "{_PATHS[name][1]}"\nunit = "{_PATHS[name][2]}"\n'
        for name in mapped
    )
    return codebook.load(NAME, {"city.dbc": text}, _MAP + maps, wiring.catalogue())


def line(*books: Codebook) -> Line:
    """Ingest that knows these codebooks."""
    known = Codebooks({book.name: book for book in books})
    return Line(Lexicon.of(wiring.catalogue(), known, wiring.dtc_table()), Seal(bytes(range(32))))


def shown(at_us: int, km: float) -> tuple[int, int, bytes]:
    """The odometer, 0.1 km per bit."""
    return (at_us, 992, round(km * 10).to_bytes(4, "big") + bytes(4))


def outside(at_us: int, degc: float) -> tuple[int, int, bytes]:
    return (at_us, 1066, (round(degc * 4) & 0x3FF).to_bytes(2, "little"))


def cranked(at_us: int, volt: float) -> tuple[int, int, bytes]:
    """Cranking voltage at bit 24, another value at bit 12."""
    return (at_us, 1010, (round(volt * 100) << 24 | 1250 << 12).to_bytes(6, "little"))


def place(at_us: int, degrees: float) -> tuple[int, int, bytes]:
    return (at_us, 256, round(degrees * 1e6).to_bytes(4, "little") + bytes(4))


def drive(of: Vin, seq: int, *, day: int = 0, hour: int = 0, km: float = 1000.0) -> Delivery:
    """A message of twenty seconds; day 0, hour 0 is 2025-10-09 16:53:20 in Shanghai."""
    frames = [cranked(0, 9.0 + seq % 5 / 10)]
    for second in range(20):
        frames += [shown(second * SECOND_US, km + second / 10), outside(second * SECOND_US, 20.0 + seq % 7)]
    return deliver(can(of, seq, frames, t0_us=T0_US + (24 * day + hour) * HOUR_US, codebook=NAME))


async def store(conn: Connection, deliveries: Sequence[Delivery], by: Line) -> None:
    """Through the corridor, all of them new."""
    while deliveries:
        tally, taken = await pipeline.store(conn, deliveries, by)
        assert tally.stored == taken
        deliveries = deliveries[taken:]


async def again(
    conn: Connection,
    book: Codebook,
    *,
    apply: bool = True,
    from_version: str | None = None,
    choice: Choice = Choice(),  # noqa: B008  # frozen
    since: date = FIRST,
    until: date = LAST,
) -> RedecodeReport:
    """One run, as the command starts it."""
    job = Job(book, from_version, choice, since, until, apply=apply, actor="test", purpose="test")
    return await redecoding.run(conn, job, line(book).lexicon, now=NOW)


async def empty(conn: Connection) -> None:
    """Forget all messages and what came out of them."""
    await conn.execute(
        "truncate message, segment, raw_frame, latest, vehicle_day, odometer_day, touched, codebook"
    )


DERIVED: Final = ("segment", "raw_frame", "latest", "vehicle_day", "odometer_day")


async def derived(conn: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """What the store holds of values, and of which content they are."""
    found = await contents(conn, *DERIVED)
    versions = "select distinct c.version from {} s join codebook c on c.id = s.codebook_id order by 1"
    for table in ("segment", "raw_frame"):
        cur = await conn.execute(versions.format(table).encode())
        found[f"{table} versions"] = await cur.fetchall()
    return found

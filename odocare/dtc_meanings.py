"""The fault codes that are in force: what ships with this version, and what makers said laid over it."""

import time
from typing import Final

import psycopg
import structlog

import dbc
from store import dtc_meanings
from store.pool import Connection
from vehicle import dtc_csv
from vehicle.dtc_table import DtcTable

log = structlog.get_logger(__name__)

_PAUSE_S: Final = 2.0


def shipped() -> DtcTable:
    """What ships with this version."""
    return DtcTable.from_toml(dbc.read("dtc.toml"), where="dbc/dtc.toml")


def table(database_url: str) -> DtcTable:
    """Read once, when a process starts. Raises what psycopg raises."""
    records = dtc_meanings.read_at_start(database_url)
    return dtc_csv.laid_over(shipped(), [record.cells for record in records])


def table_when_there(database_url: str) -> DtcTable:
    """The same for whoever waits for a database that is away."""
    while True:
        try:
            return table(database_url)
        except psycopg.OperationalError as error:
            log.warning("waiting for the database", error=type(error).__name__, again_in_s=_PAUSE_S)
            time.sleep(_PAUSE_S)


async def rate_anew(conn: Connection) -> int:
    """Give open faults the severity and family that are in force now; how many vehicles are touched by it."""
    rated = await dtc_meanings.rated(conn)
    if not rated:
        return 0
    codes = {spelling for dtc, _, _ in rated for spelling in dtc_csv.spellings(dtc)}
    records = await dtc_meanings.read_of(conn, codes)
    in_force = dtc_csv.laid_over(shipped(), [record.cells for record in records])
    found = [(dtc, in_force.lookup(dtc), severity, family) for dtc, severity, family in rated]
    other = {
        dtc: meaning
        for dtc, meaning, severity, family in found
        if (meaning.severity, meaning.family) != (severity, family)
    }
    return await dtc_meanings.rate(conn, list(other.items()))

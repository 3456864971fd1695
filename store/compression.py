"""Compression of old chunks, which TimescaleDB's Community edition has and its Apache edition has not."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from psycopg import sql

from store.pool import Connection

AFTER_D: Final[Mapping[str, int]] = {"raw_frame": 3, "raw_packet": 3, "raw_answer": 3, "segment": 30}
"""Days of event time after which a chunk is compressed: hardly anything comes late by then. Invented."""
_COMMUNITY: Final = "timescale"

LICENSE: Final = "select current_setting('timescaledb.license', true)"
ENABLED: Final = """
    select compression_enabled from timescaledb_information.hypertables
    where hypertable_schema = current_schema and hypertable_name = %(table)s
"""
ENABLE: Final = """
    alter table {} set (
        timescaledb.compress, timescaledb.compress_segmentby = 'vehicle_id',
        timescaledb.compress_orderby = 'at'
    )
"""
COMPRESS: Final = """
    select count(compress_chunk(format('%%I.%%I', chunk_schema, chunk_name)::regclass))
    from timescaledb_information.chunks
    where hypertable_schema = current_schema and hypertable_name = %(table)s and not is_compressed
      and range_end < %(before)s
"""


def allowed(license_name: str | None) -> bool:
    """Whether a TimescaleDB of this license compresses."""
    return license_name == _COMMUNITY


async def compress(conn: Connection, as_of: datetime) -> dict[str, int]:
    """Compress what is old enough at a moment; chunks by table, nothing at all in the Apache edition."""
    row = await (await conn.execute(LICENSE)).fetchone()
    if not allowed(row[0] if row else None):
        return {}
    done = {}
    for table, after_d in AFTER_D.items():
        enabled = await (await conn.execute(ENABLED, {"table": table})).fetchone()
        if enabled == (False,):
            await conn.execute(sql.SQL(ENABLE).format(sql.Identifier(table)))
        parameters = {"table": table, "before": as_of - timedelta(days=after_d)}
        chunks = await (await conn.execute(COMPRESS, parameters)).fetchone()
        done[table] = 0 if chunks is None else int(chunks[0])
    return done

"""The limit of ingest: binary COPY of the very rows it has written, in the transactions it has used."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg import sql

HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
TRAILER: Final = b"\xff\xff"

TABLES: Final = "message", "segment", "raw_frame"
"""And those whose names go on with an underscore behind one of these."""
PEERS: Final = "peer"
"""The schema of the empty tables."""

WRITTEN: Final = """
    select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relkind = 'r'
      and (c.relname = any(%(tables)s) or c.relname ~ ('^(' || array_to_string(%(tables)s, '|') || ')_'))
    order by c.relname
"""
HYPERTABLES: Final = """
    select hypertable_name, column_name, extract(epoch from time_interval)::bigint
    from timescaledb_information.dimensions where hypertable_schema = 'public'
"""
CREATE: Final = "create table {peer} (like {table} including all)"
MAKE_HYPERTABLE: Final = """
    select create_hypertable(
        %(peer)s, by_range(%(column)s, make_interval(secs => %(seconds)s)), create_default_indexes => false
    )
"""
NEXT_TRANSACTION: Final = "select pg_current_xact_id()::text::bigint"
OUT: Final = """
    copy (select xmin::text::bigint, t.* from {table} t
          where xmin::text::bigint >= {since} and xmin::text::bigint < {until}
          order by 1, t.ctid)
    to stdout (format binary)
"""

Transactions = dict[int, dict[str, bytes]]
"""Transaction to table to what COPY takes."""


class Copier:
    """Copies what was written since it was asked last into empty tables like those it was written to."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self._conn = conn
        self._tables = [row[0] for row in conn.execute(WRITTEN, {"tables": list(TABLES)}).fetchall()]
        conn.execute(
            sql.SQL("drop schema if exists {0} cascade; create schema {0}").format(sql.Identifier(PEERS))
        )
        ranges = {row[0]: row[1:] for row in conn.execute(HYPERTABLES).fetchall()}
        for table in self._tables:
            names = {"peer": sql.Identifier(PEERS, table), "table": sql.Identifier(table)}
            conn.execute(sql.SQL(CREATE).format(**names))
            if table in ranges:
                column, seconds = ranges[table]
                peer = f"{PEERS}.{table}"
                conn.execute(MAKE_HYPERTABLE, {"peer": peer, "column": column, "seconds": seconds})
        self._since = self._now()
        self.rows: dict[str, int] = {}
        """Of each table, in what was written last."""

    def skip(self) -> None:
        """Leave out what was written by now."""
        self._since = self._now()

    def written(self) -> Transactions:
        """What was written since the last time."""
        since, self._since = self._since, self._now()
        found: Transactions = {}
        self.rows = dict.fromkeys(self._tables, 0)
        for table in self._tables:
            for transaction, rows in self._rows(table, since, self._since):
                found.setdefault(transaction, {})[table] = rows
        return dict(sorted(found.items()))

    def copy(self, transactions: Transactions) -> float:
        """Copy them; how long it took, in seconds."""
        began_s = time.monotonic()
        for tables in transactions.values():
            with self._conn.transaction(), self._conn.cursor() as cur:
                for table, rows in tables.items():
                    name = sql.Identifier(PEERS, table)
                    with cur.copy(sql.SQL("copy {} from stdin (format binary)").format(name)) as copy:
                        copy.write(rows)
        return time.monotonic() - began_s

    def _now(self) -> int:
        row = self._conn.execute(NEXT_TRANSACTION).fetchone()
        assert row is not None
        return int(row[0])

    def _rows(self, table: str, since: int, until: int) -> Iterator[tuple[int, bytes]]:
        query = sql.SQL(OUT).format(
            table=sql.Identifier(table), since=sql.Literal(since), until=sql.Literal(until)
        )
        current = -1
        rows: list[bytes] = []
        with self._conn.cursor() as cur, cur.copy(query) as copy:
            for number, block in enumerate(copy):
                row = bytes(block)[len(HEADER) :] if number == 0 else bytes(block)
                if row == TRAILER:
                    continue
                transaction = int.from_bytes(row[6:14], "big")  # behind number of fields and length
                if transaction != current and rows:
                    yield current, HEADER + b"".join(rows) + TRAILER
                    rows = []
                current = transaction
                self.rows[table] += 1
                fields = int.from_bytes(row[:2], "big") - 1
                rows.append(fields.to_bytes(2, "big") + row[14:])
        if rows:
            yield current, HEADER + b"".join(rows) + TRAILER


@contextmanager
def copying(database_url: str) -> Iterator[Copier]:
    """A copier with empty tables."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        yield Copier(conn)

"""The catalogue's copy follows the catalogue, but a number never changes its path."""

import dataclasses

import pytest

from odocare import wiring
from store import codebooks, signals
from store.pool import Connection
from vehicle.errors import CatalogueError
from vehicle.signal import Catalogue
from vehicle.units import Unit


async def test_the_catalogue_is_written_once_and_corrected(conn: Connection) -> None:
    catalogue = wiring.catalogue()
    await signals.sync(conn, catalogue)
    first = dataclasses.replace(catalogue.signals[0], unit=Unit.KILOMETER)
    await signals.sync(conn, Catalogue((first,), {first.path: first}, {first.number: first}))
    cur = await conn.execute("select count(*), min(unit) filter (where number = 1) from signal")
    assert await cur.fetchone() == (len(catalogue.signals), "km")


async def test_a_number_that_would_change_its_meaning_is_refused(conn: Connection) -> None:
    catalogue = wiring.catalogue()
    await signals.sync(conn, catalogue)
    other = dataclasses.replace(catalogue.signals[0], path="Vehicle.Other")
    with pytest.raises(CatalogueError, match=r"signal 1 is stored as Vehicle\.TraveledDistance"):
        await signals.sync(conn, Catalogue((other,), {other.path: other}, {other.number: other}))


async def test_a_codebook_is_numbered_by_name_and_content(conn: Connection) -> None:
    first = await codebooks.ids(conn, [("j1939", "aa"), ("odo_petrol", "bb")])
    again = await codebooks.ids(conn, [("j1939", "aa"), ("j1939", "cc")])
    assert len(set(first.values()) | set(again.values())) == 3
    assert again["j1939", "aa"] == first["j1939", "aa"]
    assert await codebooks.ids(conn, []) == {}

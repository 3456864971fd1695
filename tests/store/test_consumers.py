from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import consumers, sessions
from store.consumers import Key, Scope, draw_key, parse_key
from store.pool import Connection
from vehicle.errors import ConflictError, NotFoundError

NOW = datetime(2026, 11, 21, 6, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def test_a_drawn_key_reads_back() -> None:
    for _ in range(200):
        key = draw_key()
        assert parse_key(str(key)) == key
    assert len({draw_key().prefix for _ in range(200)}) == 200


@given(st.text("odo_abcxyz0123456789ABC-_ \n", min_size=40, max_size=60))
def test_parse_accepts_only_what_spells_the_same(text: str) -> None:
    key = parse_key(text)
    assert key is None or str(key) == text


async def test_a_consumer_may_hold_two_keys_while_one_replaces_the_other(conn: Connection) -> None:
    old = await consumers.create_key(conn, "crm", [Scope.READ], at=NOW, expires_at=LATER)
    new = await consumers.create_key(conn, "crm", [Scope.READ, Scope.OUTCOMES], at=NOW, expires_at=LATER)
    before, after = [await consumers.authenticate(conn, key, at=NOW) for key in (old, new)]
    assert before is not None
    assert after is not None
    assert before.consumer_id == after.consumer_id
    assert set(before.scopes) == {Scope.READ}
    assert set(after.scopes) == {Scope.READ, Scope.OUTCOMES}
    assert await consumers.revoke(conn, old.prefix, at=NOW) == [old.prefix]
    assert await consumers.authenticate(conn, old, at=NOW) is None
    assert await consumers.authenticate(conn, new, at=NOW) is not None


async def test_a_key_ends_at_its_hour(conn: Connection) -> None:
    key = await consumers.create_key(conn, "crm", [Scope.READ], at=NOW, expires_at=LATER)
    assert await consumers.authenticate(conn, key, at=LATER - timedelta(seconds=1)) is not None
    assert await consumers.authenticate(conn, key, at=LATER) is None


async def test_the_right_prefix_with_a_wrong_secret_is_nobody(conn: Connection) -> None:
    key = await consumers.create_key(conn, "crm", [Scope.READ], at=NOW, expires_at=LATER)
    assert await consumers.authenticate(conn, Key(key.prefix, draw_key().secret), at=NOW) is None


async def test_revoking_by_name_ends_every_key_and_log_in(conn: Connection) -> None:
    keys = [
        await consumers.create_key(conn, "crm", [Scope.PAGES], at=NOW, expires_at=LATER) for _ in range(3)
    ]
    consumer = await consumers.ensure(conn, "crm")
    token = await sessions.open_session(conn, consumer, None, at=NOW)
    assert await consumers.revoke(conn, "crm", at=NOW) == sorted(key.prefix for key in keys)
    assert await sessions.visitor(conn, token, at=NOW) is None
    with pytest.raises(NotFoundError):
        await consumers.revoke(conn, "crm", at=NOW)


@pytest.mark.parametrize("name", ["", "CRM", "a b", "x" * 64, "-a", "é", "a\n"])
async def test_a_bad_name_is_refused(conn: Connection, name: str) -> None:
    with pytest.raises(ConflictError):
        await consumers.ensure(conn, name)


async def test_a_ticket_is_spent_by_the_first_who_comes(conn: Connection) -> None:
    ticket = await sessions.issue_ticket(conn, await consumers.ensure(conn, "crm"), at=NOW)
    first = await sessions.redeem(conn, ticket, at=NOW)
    assert first is not None
    assert await sessions.redeem(conn, ticket, at=NOW) is None
    assert await sessions.visitor(conn, ticket, at=NOW) is None  # a ticket is no session
    await sessions.close(conn, first, at=NOW + timedelta(days=2))
    row = await (await conn.execute("select count(*) from session")).fetchone()
    assert row == (0,)

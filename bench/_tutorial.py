"""The service of the tutorials, for comparison: `python -m bench._tutorial`.

aiomqtt, `json.loads`, and for each message one `executemany` into a narrow hypertable and one commit. It
acknowledges what it has not stored yet, and stores twice what comes twice. It says on its output how many
messages it has stored.
"""

import asyncio
import importlib
import json
import os
import sys
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import psycopg

URL: Final = "BENCH_MQTT_URL"
DATABASE_URL: Final = "BENCH_DATABASE_URL"
CREATE: Final = """
    create table if not exists tutorial (
        at timestamptz not null, vin text not null, path text not null, value double precision
    )
"""
MAKE_HYPERTABLE: Final = "select create_hypertable('tutorial', by_range('at'), if_not_exists => true)"
INSERT: Final = "insert into tutorial (at, vin, path, value) values (%s, %s, %s, %s)"


async def main() -> None:
    """Store until killed."""
    aiomqtt: Any = importlib.import_module("aiomqtt")  # not everywhere
    url = urlsplit(os.environ[URL])
    async with (
        await psycopg.AsyncConnection.connect(os.environ[DATABASE_URL]) as conn,
        aiomqtt.Client(
            url.hostname or "",
            url.port or 1883,
            username=unquote(url.username or ""),
            password=unquote(url.password or ""),
        ) as client,
    ):
        await conn.execute(CREATE)
        await conn.execute(MAKE_HYPERTABLE)
        await conn.commit()
        await client.subscribe("tbox/v1/+/up/+", qos=1)
        n = 0
        say(n)
        async for message in client.messages:
            payload = message.payload
            assert isinstance(payload, bytes)
            async with conn.cursor() as cur:
                await cur.executemany(INSERT, rows(json.loads(payload)))
            await conn.commit()
            n += 1
            say(n)


def rows(body: dict[str, Any]) -> list[tuple[datetime, str, str, float]]:
    """One row per value."""
    return [
        (datetime.fromtimestamp((body["t0_us"] + dt_us) / 1e6, UTC), body["vin"], path, value)
        for path, series in body["signals"].items()
        for dt_us, value in zip(series["dt_us"], series["value"], strict=True)
    ]


def say(n: int) -> None:
    """So many by now."""
    sys.stdout.write(f"{n}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())

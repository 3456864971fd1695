"""What the demo shows at its end: the truck, the triggers, and where to look next."""

import asyncio
import json
import signal
import threading
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from odocare.demo import TRUCK_VIN, Site
from odocare.wiring import database_url
from store import vehicles
from store.pool import connect
from vehicle.vin import Vin

SCOPES: Final = ("feed:service", "feed:recall", "outcomes", "read", "pages")
_UNAUTHORISED: Final = 401
_TIMEOUT_S: Final = 30
_SHOWN_PER_TYPE: Final = 4


@dataclass(frozen=True, slots=True)
class Service:
    """The running API, and the key that opens it."""

    base_url: str
    key: str

    def get(self, path: str) -> tuple[Any, Message]:
        """JSON and headers of a GET."""
        request = urllib.request.Request(  # noqa: S310 - our own server on loopback
            self.base_url + path, headers={"Authorization": f"Bearer {self.key}"}
        )
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            return json.loads(answer.read()), answer.headers

    def knows_key(self) -> bool:
        """Whether the key still opens the feeds."""
        try:
            self.get("/v1/feeds/service/events?limit=1")
        except urllib.error.HTTPError as error:
            if error.code == _UNAUTHORISED:
                return False
            raise
        return True

    def feed(self, name: str) -> list[dict[str, Any]]:
        """Every event of a feed, read page by page as a CRM does."""
        events: list[dict[str, Any]] = []
        after = ""
        while True:
            page, headers = self.get(f"/v1/feeds/{name}/events?limit=500{after}")
            if not page:
                return events
            events += page
            after = f"&after={headers['Feed-Next-Cursor']}"


def open_triggers(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The newest event's data of each trigger that has not ended."""
    newest = {event["subject"]: event["data"] for event in events}
    ended = {"completed", "declined", "unreachable", "suppressed", "expired", "withdrawn"}
    return [data for data in newest.values() if data["state"] not in ended]


def show_triggers(console: Console, triggers: list[dict[str, Any]], language: str) -> None:
    """A table of triggers with due windows and reasons, the most pressing of each type, and their numbers."""
    by_type: dict[str, list[dict[str, Any]]] = {}
    for one in triggers:
        by_type.setdefault(one["type"], []).append(one)
    table = Table(title=f"{len(triggers)} open triggers", title_justify="left", show_lines=False)
    for column in ("type", "severity", "vehicle", "job", "due (P10 – P90, likely)", "reason"):
        table.add_column(column, overflow="fold")
    for kind, found in sorted(by_type.items()):
        found.sort(key=lambda one: one["due"]["p50_on"] or "")
        for one in found[:_SHOWN_PER_TYPE]:
            table.add_row(
                kind, one["severity"], one["vehicle"]["model"] or "", one["job"], window(one["due"]),
                one["words"][language],
            )  # fmt: skip
        if len(found) > _SHOWN_PER_TYPE:
            table.add_row(kind, "", f"… and {len(found) - _SHOWN_PER_TYPE} more", "", "", "", style="dim")
        table.add_section()
    console.print(table)


def window(due: dict[str, str | None]) -> str:
    """`2026-12-08 – 2026-12-21, 2026-12-14`; a single day where the window has no width."""
    p10, p50, p90 = due["p10_on"], due["p50_on"], due["p90_on"]
    if p50 is None:
        return "now" if p10 is None else f"since {p10}"
    if p10 == p90:
        return p50
    return f"{p10} – {p90}, {p50}"


def access_key(site: Site, base_url: str) -> str:
    """The demo's own access key, made at the first run and kept in its folder."""
    note = site.folder / "key"
    if note.exists() and Service(base_url, note.read_text()).knows_key():
        return note.read_text()
    scopes = [part for scope in SCOPES for part in ("--scope", scope)]
    key: str = site.odocare("key", "create", "demo", *scopes)["key"]
    note.touch(mode=0o600)
    note.write_text(key)
    return key


def report(site: Site, base_url: str, language: str) -> dict[str, Any]:
    """Read the feeds as a CRM does and show what came out; the same as values."""
    console = site.console
    service = Service(base_url, access_key(site, base_url))
    triggers = open_triggers([event for name in ("service", "recall") for event in service.feed(name)])
    truck = asyncio.run(_truck(service, database_url(site.settings), TRUCK_VIN))
    console.print()
    show_triggers(console, triggers, language)
    console.print(f"\n[bold]The truck[/bold] stands at {truck['odometer_km']:,.3f} km and reports")
    for fault in truck["faults"]:
        console.print(f"  {fault['code']:<18} {fault[language]}")
    ticket = site.odocare("key", "ticket", "--url", base_url)["url"]
    key_file = site.folder / "key"
    console.print("\n[bold]The feed[/bold], as a CRM reads it:")
    console.print(
        f'  curl -H "Authorization: Bearer $(cat {key_file})" "{base_url}/v1/feeds/service/events?limit=2"',
        soft_wrap=True,
    )
    console.print("[bold]The page[/bold] (this link signs in once, within 15 minutes):")
    console.print(f"  {ticket}", soft_wrap=True)
    counts = Counter(one["type"] for one in triggers)
    return {"triggers": dict(sorted(counts.items())), "truck": truck, "page": base_url}


async def _truck(service: Service, url: str, vin: Vin) -> dict[str, Any]:
    """The replayed truck as the API tells it: odometer and fault codes."""
    async with connect(url) as conn:
        public_id = await vehicles.public_id(conn, vin)
    card, _ = service.get(f"/v1/vehicles/{public_id}")
    answer, _ = service.get(f"/v1/vehicles/{public_id}/faults")
    faults = [
        {name: fault[name] for name in ("code", "occurrences")}
        | {"zh": fault["meaning_zh"], "en": fault["meaning_en"]}
        for fault in answer["faults"]
        if fault["ended_at"] is None
    ]
    return {"odometer_km": card["odometer_km"], "faults": faults}


def wait_for_interrupt(console: Console) -> None:
    """Serve until Ctrl-C or SIGTERM."""
    console.print("\nServing until Ctrl-C …")
    stop = threading.Event()
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, lambda *_: stop.set())
    stop.wait()

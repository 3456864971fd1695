"""What was carried over the transports of a batch: codes, values, identities of new messages and old."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from decoders import dm1, j1939_diag
from decoders.diagnostics import Diagnostics
from decoders.identity import Identity
from decoders.isotp import IsoTpMessage
from decoders.j1939 import TransportMessage
from ingest import answers, samples
from ingest.admitted import Admitted, Decoded
from ingest.answers import Said
from ingest.lexicon import Lexicon
from store.messages import MessageKeys
from vehicle.dtc import DtcClear, DtcReport
from vehicle.frame import FrameBatch, SignalRows

MessageKey = tuple[int, int, int, int]
"""Vehicle, boot, life, sequence number."""


@dataclass(frozen=True, slots=True)
class Part:
    """A stored message that is read again."""

    key: MessageKey
    number: int
    """Behind those of the batch's messages."""
    frames: FrameBatch
    speaks_j1939: bool
    diagnostics: Diagnostics | None


@dataclass(frozen=True, slots=True)
class Again:
    """What a stored message says now."""

    part: Part
    reports: list[DtcReport]
    clears: list[DtcClear]
    identities: list[Identity]
    said: Said
    """All of its answers."""
    rows: SignalRows
    """Only the values that were not read before: nothing is ever taken back."""


@dataclass(slots=True)
class Heard:
    """What was carried, by message."""

    reports: dict[MessageKey, list[DtcReport]] = field(default_factory=dict)
    clears: dict[MessageKey, list[DtcClear]] = field(default_factory=dict)
    identities: dict[MessageKey, list[Identity]] = field(default_factory=dict)
    again: list[Again] = field(default_factory=list)
    """Messages stored earlier; their reports and clears are replaced by these."""
    said: Said = field(default_factory=Said)
    """What answers in frames of the batch say."""
    rows: SignalRows = field(default_factory=samples.empty)
    """Values of answers in frames; numbers from the batch's length on are those of `again`."""
    books: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Name and version of what read the values, by number."""
    payloads_n: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    """J1939 transfers and packets that came to nothing, by reason."""
    lost_conversations: Counter[str] = field(default_factory=Counter)
    """ISO-TP payloads and frames, likewise."""

    @property
    def rejoined(self) -> list[MessageKey]:
        """The messages of `again`."""
        return [one.part.key for one in self.again]

    def keys(self, batch: Admitted) -> MessageKeys:
        """The batch's keys and those of `again`, which `rows` counts."""
        old = np.array([one.part.key for one in self.again], dtype=np.int64).reshape(-1, 4)
        mine = batch.keys
        return MessageKeys(
            vehicle_id=np.concatenate([mine.vehicle_id, old[:, 0]]),
            boot=np.concatenate([mine.boot, old[:, 1]]),
            life=np.concatenate([mine.life, old[:, 2]]),
            seq=np.concatenate([mine.seq, old[:, 3]]),
        )

    def in_batch(self, batch: Admitted) -> SignalRows:
        """The values under the number of a message of the batch of the same vehicle; by message."""
        if not self.again:
            return self.rows
        number_of = {int(vehicle): number for number, vehicle in enumerate(batch.keys.vehicle_id)}
        number = np.array(
            [*range(len(batch)), *(number_of[one.part.key[0]] for one in self.again)], dtype=np.int32
        )
        rows = self.rows
        return samples.ordered(SignalRows(number[rows.message], rows.t_us, rows.signal, rows.value))


def again(
    part: Part,
    transported: Sequence[TransportMessage],
    payloads: Sequence[IsoTpMessage],
    before: Sequence[IsoTpMessage],
    lexicon: Lexicon,
) -> Again:
    """What a stored message says, of which the payloads `before` were read when it came."""
    reports: list[DtcReport] = []
    clears: list[DtcClear] = []
    identities: list[Identity] = []
    if part.speaks_j1939:
        reports, clears, identities = _of_j1939(part.frames, transported)
    said, rows = Said(), samples.empty()
    if part.diagnostics is not None:
        by, known = part.diagnostics, {_name(one) for one in before}
        fresh = [one for one in payloads if _name(one) not in known]
        said = answers.read([(by, answers.of_payloads(payloads, by))], lexicon)
        rows = answers.read([(by, answers.of_payloads(fresh, by))], lexicon).rows
    return Again(part, reports, clears, identities, said, rows)


def collected(
    batch: Admitted,
    decoded: Decoded,
    lexicon: Lexicon,
    heard: Heard,
    transported: Sequence[TransportMessage],
    payloads: Sequence[tuple[Diagnostics, Sequence[IsoTpMessage]]],
) -> Heard:
    """Everything that the walk along the messages has found, read and sorted."""
    reports, clears, identities = _of_j1939(decoded.j1939, transported)
    said = heard.said = answers.read([(by, answers.of_payloads(mine, by)) for by, mine in payloads], lexicon)
    key_of = {one.part.number: one.part.key for one in heard.again}
    for one in heard.again:
        reports += one.reports
        clears += one.clears
        identities += one.identities
    for each in (said, *(one.said for one in heard.again)):
        reports += [report for mine in each.reports.values() for report in mine]
        clears += [clear for mine in each.clears.values() for clear in mine]
        identities += [identity for mine in each.identities.values() for identity in mine]
    for report in reports:
        heard.reports.setdefault(_key(report.message, batch, key_of), []).append(report)
    for clear in clears:
        heard.clears.setdefault(_key(clear.message, batch, key_of), []).append(clear)
    for identity in identities:
        heard.identities.setdefault(_key(identity.message, batch, key_of), []).append(identity)
    parts = [said.rows, *(one.rows for one in heard.again)]
    heard.rows = samples.together([part for part in parts if len(part)])
    for number in np.unique(heard.rows.message).tolist():
        own = batch.messages[number].diagnostics if number < len(batch) else None
        by = own or heard.again[number - len(batch)].part.diagnostics
        assert by is not None
        heard.books[number] = answers.book_of(by)
    return heard


def _of_j1939(
    part: FrameBatch, transported: Sequence[TransportMessage]
) -> tuple[list[DtcReport], list[DtcClear], list[Identity]]:
    lists = j1939_diag.code_lists(part, transported)
    return (
        dm1.reports(part, transported) + j1939_diag.reports(lists),
        j1939_diag.clears(part),
        j1939_diag.identities(part, transported),
    )


def _name(one: IsoTpMessage) -> tuple[object, ...]:
    """What makes it the same payload, whatever request was heard before it."""
    return (one.bus, one.wire_id, one.address, one.t_us, one.data)


def _key(number: int, batch: Admitted, old: dict[int, MessageKey]) -> MessageKey:
    return batch.key(number) if number < len(batch) else old[number]

"""A batch after the ledger: the messages that are new, renumbered, and everything decoded out of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from decoders import can, frames, sheets
from decoders.gbt32960 import alarms, signals
from decoders.gbt32960.report import Report, without_position
from decoders.message import CanMessage, DiagMessage
from ingest import answers, conversations, odometers, samples
from ingest.answers import Said
from ingest.judging import Asking
from ingest.lexicon import Lexicon
from ingest.packets import PacketMessage
from ingest.samples import Samples
from store.messages import REFUSED, MessageKeys
from store.raw_frames import RawFrames
from store.raw_packets import RawPacket
from vehicle.dtc import DtcReport
from vehicle.frame import FrameBatch, SignalRows
from vehicle.odometer import OdometerSamples
from vehicle.sheet import Sheet


@dataclass(frozen=True, slots=True)
class Admitted:
    """New messages; number k of every array and list is message k."""

    messages: list[Asking]
    keys: MessageKeys
    location_allowed: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.messages)

    def key(self, number: int) -> tuple[int, int, int, int]:
        """Vehicle, boot, life and sequence number of one message."""
        keys = self.keys
        return (
            int(keys.vehicle_id[number]),
            int(keys.boot[number]),
            int(keys.life[number]),
            int(keys.seq[number]),
        )

    @property
    def known_us(self) -> NDArray[np.int64]:
        """Arrival of each."""
        return np.array([one.arrived.delivery.known_us for one in self.messages], dtype=np.int64)


@dataclass(slots=True)
class Decoded:
    """What the messages of a batch say."""

    rows: SignalRows
    """All values."""
    j1939: FrameBatch
    """Frames of vehicles that speak J1939, by message and time; for transport and fault codes."""
    hidden: dict[int, NDArray[np.bool_]]
    """Message number to a mask of frames that carry positions which must not be stored."""
    odometer: OdometerSamples = field(default_factory=lambda: odometers.together([]))
    """Odometer readings with who counted them."""
    plain: SignalRows = field(default_factory=samples.empty)
    """Those of the values that are not out of frames;"""
    sheets: list[Sheet] = field(default_factory=list)
    """those that are, with the frames."""
    unknown_frames: int = 0
    short_frames: int = 0
    no_measurement: int = 0
    out_of_range: int = 0
    reports: dict[int, list[DtcReport]] = field(default_factory=dict)
    """Message number to the fault codes it names, where it is neither a `dtc` message nor J1939's DM1."""
    packets: list[RawPacket] = field(default_factory=list)
    """GB/T 32960 packets as received, without positions where they must not be kept."""
    frames: dict[int, tuple[FrameBatch, slice]] = field(default_factory=dict)
    """Message number to its frames, in a batch that others share; those of `j1939` are in order of time."""
    talking: set[int] = field(default_factory=set)
    """Messages with frames of diagnostic conversations."""
    said: Said = field(default_factory=Said)
    """What the answers of `diag` messages say; its reports are among `reports`."""


def admitted(asking: Sequence[Asking], lives: Sequence[int | None]) -> Admitted:
    """The messages that got a life from the ledger."""
    answered = zip(asking, lives, strict=True)
    new = [(one, life) for one, life in answered if life is not None and life != REFUSED]
    envelopes = [one.arrived.message.envelope for one, _ in new]
    return Admitted(
        messages=[one for one, _ in new],
        keys=MessageKeys(
            vehicle_id=np.array([one.vehicle.id for one, _ in new], dtype=np.int64),
            boot=np.array([envelope.boot for envelope in envelopes], dtype=np.int64),
            life=np.array([life for _, life in new], dtype=np.int64),
            seq=np.array([envelope.seq for envelope in envelopes], dtype=np.int64),
        ),
        location_allowed=np.array([one.vehicle.location_allowed for one, _ in new], dtype=np.bool_),
    )


def decode(
    batch: Admitted, values: Samples, arrived_n: int, lexicon: Lexicon, stored: Collection[int] = ()
) -> Decoded:
    """All values of the batch, decoded together per codebook; positions left out where they must be.

    `values` are numbered as the batch's reading of `arrived_n` messages. Signals that are `stored` already
    are left out.
    """
    index = np.full(arrived_n, -1, dtype=np.int32)
    index[[one.index for one in batch.messages]] = np.arange(len(batch), dtype=np.int32)
    parts = [samples.renumbered(values.rows, index)]
    decoded = Decoded(parts[0], frames.join([], []), {}, out_of_range=values.out_of_range)
    speaking_j1939, in_frames = [], {}
    for codebook, numbers in _by_codebook(batch).items():
        joined = frames.join([_can(batch, number) for number in numbers], numbers)
        talking = _listen(batch, decoded, joined, lexicon)
        if codebook is None:
            decoded.unknown_frames += int(np.count_nonzero(~talking))
            continue
        book = lexicon.codebooks.by_name(codebook)
        found = can.decode(joined, book)
        if talking.any():
            decoded.unknown_frames -= conversations.count_known(joined, talking, list(found.unknown_ids))
        in_frames[len(parts)] = odometers.of_frames(found, joined, lexicon, speaks_j1939=book.matches_pgn)
        parts.append(found.rows)
        decoded.sheets.append(sheets.sheet(found, joined, book, lexicon.layouts_of(book)))
        decoded.unknown_frames += sum(found.unknown_ids.values())
        decoded.short_frames += found.short_frames
        decoded.no_measurement += found.no_measurement
        decoded.out_of_range += found.out_of_range
        for number, hidden_frames in _position_frames(found, joined, batch, lexicon).items():
            decoded.hidden[number] = hidden_frames | decoded.hidden.get(number, False)
        if book.matches_pgn:
            speaking_j1939.append(_in_time(joined))
    parts.append(_read_packets(batch, decoded, lexicon))
    parts.append(_read_answers(batch, decoded, lexicon))
    kinds = [one.arrived.message.kind for one in batch.messages]
    decoded.odometer = odometers.together(
        [
            in_frames[place] if place in in_frames else odometers.of_rows(part, kinds, lexicon)
            for place, part in enumerate(parts)
        ]
    )
    decoded.rows = samples.together([part for part in parts if len(part)])
    decoded.plain = samples.together(
        [part for place, part in enumerate(parts) if len(part) and place not in in_frames]
    )
    _hide(decoded, batch, lexicon, stored)
    if speaking_j1939:
        decoded.j1939 = speaking_j1939[0] if len(speaking_j1939) == 1 else _joined(speaking_j1939)
        decoded.frames |= conversations.places(decoded.j1939)
    return decoded


def _hide(decoded: Decoded, batch: Admitted, lexicon: Lexicon, stored: Collection[int]) -> None:
    """Leave out values of signals that are `stored`, and positions that must not be kept."""

    def kept(rows: SignalRows) -> NDArray[np.bool_]:
        hidden = lexicon.is_position[rows.signal] & ~batch.location_allowed[rows.message]
        if stored:
            hidden |= np.isin(rows.signal, list(stored))
        return np.asarray(~hidden)

    left = kept(decoded.rows)
    if not left.all():
        decoded.rows = samples.pick(decoded.rows, left)
        decoded.plain = samples.pick(decoded.plain, kept(decoded.plain))
        decoded.sheets = [one.kept(kept(one.rows)) for one in decoded.sheets]


def raw_frames(batch: Admitted, decoded: Decoded, codebook_id: Sequence[int | None]) -> list[RawFrames]:
    """The frames as received, without those that are hidden."""
    kept = []
    for number, one in enumerate(batch.messages):
        message = one.arrived.message
        if not isinstance(message, CanMessage):
            continue
        hidden = decoded.hidden.get(number)
        if hidden is not None:
            message = _without(message, hidden)
        kept.append(
            RawFrames(
                vehicle_id=one.vehicle.id,
                t0_us=message.envelope.t0_us,
                boot=message.envelope.boot,
                life=int(batch.keys.life[number]),
                seq=message.envelope.seq,
                codebook_id=codebook_id[number],
                dt_us=message.dt_us.astype("<u4", copy=False).tobytes(),
                can_id=message.can_id.astype("<u4", copy=False).tobytes(),
                bus=message.bus.tobytes(),
                length=message.length.tobytes(),
                data=message.data.tobytes(),
            )
        )
    return kept


def _read_packets(batch: Admitted, decoded: Decoded, lexicon: Lexicon) -> SignalRows:
    """The signals of GB/T 32960 reports; their alarms go into `decoded.reports`."""
    reports = {n: one.content for n, one in enumerate(batch.messages) if isinstance(one.content, Report)}
    found = signals.rows(list(reports.values()), list(reports), lexicon.catalogue)
    decoded.no_measurement += found.no_measurement
    decoded.out_of_range += found.out_of_range
    decoded.packets = _raw_packets(batch, lexicon)
    for number, report in reports.items():
        if codes := alarms.reports(report, number):
            decoded.reports.setdefault(number, []).extend(codes)
    return found.rows


def _raw_packets(batch: Admitted, lexicon: Lexicon) -> list[RawPacket]:
    kept = []
    for number, one in enumerate(batch.messages):
        message = one.arrived.message
        if not isinstance(message, PacketMessage):
            continue
        packet = message.packet
        if isinstance(one.content, Report) and not batch.location_allowed[number]:
            packet = without_position(packet, lexicon.extension(one.vehicle.model, one.vehicle.built_on))
        vehicle_id, boot, life, seq = batch.key(number)
        kept.append(
            RawPacket(
                vehicle_id=vehicle_id,
                at_us=message.envelope.t0_us,
                boot=boot,
                life=life,
                seq=seq,
                edition=packet.edition.year,
                command=message.command,
                has_alarms=isinstance(one.content, Report) and one.content.last("alarms") is not None,
                body=packet.plain(),
            )
        )
    return kept


def _listen(batch: Admitted, decoded: Decoded, joined: FrameBatch, lexicon: Lexicon) -> NDArray[np.bool_]:
    """Which frames belong to conversations; where each message's frames lie, and which must not be kept."""
    decoded.frames |= conversations.places(joined)
    talking = conversations.talk(joined, batch.messages)
    decoded.talking |= set(np.unique(joined.message[talking]).tolist())
    if any(one.diagnostics is None for one in batch.messages if isinstance(one.arrived.message, CanMessage)):
        hidden = conversations.private(joined, batch.messages, lexicon)
        for number in np.unique(joined.message[hidden]).tolist():
            decoded.hidden[number] = hidden[joined.message == number]
    return talking


def _read_answers(batch: Admitted, decoded: Decoded, lexicon: Lexicon) -> SignalRows:
    """The values of `diag` messages; what they say otherwise goes into `decoded`."""
    heard = []
    for number, one in enumerate(batch.messages):
        message = one.arrived.message
        if isinstance(message, DiagMessage) and one.diagnostics is not None:
            heard.append((one.diagnostics, answers.of_message(message, number)))
    if not heard:
        return samples.empty()
    decoded.said = said = answers.read(heard, lexicon)
    decoded.reports |= said.reports
    decoded.no_measurement += said.no_measurement
    decoded.out_of_range += said.out_of_range
    return said.rows


def _by_codebook(batch: Admitted) -> dict[str | None, list[int]]:
    """Messages with frames by the codebook that reads them; None: only their conversations are read."""
    groups: dict[str | None, list[int]] = {}
    for number, one in enumerate(batch.messages):
        if isinstance(one.arrived.message, CanMessage):
            name = None if one.codebook is None else one.codebook.name
            groups.setdefault(name, []).append(number)
    return groups


def _can(batch: Admitted, number: int) -> CanMessage:
    message = batch.messages[number].arrived.message
    assert isinstance(message, CanMessage)
    return message


def _in_time(joined: FrameBatch) -> FrameBatch:
    order = np.lexsort((joined.t_us, joined.message))
    return frames.take(joined, order)


def _joined(batches: Sequence[FrameBatch]) -> FrameBatch:
    """Frames of several codebooks as one batch, by message; rows of 8 bytes widen to 64 where one has 64."""
    width = max(batch.data.shape[1] for batch in batches)
    data = [np.pad(batch.data, ((0, 0), (0, width - batch.data.shape[1]))) for batch in batches]
    both = FrameBatch(
        message=np.concatenate([batch.message for batch in batches]),
        t_us=np.concatenate([batch.t_us for batch in batches]),
        can_id=np.concatenate([batch.can_id for batch in batches]),
        is_extended=np.concatenate([batch.is_extended for batch in batches]),
        bus=np.concatenate([batch.bus for batch in batches]),
        length=np.concatenate([batch.length for batch in batches]),
        data=np.concatenate(data),
    )
    return frames.take(both, np.argsort(both.message, kind="stable"))


def _position_frames(
    found: can.Decoded, joined: FrameBatch, batch: Admitted, lexicon: Lexicon
) -> dict[int, NDArray[np.bool_]]:
    """Which frames of vehicles whose location is off carry a position: those that decode to one."""
    rows = found.rows
    is_hidden = lexicon.is_position[rows.signal] & ~batch.location_allowed[rows.message]
    if not is_hidden.any():
        return {}
    carries = np.zeros(len(joined), dtype=np.bool_)
    carries[found.frame[is_hidden]] = True
    return {int(number): carries[joined.message == number] for number in np.unique(rows.message[is_hidden])}


def _without(message: CanMessage, hidden: NDArray[np.bool_]) -> CanMessage:
    return replace(
        message,
        dt_us=message.dt_us[~hidden],
        can_id=message.can_id[~hidden],
        bus=message.bus[~hidden],
        length=message.length[~hidden],
        data=message.data[~np.repeat(hidden, message.length)],
    )

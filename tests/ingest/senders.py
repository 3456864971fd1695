"""Messages as vehicles send them, and what the store holds of them afterwards."""

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from decoders.envelope import encode
from decoders.j1939 import DM1, TP_CM, TP_DT
from decoders.message import CanMessage, DtcMessage, EcuDtcs, Envelope, Message, SignalsMessage
from ingest.delivery import Delivery
from store.pool import Connection
from vehicle.dtc import Dtc, DtcReading, DtcStandard, DtcStatus
from vehicle.vin import Vin, with_check_digit

T0_US: Final = 1_760_000_000_000_000
"""2025-10-09 08:53:20 UTC, 16:53:20 in Shanghai."""
KNOWN_US: Final = T0_US + 3 * 86_400_000_000
SECOND_US: Final = 1_000_000
ODOMETER: Final = "Vehicle.TraveledDistance"
CRANKING: Final = "Vehicle.X-Odo.LowVoltageBattery.CrankingVoltage"
AMBIENT: Final = "Vehicle.Exterior.AirTemperature"
LATITUDE: Final = "Vehicle.CurrentLocation.Latitude"

EXTENDED: Final = 0x8000_0000


def vin(number: int) -> Vin:
    """One of many valid VINs."""
    return with_check_digit(Vin(f"LRW3E7FA0NC{number:06}"))


def envelope(of: Vin, seq: int, *, boot: int = 1, t0_us: int = T0_US) -> Envelope:
    return Envelope(of, boot, seq, t0_us, ack=False, resent=False)


def signals(
    of: Vin,
    seq: int,
    values: Mapping[str, float | Sequence[float]],
    *,
    boot: int = 1,
    t0_us: int = T0_US,
    step_us: int = SECOND_US,
) -> SignalsMessage:
    """Values of each path, a second apart."""
    columns = {}
    for path, given in values.items():
        several = np.atleast_1d(np.array(given, dtype=np.float64))
        columns[path] = (np.arange(len(several), dtype=np.int64) * step_us, several)
    return SignalsMessage.of(envelope(of, seq, boot=boot, t0_us=t0_us), columns)


def codes(
    of: Vin,
    seq: int,
    *names: str,
    boot: int = 1,
    t0_us: int = T0_US,
    complete: bool = True,
    status: int | None = int(DtcStatus.CONFIRMED),
    ecu: str = "ecm",
    freeze_frame: dict[str, float] | None = None,
) -> DtcMessage:
    """A report of one ECU with these J2012 codes."""
    readings = tuple(
        DtcReading(
            Dtc(DtcStandard.J2012, ecu, name),
            status=None if status is None else DtcStatus(status),
            freeze_frame=freeze_frame or {},
        )
        for name in names
    )
    return DtcMessage(
        envelope(of, seq, boot=boot, t0_us=t0_us), (EcuDtcs(ecu, DtcStandard.J2012, complete, readings),)
    )


def can(
    of: Vin,
    seq: int,
    frames: Sequence[tuple[int, int, bytes]],
    *,
    boot: int = 1,
    t0_us: int = T0_US,
    codebook: str | None = "j1939",
) -> CanMessage:
    """Frames as (dt_us, id with bit 31 if extended, payload)."""
    return CanMessage(
        envelope=envelope(of, seq, boot=boot, t0_us=t0_us),
        dt_us=np.array([dt for dt, _, _ in frames], np.uint32),
        can_id=np.array([can_id for _, can_id, _ in frames], np.uint32),
        bus=np.zeros(len(frames), np.uint8),
        length=np.array([len(payload) for _, _, payload in frames], np.uint8),
        data=np.frombuffer(b"".join(payload for _, _, payload in frames), np.uint8),
        codebook=codebook,
    )


def vdhr(at_us: int, km: float) -> tuple[int, int, bytes]:
    """High-resolution vehicle distance (PGN 65217, 5 m per bit) from address 0."""
    return (at_us, EXTENDED | 0x18FEC100, int(km * 200).to_bytes(4, "little") + b"\xff" * 4)


def dm1_bam(at_us: int, *codes_of: tuple[int, int, int], source: int = 0) -> list[tuple[int, int, bytes]]:
    """A DM1 with (SPN, FMI, count) that needs the broadcast transport: its frames are 100 ms apart."""
    payload = b"\x40\xff" + b"".join(
        bytes([spn & 0xFF, spn >> 8 & 0xFF, (spn >> 16 & 7) << 5 | fmi, count])
        for spn, fmi, count in codes_of
    )
    packets = -(-len(payload) // 7)
    head = bytes([32, len(payload) & 0xFF, len(payload) >> 8, packets, 0xFF]) + DM1.to_bytes(3, "little")
    frames = [(at_us, EXTENDED | 0x18000000 | TP_CM << 8 | 0xFF00 | source, head)]
    for number in range(packets):
        part = payload[7 * number : 7 * number + 7].ljust(7, b"\xff")
        frames.append(
            (
                at_us + 100_000 * (number + 1),
                EXTENDED | 0x18000000 | TP_DT << 8 | 0xFF00 | source,
                bytes([number + 1]) + part,
            )
        )
    return frames


def deliver(
    message: Message, *, known_us: int = KNOWN_US, as_json: bool = False, compress: bool = False
) -> Delivery:
    """As the door hands it over."""
    topic = f"tbox/v1/{message.envelope.vin}/up/{message.kind}"
    return Delivery(topic, encode(message, as_json=as_json, compress=compress), known_us)


def raw(of: str, kind: str, body: bytes, *, known_us: int = KNOWN_US) -> Delivery:
    """Any bytes."""
    return Delivery(f"tbox/v1/{of}/up/{kind}", body, known_us)


def shuffled(deliveries: Sequence[Delivery], seed: int) -> list[Delivery]:
    mixed = list(deliveries)
    random.Random(seed).shuffle(mixed)
    return mixed


CONTENTS: Final = {
    "vehicle": "select vin, registered_at is null from vehicle order by 1",
    "message": "select v.vin, m.boot, m.life, m.seq, m.kind, m.happened_at, m.body_hash, m.body_bytes"
    " from message m join vehicle v on v.id = m.vehicle_id order by 1, 2, 3, 4",
    "segment": "select v.vin, s.at, s.span_ms, s.boot, s.life, s.seq, c.name, array(select distinct signal"
    " from segment_values(s.body) order by 1), array(select (source, signal, dt_us, value)::text"
    " from segment_values(s.body) order by source, signal, dt_us, value)"
    " from segment s join vehicle v on v.id = s.vehicle_id left join codebook c on c.id = s.codebook_id"
    " order by 1, 4, 5, 6, 2",
    "raw_frame": "select v.vin, r.at, r.boot, r.life, r.seq, r.dt_us, r.can_id, r.bus, r.length, r.data"
    " from raw_frame r join vehicle v on v.id = r.vehicle_id order by 1, 3, 4, 5",
    "raw_packet": "select v.vin, to_jsonb(r) - 'vehicle_id'"
    " from raw_packet r join vehicle v on v.id = r.vehicle_id order by 1, r.at, r.seq, r.boot",
    "latest": "select v.vin, l.seen_at, l.signal, l.at, l.value"
    " from latest l join vehicle v on v.id = l.vehicle_id order by 1",
    "vehicle_day": "select v.vin, to_jsonb(d) - 'vehicle_id' - 'known_at'"
    " from vehicle_day d join vehicle v on v.id = d.vehicle_id order by 1, d.day",
    "odometer_day": "select v.vin, to_jsonb(d) - 'vehicle_id' - 'known_at'"
    " from odometer_day d join vehicle v on v.id = d.vehicle_id order by 1, d.day, d.source",
    "transport_carry": "select v.vin, t.boot, t.life, t.seq, t.carry"
    " from transport_carry t join vehicle v on v.id = t.vehicle_id order by 1, 2, 3, 4",
    "fault_report": "select v.vin, to_jsonb(f) - 'vehicle_id' - 'known_at'"
    " from fault_report f join vehicle v on v.id = f.vehicle_id"
    " order by 1, f.happened_at, f.ecu, f.standard, f.boot, f.seq, f.run",
    "fault_event": "select v.vin, to_jsonb(f) - 'id' - 'vehicle_id' - 'known_at'"
    " from fault_event f join vehicle v on v.id = f.vehicle_id"
    " order by 1, f.happened_at, f.ecu, f.standard, f.code, f.boot, f.seq, f.run, f.ftb",
    "fault": "select v.vin, to_jsonb(f) - 'id' - 'vehicle_id' - 'known_at'"
    " from fault f join vehicle v on v.id = f.vehicle_id"
    " order by 1, f.ecu, f.standard, f.code, f.ftb, f.episode",
    "reject": "select v.vin, r.kind, r.reason, r.detail, r.boot, r.seq, r.body_hash, r.body_bytes, r.whole"
    " from reject r left join vehicle v on v.id = r.vehicle_id order by r.body_hash, r.whole",
    "touched": "select v.vin, t.from_day from touched t join vehicle v on v.id = t.vehicle_id order by 1",
}
"""What each table says, without the moments of arrival and the numbers the database gives."""


async def contents(conn: Connection, *tables: str) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of the tables, of all by default."""
    return {
        table: await (await conn.execute(CONTENTS[table].encode())).fetchall() for table in tables or CONTENTS
    }

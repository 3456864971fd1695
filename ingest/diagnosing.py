"""What diagnostic answers add to the store beside fault codes: values, the answers themselves, identities."""

from collections.abc import Iterable, Sequence
from typing import Final

from decoders.identity import Identity, IdentityKind
from decoders.message import DiagMessage
from decoders.uds import NEGATIVE_CODES, SERVICES
from ingest import answers, newest, odometers, samples
from ingest.admitted import Admitted, Decoded
from ingest.heard import Heard, MessageKey
from ingest.judging import Asking
from ingest.lexicon import Lexicon
from ingest.metrics import Tally
from ingest.refusal import Refusal
from store import codebooks, identities, latest, raw_answers, segments
from store.identities import Sighting
from store.pool import Connection
from store.raw_answers import RawAnswers

OTHER: Final = "other"
"""Services and negative response codes that no standard names: 65,536 pairs would be as many counters."""


def book_of(one: Asking) -> tuple[str, str] | None:
    """Name and version of what reads a message, where something does."""
    if isinstance(one.arrived.message, DiagMessage) and one.diagnostics is not None:
        return answers.book_of(one.diagnostics)
    return None if one.codebook is None else (one.codebook.name, one.codebook.version)


async def store(
    conn: Connection,
    batch: Admitted,
    decoded: Decoded,
    heard: Heard,
    book_ids: Sequence[int | None],
    lexicon: Lexicon,
) -> None:
    """Write the answers as they came and the values heard in frames, which `decoded` has from here on."""
    await raw_answers.append(conn, _raw(batch, book_ids, lexicon))
    if not len(heard.rows):
        return
    ids = await codebooks.ids(conn, heard.books.values())
    of_number = [heard.books.get(number) for number in range(len(batch) + len(heard.again))]
    book_of_number = [None if book is None else ids[book] for book in of_number]
    await segments.append(conn, heard.keys(batch), book_of_number, heard.rows)
    rows = heard.in_batch(batch)
    await latest.merge(conn, newest.seen(batch, rows), newest.readings(batch, rows, lexicon))
    shown = odometers.of_rows(rows, [DiagMessage.kind] * len(batch), lexicon)
    decoded.odometer = odometers.together([decoded.odometer, shown])
    decoded.rows = samples.ordered(samples.together([decoded.rows, rows]))


def _raw(batch: Admitted, book_ids: Sequence[int | None], lexicon: Lexicon) -> list[RawAnswers]:
    """The answers of `diag` messages, but where they may hold a position that must not be kept."""
    kept = []
    for number, one in enumerate(batch.messages):
        message = one.arrived.message
        if not isinstance(message, DiagMessage) or lexicon.listening(one.vehicle) is None:
            continue
        vehicle_id, boot, life, seq = batch.key(number)
        told = [(each.dt_us, each.ecu, each.payload, each.request) for each in message.answers]
        t0_us = message.envelope.t0_us
        kept.append(RawAnswers(vehicle_id, t0_us, boot, life, seq, book_ids[number], told))
    return kept


async def identify(conn: Connection, batch: Admitted, decoded: Decoded, heard: Heard) -> None:
    """Write what ECUs said about themselves."""
    told: list[tuple[MessageKey, Iterable[Identity]]] = [
        (batch.key(number), mine) for number, mine in decoded.said.identities.items()
    ]
    told += heard.identities.items()
    seen = [_sighting(key[0], one) for key, mine in told for one in mine]
    await identities.merge(conn, [one for one in seen if one.value], known_us=int(batch.known_us.max()))


def _sighting(vehicle_id: int, one: Identity) -> Sighting:
    """A VIN is one word in capitals; several texts are told one behind the other."""
    value = ", ".join(text for text in (each.strip() for each in one.texts) if text)
    value = value.upper() if one.kind is IdentityKind.VIN else value
    return Sighting(vehicle_id, one.ecu, one.kind.value, value, one.at_us)


def unread(batch: Admitted, decoded: Decoded) -> list[Refusal]:
    """One refusal per `diag` message with answers nobody can read; its other answers are stored."""
    refusals = []
    for number, errors in sorted(decoded.said.unread.items()):
        one = batch.messages[number].arrived
        message = one.message
        n = len(message.answers) if isinstance(message, DiagMessage) else len(errors)
        refusals.append(
            Refusal(
                delivery=one.delivery,
                kind=message.kind,
                reason=errors[0].reason,
                detail=f"{len(errors)} of {n} answers cannot be read: {errors[0]}",
                vin=one.vin,
                boot=message.envelope.boot,
                seq=message.envelope.seq,
                whole=False,
            )
        )
    return refusals


def count(tally: Tally, decoded: Decoded, heard: Heard) -> None:
    """Add what was met in answers and conversations."""
    tally.transport_lost += sum(heard.lost.values())
    for reason, n in heard.lost_conversations.items():
        tally.lost_conversations[reason] = tally.lost_conversations.get(reason, 0) + n
    for said in (decoded.said, heard.said):
        tally.answers += said.answers_n
        tally.answers_unread += said.unread_n
        tally.unknown_dids += said.unknown_dids
        tally.identities += sum(map(len, said.identities.values()))
        tally.clears += sum(map(len, said.clears.values()))
        for (service, code), n in said.refused.items():
            known = f"{service:02X}" if service in SERVICES else OTHER
            word = f"{known} {NEGATIVE_CODES.get(code, OTHER)}"
            tally.negative_answers[word] = tally.negative_answers.get(word, 0) + n
    tally.no_measurement += heard.said.no_measurement
    tally.out_of_range += heard.said.out_of_range

"""Compares what was sent with what is stored: the five invariants that ingest promises."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np

from decoders import wire
from decoders.codebook import Codebooks
from ingest.delivery import hash_of
from odocare.offline_decode import NOTHING, Decoder, Sum, checksum, together
from simulator.truth import Told, Truth
from store import reconciling as stored
from store import vehicles
from store.pool import Connection
from store.reconciling import Entry, Key, Refused
from store.vehicles import VehicleRef
from vehicle.signal import Catalogue

EXAMPLES: Final = 5
_DAY_US: Final = 86_400_000_000
Verdict = Literal["ok", "broken", "-"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one invariant."""

    name: str
    verdict: Verdict
    """`-`: nothing to check it with."""
    sentence: str
    examples: tuple[str, ...] = ()


@dataclass(slots=True)
class Held:
    """What the store holds of a truth's vehicles and boots."""

    fleet: Mapping[str, VehicleRef]
    lives: dict[Key, list[Entry]] = field(default_factory=lambda: defaultdict(list))
    refused_keys: set[Key] = field(default_factory=set)
    refused_hashes: set[int] = field(default_factory=set)
    """Of topic and body, of envelopes that could not be read."""
    partly: set[Key] = field(default_factory=set)
    """Stored, but for a part."""
    several: set[Key] = field(default_factory=set)
    """With more than one segment under one life."""
    reasons: Counter[str] = field(default_factory=Counter)

    def is_refused(self, told: Told) -> bool:
        """Whether a message was refused as a whole."""
        return told.key in self.refused_keys or (
            told.body is not None and refusal_hash(told) in self.refused_hashes
        )


def refusal_hash(told: Told) -> int:
    """What the table of rejects tells a body by."""
    assert told.body is not None
    topic = f"tbox/v1/{told.vin}/up/{told.kind}".encode()
    return hash_of(topic, b"\x00", wire.first_sent(told.body))


async def held(conn: Connection, truth: Truth) -> Held:
    """Read from the store what the invariants need."""
    vins = sorted({one.vin for one in truth.messages})
    boots = sorted({one.boot for one in truth.messages})
    hashes = [refusal_hash(one) for one in truth.messages if one.body is not None]
    found = Held({str(vin): ref for vin, ref in (await vehicles.known(conn, vins)).items()})
    for entry in await stored.entries(conn, vins, boots):
        found.lives[entry.key].append(entry)
    for one in await stored.refused(conn, vins, boots, hashes):
        _note(found, one)
    found.partly = await stored.partly_refused(conn, vins, boots)
    if truth.messages:
        since_us, until_us = _span_us(truth.messages)
        found.several = await stored.several_segments(conn, vins, boots, since_us=since_us, until_us=until_us)
    return found


def _note(found: Held, one: Refused) -> None:
    found.reasons[one.reason] += 1
    if one.key is not None:
        found.refused_keys.add(one.key)
    found.refused_hashes.add(one.body_hash)


def nothing_is_lost(truth: Truth, found: Held) -> Finding:
    """I1: every message sent is stored, or refused with a reason, or still with its vehicle."""
    counts: Counter[str] = Counter()
    lost = []
    for told in truth.messages:
        where = _where(told, truth, found)
        counts[where] += 1
        if where == "lost":
            lost.append(told.key)
    parts = ", ".join(
        f"{counts[word]} {word}"
        for word in ("stored", "refused", "in a buffer", "dropped", "lost")
        if counts[word] or word in ("stored", "lost")
    )
    if counts["refused"]:
        parts += f" (refused for {', '.join(sorted(found.reasons))})"
    killed = "" if truth.is_closed else "; the sender did not come to its end"
    return _finding("I1", f"{len(truth.messages)} sent: {parts}{killed}", lost)


def _where(told: Told, truth: Truth, found: Held) -> str:
    entries = found.lives.get(told.key, ())
    if told.body is not None:
        body_hash = hash_of(wire.first_sent(told.body))
        is_stored = any(one.body_hash in (body_hash, None) for one in entries)
    else:
        is_stored = bool(entries)
    if is_stored:
        return "stored"
    if found.is_refused(told):
        return "refused"
    if told.key in truth.buffered:
        return "in a buffer"
    return "dropped" if told.key in truth.dropped else "lost"


def nothing_is_doubled(truth: Truth, found: Held) -> Finding:
    """I2: no message has more rows in the ledger than bodies were sent, and none has two segments.

    A message of which a part was refused and came in later has two.
    """
    bodies: dict[Key, set[str]] = defaultdict(set)
    for told in truth.messages:
        bodies[told.key].add(told.sha256)
    twice = {key for key, sent in bodies.items() if len(found.lives.get(key, ())) > len(sent)}
    twice |= (found.several - found.partly) & bodies.keys()
    rows = sum(len(found.lives.get(key, ())) for key in bodies)
    return _finding("I2", f"{rows} ledger rows of {len(bodies)} numbers, a segment each at most", twice)


@dataclass(frozen=True, slots=True)
class Compared:
    """A message's values as decoded from what was sent, and as stored."""

    sent: tuple[Sum, ...]
    """Of each body that was sent under this number."""
    kept: tuple[Sum, ...]
    """Of each life."""

    @property
    def is_equal(self) -> bool:
        """Whether every life holds what one body said."""
        return sorted(self.sent) == sorted(self.kept)


async def compare(
    conn: Connection,
    truth: Truth,
    found: Held,
    catalogue: Catalogue,
    codebooks: Codebooks,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[dict[Key, Compared], int]:
    """Decode every stored message of the truth anew; also how many could not be compared."""
    decoder = Decoder(catalogue, codebooks)
    told_of: dict[str, list[Told]] = defaultdict(list)
    for told in truth.messages:
        if _where(told, truth, found) == "stored" and told.key not in found.partly:
            told_of[told.vin].append(told)
    compared: dict[Key, Compared] = {}
    for vin, mine in told_of.items():
        vehicle = found.fleet[vin]
        sent = _decoded(decoder, mine, vehicle)
        kept = await _kept(conn, vehicle, mine)
        for key, sums in sent.items():
            lives = kept.get(key, {})
            n = len(found.lives[key])
            known = [lives.get(one.life, NOTHING) for one in found.lives[key]]
            if None not in sums and n:
                compared[key] = Compared(tuple(one for one in sums if one is not None), tuple(known))
        progress(len(mine))
    return compared, decoder.left_out


def _decoded(decoder: Decoder, mine: Sequence[Told], vehicle: VehicleRef) -> dict[Key, list[Sum | None]]:
    """The sums of each number's different bodies."""
    sums: dict[Key, dict[str, Sum | None]] = defaultdict(dict)
    for told in mine:
        assert told.body is not None
        if told.sha256 not in sums[told.key]:
            sums[told.key][told.sha256] = decoder.sum_of(told.kind, told.body, vehicle)
    return {key: list(of.values()) for key, of in sums.items()}


async def _kept(conn: Connection, vehicle: VehicleRef, mine: Sequence[Told]) -> dict[Key, dict[int, Sum]]:
    """Stored sums by message and life."""
    since_us, until_us = _span_us(mine)
    kept: dict[Key, dict[int, Sum]] = defaultdict(dict)
    boots = sorted({one.boot for one in mine})
    async for rows in stored.values(conn, vehicle.id, boots, since_us=since_us, until_us=until_us):
        names = np.stack([rows.boot, rows.life, rows.seq])
        order = np.lexsort(names)
        changes = np.flatnonzero((np.diff(names[:, order], axis=1) != 0).any(axis=0)) + 1
        for part in np.split(order, changes) if len(order) else ():
            boot, life, seq = (int(column[part[0]]) for column in names)
            lives = kept[(str(vehicle.vin), boot, seq)]
            found = checksum(rows.signal[part], rows.t_us[part], rows.value[part])
            lives[life] = together([lives.get(life, NOTHING), found])
    return kept


def _span_us(messages: Sequence[Told]) -> tuple[int, int]:
    """Where the segments of messages begin: a message spans a day at most."""
    moments = [one.t0_us for one in messages]
    return max(0, min(moments) - _DAY_US), max(moments) + _DAY_US


def values_are_equal(sums: Mapping[Key, Compared], left_out: int) -> Finding:
    """I3: what is stored is what an offline decode of the truth says."""
    wrong = [key for key, one in sums.items() if not one.is_equal]
    sent = together(one for each in sums.values() for one in each.sent)
    kept = together(one for each in sums.values() for one in each.kept)
    beside = f"; {left_out} messages depend on others and were not compared" if left_out else ""
    sentence = (
        f"{len(sums)} messages: {sent[0]} values with checksum {sent[1]:016x} decoded,"
        f" {kept[0]} with {kept[1]:016x} stored{beside}"
    )
    return _finding("I3", sentence, wrong)


def gaps_agree(truth: Truth, found: Held, open_gaps: Iterable[tuple[str, int, int, int]]) -> Finding:
    """I5, the table of gaps: open are exactly the numbers that were passed over and are not here."""
    missing = {(vin, boot, seq) for vin, boot, first, last in open_gaps for seq in range(first, last + 1)}
    highest: dict[tuple[str, int], int] = {}
    for vin, boot, seq in (*found.lives, *found.refused_keys):
        highest[vin, boot] = max(seq, highest.get((vin, boot), -1))
    wrong, gaps_n = [], 0
    for told in truth.messages:
        is_here = bool(found.lives.get(told.key)) or told.key in found.refused_keys
        is_unreadable = not is_here and found.is_refused(told)
        is_gap = not is_here and told.seq < highest.get((told.vin, told.boot), -1)
        gaps_n += is_gap
        if (told.key in missing) != is_gap and not is_unreadable:
            wrong.append(told.key)
    says = "otherwise" if wrong else "as much"
    return _finding("I5", f"{gaps_n} numbers missing, the table of gaps says {says}", wrong)


def metrics_agree(samples: Mapping[str, float], ledger_n: int, refused_n: int) -> Finding:
    """I5, the counters of one process: they add up, and it stored no more than there is."""
    outcome = {
        word: int(samples.get(f'odocare_ingest_messages_total{{outcome="{word}"}}', 0))
        for word in ("received", "stored", "doubled", "rejected")
    }
    told = ", ".join(f"{n} {word}" for word, n in outcome.items())
    wrong = []
    if outcome["received"] != outcome["stored"] + outcome["doubled"] + outcome["rejected"]:
        wrong.append("received is not the sum of the others")
    if outcome["stored"] > ledger_n:
        wrong.append(f"the ledger has only {ledger_n} messages")
    if outcome["rejected"] > refused_n:
        wrong.append(f"only {refused_n} messages are kept as refused")
    return Finding("I5", "broken" if wrong else "ok", f"metrics: {told}", tuple(wrong))


def worst(findings: Sequence[Finding]) -> Verdict:
    """One verdict for several findings of an invariant."""
    verdicts = {one.verdict for one in findings}
    return "broken" if "broken" in verdicts else "ok" if "ok" in verdicts else "-"


def _finding(name: str, sentence: str, wrong: Collection[Key]) -> Finding:
    examples = tuple(f"{vin} boot {boot} seq {seq}" for vin, boot, seq in sorted(wrong)[:EXAMPLES])
    if wrong:
        sentence += f"; {len(wrong)} wrong"
    return Finding(name, "broken" if wrong else "ok", sentence, examples)

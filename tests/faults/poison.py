"""Poison with a seed: bodies of every kind that no sane vehicle sends, near misses more often than noise."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

from decoders.envelope import encode
from ingest.delivery import Delivery
from tests.faults.bombs import bombs
from tests.fuzz.dice import Dice
from tests.fuzz.mutators import mutated
from tests.ingest.senders import EXTENDED, KNOWN_US, ODOMETER, can, deliver, raw, signals
from tests.ingest.test_broken_bodies import KINDS, bodies, targets
from vehicle.vin import Vin

FIRST_SEQ: Final = 10_000
MOST_NOISE_BYTES: Final = 600
ODD: Final[tuple[Any, ...]] = (
    None, True, -1, 0, 1.5, 1e308, 2**63, 2**64 - 1, -(2**63), "", "x", "\x00", "1", "ä" * 300, [], [[]], {},
    {"": None}, [None, 1, "x"], b"", b"\xff" * 9, float("nan"), float("inf"),
)  # fmt: skip
"""In the place of any value."""


def noise(dice: Dice, of: Vin, _: int) -> Delivery:
    """Random bytes; the first one often says JSON, MessagePack or zlib."""
    first = dice.one_of((b"", b"{", b"[", b"\x87", b"\xdf", b"\x78\x9c", b"\x78\xda", b"##"))
    body = first + dice.octets(dice.below(MOST_NOISE_BYTES))
    return raw(of, dice.one_of(KINDS), body)


def odd_types(dice: Dice, of: Vin, seq: int) -> Delivery:
    """A good body in which one value, anywhere, is of another type or size."""
    kind = dice.one_of(KINDS[:4])
    as_json = bool(dice.below(2))
    good = bodies(of, seq, kind)[2 if as_json else 0]
    tree = json.loads(good) if as_json else msgspec.msgpack.decode(good)
    places = [where for where in _places(tree) if where]
    *way, last = dice.one_of(places)
    node = tree
    for step in way:
        node = node[step]
    node[last] = dice.one_of(ODD)
    body = json.dumps(tree, default=bytes.hex).encode() if as_json else msgspec.msgpack.encode(tree)
    return raw(of, kind, body)


def cut(dice: Dice, of: Vin, seq: int) -> Delivery:
    """A good body that ends early, or goes on behind its end."""
    kind = dice.one_of(KINDS)
    good = dice.one_of(bodies(of, seq, kind))
    if dice.below(4) == 0:
        return raw(of, kind, good + dice.octets(1 + dice.below(9)))
    return raw(of, kind, good[: dice.below(len(good))])


def unknown(dice: Dice, of: Vin, seq: int) -> Delivery:
    """Words and identifiers that nobody knows."""
    number = dice.below(0x7FF)
    frames = [(n * 1000, number if n % 2 else EXTENDED | number << 8, dice.octets(8)) for n in range(9)]
    short = [(n * 1000, EXTENDED | 0x18FEC100, dice.octets(dice.below(8))) for n in range(9)]
    return dice.one_of(
        (
            deliver(can(of, seq, frames)),
            deliver(can(of, seq, short)),
            deliver(can(of, seq, frames, codebook=f"nobody's {number}")),
            deliver(signals(of, seq, {f"Vehicle.X-Nobody.N{number}": 1.0, ODOMETER: 1e6})),
            raw(of, "photo", encode(signals(of, seq, {ODOMETER: 1.0}))),
        )
    )


def mutants(dice: Dice, of: Vin, seq: int) -> Delivery:
    """A good body after one to six changes of a byte or so."""
    kind, how = dice.one_of(targets())
    return raw(of, kind, mutated(how, bodies(of, seq, kind), dice))


FAMILIES: Final[tuple[Callable[[Dice, Vin, int], Delivery], ...]] = (
    noise, odd_types, cut, unknown, mutants, odd_types, cut, mutants,
)  # fmt: skip


def corpus(seed: int, vins: Sequence[Vin], n: int) -> list[Delivery]:
    """So many different bodies, of every family by turns; bombs among them where there is room."""
    dice = Dice(seed)
    found: dict[tuple[str, bytes], Delivery] = {}
    for kind, body, _ in bombs(vins[0]).values():
        if len(found) < n // 4:
            one = raw(vins[0], kind, body)
            found[one.topic, one.body] = one
    while len(found) < n:
        family = FAMILIES[len(found) % len(FAMILIES)]
        one = family(dice, dice.one_of(vins), FIRST_SEQ + len(found))
        found[one.topic, one.body] = one
    assert all(one.known_us == KNOWN_US for one in found.values())
    return list(found.values())


def _places(tree: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every node of a decoded body."""
    yield above
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield from _places(value, (*above, key))
    elif isinstance(tree, list):
        for number, value in enumerate(tree[:3]):
            yield from _places(value, (*above, number))

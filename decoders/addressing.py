"""Which CAN identifiers carry diagnostics, and who talks with whom (ISO 15765-2, ISO 15765-4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vehicle.frame import FrameBatch

EXTENDED: Final = 0x8000_0000
"""Bit 31 of an identifier as on the wire: it has 29 bits."""
FUNCTIONAL: Final = 0x7DF
"""A tester asks every emission-related ECU; 11 bits."""
FIXED_FUNCTIONAL: Final = EXTENDED | 0x18DB33F1
"""The same with 29 bits."""

Endpoint: TypeAlias = tuple[int, int | None]
"""One direction of a conversation: identifier as on the wire and, with extended addressing, the address
that stands in the payload's first byte."""

_REQUESTS: Final = range(0x7E0, 0x7E8)
_ANSWERS: Final = range(0x7E8, 0x7F0)
_FIXED: Final = EXTENDED | 0x18DA0000
_TESTER: Final = 0xF1


@dataclass(frozen=True, slots=True)
class Addressing:
    """The conversations to listen to, OBD's own among them unless `with_obd` is false.

    Those are 0x7DF, 0x7E0 to 0x7EF, 0x18DAxxF1, 0x18DAF1xx and 0x18DB33F1 (ISO 15765-4).
    """

    normal: frozenset[int] = frozenset()
    """Further identifiers, as on the wire; who answers them is not known."""
    extended: frozenset[int] = frozenset()
    """Further identifiers whose payloads begin with an address."""
    pairs: tuple[tuple[Endpoint, Endpoint], ...] = ()
    """Further conversations, each as its tester's and its ECU's endpoint."""
    with_obd: bool = True
    _opposite: Mapping[Endpoint, Endpoint] = field(init=False, repr=False, compare=False)
    _with_address: frozenset[int] = field(init=False, repr=False, compare=False)
    _standard: NDArray[np.bool_] = field(init=False, repr=False, compare=False)
    _wide: NDArray[np.uint32] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        there = dict(self.pairs)
        endpoints = [endpoint for pair in self.pairs for endpoint in pair]
        with_address = self.extended | {wire_id for wire_id, address in endpoints if address is not None}
        wire_ids = self.normal | self.extended | {wire_id for wire_id, _ in endpoints}
        standard = np.zeros(2**11, np.bool_)
        standard[[wire_id for wire_id in wire_ids if wire_id < EXTENDED]] = True
        if self.with_obd:
            standard[[FUNCTIONAL, *_REQUESTS, *_ANSWERS]] = True
        wide = sorted(wire_id & ~EXTENDED for wire_id in wire_ids if wire_id >= EXTENDED)
        back = {ecu: tester for tester, ecu in self.pairs}
        object.__setattr__(self, "_opposite", there | back)
        object.__setattr__(self, "_with_address", with_address)
        object.__setattr__(self, "_standard", standard)
        object.__setattr__(self, "_wide", np.array(wide, np.uint32))

    def carries(self, batch: FrameBatch) -> NDArray[np.bool_]:
        """Which frames of a batch are diagnostic ones, shape (n,)."""
        found: NDArray[np.bool_] = self._standard[batch.can_id & np.uint32(0x7FF)] & ~batch.is_extended
        if not batch.is_extended.any():
            return found
        wide = np.isin(batch.can_id, self._wide)
        if self.with_obd:
            low, high = batch.can_id & np.uint32(0xFF), (batch.can_id >> np.uint32(8)) & np.uint32(0xFF)
            is_fixed = batch.can_id >> np.uint32(16) == _FIXED >> 16 & 0x1FFF
            wide |= is_fixed & ((low == _TESTER) | (high == _TESTER))
            wide |= batch.can_id == FIXED_FUNCTIONAL & ~EXTENDED
        found |= wide & batch.is_extended
        return found

    def has_address(self, wire_id: int) -> bool:
        """Whether the payloads of an identifier begin with an address."""
        return wire_id in self._with_address

    def opposite(self, endpoint: Endpoint) -> Endpoint | None:
        """Who answers, or who asked; None where that is not known."""
        known = self._opposite.get(endpoint)
        if known is not None or not self.with_obd:
            return known
        wire_id = endpoint[0]
        if wire_id in _REQUESTS:
            return (wire_id + 8, None)
        if wire_id in _ANSWERS:
            return (wire_id - 8, None)
        if wire_id >> 16 == _FIXED >> 16:
            return (_FIXED | (wire_id & 0xFF) << 8 | (wire_id >> 8 & 0xFF), None)
        return None

    def askers(self, endpoint: Endpoint) -> tuple[Endpoint, ...]:
        """On what the request of an answer may have stood: its opposite, and the identifier for all."""
        opposite = self.opposite(endpoint)
        found = () if opposite is None else (opposite,)
        if self.with_obd and endpoint[0] in _ANSWERS:
            return (*found, (FUNCTIONAL, None))
        if self.with_obd and endpoint[0] >> 8 == (_FIXED | _TESTER << 8) >> 8:
            return (*found, (FIXED_FUNCTIONAL, None))
        return found


def ecu_name(endpoint: Endpoint) -> str:
    """How the sender of an answer is called that has only an identifier: `7e8`, `18daf110`, `612-f1`."""
    wire_id, address = endpoint
    name = f"{wire_id & ~EXTENDED:08x}" if wire_id >= EXTENDED else f"{wire_id:03x}"
    return name if address is None else f"{name}-{address:02x}"

"""What a T-Box keeps of what it sent, until the server says that it is stored; pure, one per vehicle."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

MOST_BYTES: Final = 16 * 1024 * 1024
"""Room for bodies. Invented: a small partition of a T-Box's flash."""

Number = tuple[int, int]
"""Boot and sequence number."""
Gap = tuple[int, int]
"""First and last sequence number of a run that the server does not have."""


@dataclass(slots=True)
class Held:
    """One message that nobody has acknowledged yet."""

    boot: int
    seq: int
    topic: str
    body: bytes
    """As it was sent first."""
    sent_at_s: float
    """When it was sent last; of the sender's clock."""
    is_resent: bool = False

    @property
    def number(self) -> Number:
        """Its name within the vehicle."""
        return (self.boot, self.seq)


@dataclass(slots=True)
class Buffer:
    """Oldest first; what does not fit any more pushes the oldest out, and that is counted."""

    most_bytes: int = MOST_BYTES
    dropped: list[Number] = field(default_factory=list)
    """What was pushed out before it was acknowledged: lost, and the vehicle knows it."""
    _held: dict[Number, Held] = field(default_factory=dict)
    _bytes: int = 0

    def __len__(self) -> int:
        return len(self._held)

    def put(self, message: Held) -> None:
        """Keep a message, whose number is new."""
        if message.number in self._held:
            raise ValueError(
                f"number {message.number} is held already: seq rises by one, boot with each start"
            )
        self._held[message.number] = message
        self._bytes += len(message.body)
        while self._bytes > self.most_bytes and len(self._held) > 1:
            self.dropped.append(self._forget(next(iter(self._held))))

    def acknowledged(self, boot: int, upto: int, gaps: Collection[Gap] = (), seen: int | None = None) -> int:
        """Let go of what the server has; returns how many that were.

        It has every number up to `upto`, and of those up to `seen` every one that is in none of the `gaps`,
        whose ends are included. Of what lies above it says nothing here: a later acknowledgement will.
        """
        known_to = upto if seen is None else seen
        gone = [
            (of, seq)
            for of, seq in self._held
            if of == boot
            and (seq <= upto or (seq <= known_to and not any(first <= seq <= last for first, last in gaps)))
        ]
        for number in gone:
            self._forget(number)
        return len(gone)

    def pending(self, *, sent_before_s: float | None = None) -> Iterator[Held]:
        """What is held, oldest first; only what was sent last before a moment, if one is given."""
        for held in list(self._held.values()):
            if sent_before_s is None or held.sent_at_s < sent_before_s:
                yield held

    def _forget(self, number: Number) -> Number:
        self._bytes -= len(self._held.pop(number).body)
        return number

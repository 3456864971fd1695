"""The signal files of one codebook, joined: messages with their places, and what was wrong with the files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cantools.database.can import Message, Signal

from decoders.remark import Remark
from decoders.signal_files import layout, reading
from decoders.signal_files.file import MAX_MESSAGES, SignalFile
from vehicle.errors import CodebookError

_ID: Final = 0x8000_0000


@dataclass(frozen=True, slots=True)
class Placed:
    """A message and where it stands."""

    file: SignalFile
    message: Message
    signals: Mapping[str, tuple[Signal, ...]]
    """By name; several where their multiplexer says which of them is in a frame."""
    doubtful: Mapping[str, str] = field(default_factory=dict)
    """Signals that cannot be read reliably: why."""

    @property
    def place(self) -> str:
        """For a sentence about it."""
        return f"{self.file.name}:{self.file.line_of(self.message.name)}: message {self.message.name}"


@dataclass(frozen=True, slots=True)
class Database:
    """All messages of some signal files."""

    messages: Mapping[str, Placed]
    """By name."""
    remarks: tuple[Remark, ...]
    left_out: Mapping[str, str]
    """Messages, and signals as `MESSAGE.SIGNAL`, that are not read: why, with file and line."""


def load(contents: Mapping[str, str | bytes]) -> Database:
    """Read files by name. Raises `CodebookError` with all that is wrong, each with file and line."""
    joining = _Joining()
    problems = []
    for name, content in contents.items():
        try:
            joining.add(reading.load(name, content))
        except CodebookError as error:
            problems.append(str(error))
    problems += joining.problems
    if not contents:
        problems.append("a codebook has one signal file or more, got none")
    if len(joining.messages) > MAX_MESSAGES:
        problems.append(f"a codebook has at most {MAX_MESSAGES} messages, got {len(joining.messages)}")
    if problems:
        raise CodebookError("\n".join(problems))
    order = {name: place for place, name in enumerate(contents)}
    remarks = sorted(joining.remarks, key=lambda one: (order[one.file], one.line))
    return Database(joining.messages, tuple(remarks), joining.left_out)


class _Joining:
    def __init__(self) -> None:
        self.messages: dict[str, Placed] = {}
        self.remarks: list[Remark] = []
        self.left_out: dict[str, str] = {}
        self.problems: list[str] = []
        self.by_id: dict[int, str] = {}

    def add(self, loaded: reading.Loaded) -> None:
        self.remarks += loaded.remarks
        for name, why in loaded.left_out.items():
            self.left_out.setdefault(name, why)
        for message in loaded.messages:
            self.message(loaded, message)

    def message(self, loaded: reading.Loaded, message: Message) -> None:
        file, key = loaded.file, message.frame_id | (_ID if message.is_extended_frame else 0)
        earlier = self.messages.get(message.name)
        if earlier is not None and layout.is_same(earlier.message, message):
            self.say(file, message, "same-message-twice", f"{message.name} stands in {earlier.file.name} too")
            return
        if earlier is not None and earlier.file is not file:
            self.problems.append(
                f"{file.name}:{file.line_of(message.name)}: message {message.name} stands in "
                f"{earlier.file.name} too, and differs"
            )
            return
        if earlier is not None:
            name = f"{message.name}_{message.frame_id:#x}"
            while name in self.messages:
                name += "_"
            what = f"{message.frame_id:#x} is a second message {message.name!r}; it is read as {name!r}"
            self.say(file, message, "duplicate-message-name", what)
            message.name = name
        other = self.by_id.setdefault(key, message.name)
        if other != message.name:
            what = f"{message.name} and {other} have the identifier {message.frame_id:#x}"
            self.say(file, message, "duplicate-identifier", what)
        signals, remarks = layout.by_name(file, message)
        self.remarks += remarks
        self.leave_out_early(file, message, signals)
        self.remarks += layout.overlaps(file, message, signals)
        doubtful = {}
        for name in loaded.multiplexed.get(key, frozenset()) & signals.keys():
            if signals[name][0].multiplexer_ids is None:
                doubtful[name] = "it is multiplexed, and nothing says by which signal"
                what = f"{message.name}.{name} is multiplexed, and nothing says by which signal"
                self.say(file, message, "multiplexer-missing", what, name)
        self.messages[message.name] = Placed(file, message, signals, doubtful)

    def leave_out_early(
        self, file: SignalFile, message: Message, signals: dict[str, tuple[Signal, ...]]
    ) -> None:
        """Take out signals that begin before their message, which cantools lets pass."""
        for name, same in list(signals.items()):
            first = min(signal.start for signal in same)
            if first < 0:
                del signals[name]
                why = f"{file.name}:{file.line_of(message.name, name)}: {name} begins at bit {first}"
                self.left_out[f"{message.name}.{name}"] = why
                self.say(
                    file,
                    message,
                    "signal-before-message",
                    f"{message.name}.{name} begins at bit {first}",
                    name,
                )

    def say(self, file: SignalFile, message: Message, name: str, what: str, signal: str = "") -> None:
        line = file.line_of(message.name, *([signal] if signal else []))
        self.remarks.append(Remark(name, file.name, line, what))

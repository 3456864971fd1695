"""A DBC file while it is written anew: messages, signals, and what was noticed about them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from decoders.remark import Remark
from decoders.signal_files.dbc_statements import KEYWORDS

_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN: Final = 80


@dataclass(slots=True)
class DraftSignal:
    """An `SG_` line."""

    line: int
    parts: dict[str, str]
    """As the repaired file writes them, but for the name."""
    alias: str
    """A name that cantools takes."""
    is_left_out: bool = False

    @property
    def name(self) -> str:
        """As the file writes it."""
        return self.parts["name"]

    @property
    def bits(self) -> int:
        """How many it has."""
        return int(self.parts["length"])

    @property
    def is_multiplexer(self) -> bool:
        """Whether other signals depend on it."""
        return self.parts["mux"].endswith("M")


@dataclass(slots=True)
class DraftMessage:
    """A `BO_` line and its signals."""

    line: int
    name: str
    alias: str
    key: int
    """Identifier as the repaired file writes it."""
    length: int
    signals: list[DraftSignal] = field(default_factory=list)
    by_name: dict[str, DraftSignal] = field(default_factory=dict)
    """The first of each name."""
    why_left_out: str = ""

    def add(self, signal: DraftSignal) -> None:
        """One more signal."""
        self.signals.append(signal)
        self.by_name.setdefault(signal.name, signal)

    def lines(self) -> Iterator[str]:
        """The message in the repaired file."""
        yield f"BO_ {self.key} {self.alias}: {self.length} Vector__XXX"
        for one in self.signals:
            if not one.is_left_out:
                layout = "{mux} : {start}|{length}@{order}{sign}".format_map(one.parts)
                number = '({scale},{offset}) [{limits}] "{unit}"'.format_map(one.parts)
                yield f" SG_ {one.alias} {layout} {number} Vector__XXX"
        yield ""


@dataclass(slots=True)
class Notes:
    """What is noticed on the way."""

    file: str
    remarks: list[Remark] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    """Alias to name."""
    left_out: dict[str, str] = field(default_factory=dict)
    """`MESSAGE` or `MESSAGE.SIGNAL` to why, with file and line."""

    def say(self, name: str, line: int, what: str) -> None:
        """Remark on something."""
        self.remarks.append(Remark(name, self.file, line, what))

    def leave_out(self, message: DraftMessage, signal: DraftSignal | None, line: int, why: str) -> None:
        """Leave out one signal; with it, where others depend on it or none is named, its whole message."""
        if signal is None or signal.is_multiplexer:
            message.why_left_out = message.why_left_out or f"line {line}: {why}"
            return
        signal.is_left_out = True
        self.left_out[f"{message.name}.{signal.name}"] = f"{self.file}:{line}: {why}"

    def alias(self, name: str, line: int) -> str:
        """A name that cantools takes."""
        if _PLAIN_NAME.fullmatch(name) and name not in KEYWORDS:
            return name
        if name in KEYWORDS:
            self.say("name-is-keyword", line, f"{name!r} is a word of the format itself")
        elif name[0].isdigit():
            self.say("name-starts-with-digit", line, f"{name!r} is kept as it is written")
        else:
            self.say("name-with-odd-characters", line, f"{name!r} is kept as it is written")
        alias = f"odd_name_{len(self.names)}__"
        self.names[alias] = name
        return alias


def shown(text: str) -> str:
    """The beginning of a text, on one line."""
    flat = " ".join(text.split())
    return repr(flat if len(flat) <= _SHOWN else f"{flat[: _SHOWN - 3]}...")

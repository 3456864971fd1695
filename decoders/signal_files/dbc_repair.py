"""DBC files that cantools refuses, written anew so that it reads them; every change has a name.

Only what says how values are read is kept: messages, signals, multiplexing, number types, value tables, long
names. A message of which something cannot be understood is left out whole: half of a multiplexed message
would give wrong values.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from decoders.remark import Remark
from decoders.signal_files.dbc_details import Details
from decoders.signal_files.dbc_draft import DraftMessage, DraftSignal, Notes, shown
from decoders.signal_files.dbc_statements import Statement, cut, without_comment
from decoders.signal_files.file import MAX_MESSAGE_BYTES, SignalFile

EXTENDED: Final = 0x8000_0000
_LAST_STANDARD: Final = 0x7FF
_LAST_EXTENDED: Final = 0x1FFF_FFFF
_NUMBER: Final = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_NO_MESSAGE: Final = "VECTOR__INDEPENDENT_SIG_MSG"
"""Holds signals that are in no message."""
_BO: Final = re.compile(
    r"BO_\s+(?P<id>0[xX][0-9a-fA-F]+|\d+)\s+(?P<name>[^\s:]+)\s*:\s*(?P<length>\d+)(?:\s+(?P<sender>\S.*))?"
)
_SG: Final = re.compile(
    r"SG_\s+(?P<name>[^\s:]+)(?:\s+(?P<mux>M|m\d+M?))?\s*:\s*(?P<start>\d+)\s*\|\s*(?P<length>\d+)\s*@\s*"
    rf"(?P<order>[01])\s*(?P<sign>[-+])\s*\(\s*(?P<scale>{_NUMBER})\s*,\s*(?P<offset>{_NUMBER})\s*\)\s*"
    r'\[(?P<limits>[^\]]*)\]\s*"(?P<unit>.*)"(?P<receivers>[^"]*)'
)
_SG_FORM: Final = 'SG_ NAME [M|m0] : START|BITS@ORDER SIGN (SCALE,OFFSET) [MIN|MAX] "UNIT" RECEIVERS'
_LIMITS: Final = re.compile(rf"\s*({_NUMBER})\s*\|\s*({_NUMBER})\s*")
_POINT_FIRST: Final = re.compile(r"([-+]?)\.")


@dataclass(frozen=True, slots=True)
class Repaired:
    """A file that cantools reads, and how it came about."""

    text: str
    names: Mapping[str, str]
    """Names as cantools sees them to names as the file writes them, where they differ."""
    remarks: tuple[Remark, ...]
    left_out: Mapping[str, str]
    """Messages, and signals as `MESSAGE.SIGNAL`, that are not read: why, with file and line."""


def repair(file: SignalFile) -> Repaired:
    """Write a file anew, statement by statement."""
    writing = _Writing(file.name)
    for one in cut(file.text):
        writing.read(one)
    return writing.repaired()


class _Writing:
    def __init__(self, file: str) -> None:
        self.notes = Notes(file)
        self.messages: list[DraftMessage] = []
        self.details = Details(self.notes)
        self.here: DraftMessage | None = None

    def repaired(self) -> Repaired:
        behind = self.details.lines()
        for message in self.messages:
            if message.why_left_out:
                self.notes.say("message-left-out", message.line, f"{message.name}: {message.why_left_out}")
                why = f"{self.notes.file}:{message.line}: {message.why_left_out}"
                self.notes.left_out.setdefault(message.name, why)
        messages = [line for one in self.messages if not one.why_left_out for line in one.lines()]
        return Repaired(
            text="\n".join(['VERSION ""', "BU_: Vector__XXX", *messages, *behind]) + "\n",
            names=self.notes.names,
            remarks=tuple(sorted(self.notes.remarks, key=lambda one: one.line)),
            left_out=self.notes.left_out,
        )

    def read(self, one: Statement) -> None:
        if not one.is_closed:
            self.notes.say("missing-semicolon", one.line, f"{one.keyword} ends without ';'")
        if one.keyword == "BO_":
            self.message(one)
        elif one.keyword == "SG_":
            self.signal(one)
        elif not one.keyword:
            self.notes.say("unknown-section", one.line, f"{shown(one.text)} is left out")
        else:
            self.details.add(one)

    def message(self, one: Statement) -> None:
        self.here = None
        found = _BO.fullmatch(without_comment(one.text))
        if found is None:
            what = f"a message is BO_ ID NAME: BYTES SENDER, got {shown(one.text)}"
            self.notes.say("message-left-out", one.line, what)
            self.here = DraftMessage(one.line, "", "", 0, 0, why_left_out=what)  # takes its signals along
            return
        name, digits = found["name"], found["id"]
        written = int(digits, 16) if digits[1:2] in ("x", "X") else int(digits)
        alias = self.notes.alias(name, one.line)
        self.here = message = DraftMessage(one.line, name, alias, written, int(found["length"]))
        self.details.by_id.setdefault(written, []).append(message)
        if name == _NO_MESSAGE:
            message.why_left_out = "it is none"
            return
        self.messages.append(message)
        if found["sender"] is None:
            self.notes.say("missing-sender", one.line, f"{name} has no sender; none is needed")
        self.identifier(message, written)
        if message.length > MAX_MESSAGE_BYTES:
            why = f"a message has at most {MAX_MESSAGE_BYTES} bytes, got {message.length}"
            self.notes.leave_out(message, None, one.line, why)

    def identifier(self, message: DraftMessage, written: int) -> None:
        if _LAST_STANDARD < written <= _LAST_EXTENDED:
            message.key = written | EXTENDED
            what = f"{message.name}: {written:#x} needs 29 bits and lacks the mark of such (bit 31)"
            self.notes.say("id-not-marked-extended", message.line, what)
        elif written > _LAST_STANDARD and not EXTENDED <= written <= EXTENDED | _LAST_EXTENDED:
            why = f"an identifier has at most 29 bits, got {written:#x}"
            self.notes.leave_out(message, None, message.line, why)

    def signal(self, one: Statement) -> None:
        message = self.here
        if message is None:
            self.notes.say("signal-without-message", one.line, f"{shown(one.text)} is left out")
            return
        found = _SG.fullmatch(without_comment(one.text))
        if found is None:
            why = f"a signal is {_SG_FORM}, got {shown(one.text)}"
            self.notes.leave_out(message, None, one.line, why)
            return
        parts = {key: value or "" for key, value in found.groupdict().items()}
        bits, start = int(parts["length"]), int(parts["start"])
        signal = DraftSignal(one.line, parts, parts["name"])
        message.add(signal)
        if max(bits, start) > 8 * MAX_MESSAGE_BYTES:
            why = f"{signal.name} has {bits} bits from bit {start} on, a message {8 * MAX_MESSAGE_BYTES}"
            self.notes.leave_out(message, signal, one.line, why)
        elif bits == 0:
            self.notes.say("zero-length-signal", one.line, f"{message.name}.{signal.name} is left out")
            self.notes.leave_out(message, signal, one.line, f"{signal.name} has no bits")
        else:
            signal.alias = self.notes.alias(signal.name, one.line)
            self.spelling(f"{message.name}.{signal.name}", parts, one.line)

    def spelling(self, where: str, parts: dict[str, str], line: int) -> None:
        """Rewrite, in place, what cantools does not read."""
        limits = _LIMITS.fullmatch(parts["limits"])
        if limits is None:
            self.notes.say("unreadable-limits", line, f"{where}: [{parts['limits']}] limits nothing")
        low, high = ("0", "0") if limits is None else limits.groups()
        for key, text in (
            ("scale", parts["scale"]),
            ("offset", parts["offset"]),
            ("low", low),
            ("high", high),
        ):
            parts[key] = _POINT_FIRST.sub(r"\g<1>0.", text, count=1) if _POINT_FIRST.match(text) else text
            if parts[key] != text:
                self.notes.say("number-spelling", line, f"{where}: {text} is read as {parts[key]}")
        parts["limits"] = f"{parts['low']}|{parts['high']}"
        if not parts["receivers"].strip(" \t,"):
            self.notes.say("missing-receiver", line, f"{where} has no receiver; none is needed")
        plain = parts["unit"].replace('\\"', '"')
        if plain != parts["unit"].rstrip("\\") or '"' in plain:
            self.notes.say("quote-in-unit", line, f"{where}: unit {parts['unit']!r}")
        parts["unit"] = plain.rstrip("\\").replace('"', '\\"')

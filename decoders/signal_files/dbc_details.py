"""What stands in a DBC file behind its messages and says how their signals are read, repaired."""

import re
from dataclasses import dataclass, field
from typing import Final

from decoders.signal_files.dbc_draft import DraftMessage, DraftSignal, Notes, shown
from decoders.signal_files.dbc_statements import Statement

MAX_MULTIPLEXER_VALUES: Final = 1 << 17
"""In all ranges of a file together: cantools keeps each value of each range."""
_FLOAT_BITS: Final = (16, 32, 64)
_VAL: Final = re.compile(r"VAL_\s+(?P<id>\d+)\s+(?P<name>[^\s;]+)(?P<rest>.*)", re.DOTALL)
_PAIR: Final = re.compile(r'\s*([-+]?\d+)(?:\.0*)?\s*"((?:\\"|[^"])*+)"')
_TYPE: Final = re.compile(
    r"SIG_VALTYPE_\s+(?P<id>\d+)\s+(?P<name>[^\s:;]+)\s*(?P<colon>:?)\s*(?P<rest>\d+)\s*;?"
)
_MULTIPLEXED: Final = re.compile(
    r"SG_MUL_VAL_\s+(?P<id>\d+)\s+(?P<name>\S+)\s+(?P<on>\S+)\s+(?P<rest>\d+\s*-\s*\d+(?:[\s,]+\d+\s*-\s*\d+)*)\s*;?"
)
_RANGE: Final = re.compile(r"(\d+)\s*-\s*(\d+)")
_LONG_NAME: Final = re.compile(
    r'BA_\s+"(?P<kind>SystemSignalLongSymbol|SystemMessageLongSymbol)"\s+(?:BO_|SG_)\s+(?P<id>\d+)'
    r'(?:\s+(?P<name>[^\s"]+))?\s*"(?P<rest>[^"]*)"\s*;?'
)
_LONG_NAMES: Final = {"SystemMessageLongSymbol": "BO_", "SystemSignalLongSymbol": "SG_"}
_FORMS: Final = {"VAL_": _VAL, "SIG_VALTYPE_": _TYPE, "SG_MUL_VAL_": _MULTIPLEXED}


@dataclass(frozen=True, slots=True)
class _Line:
    """A statement of the repaired file, and whom it is about."""

    text: str
    message: DraftMessage
    signal: DraftSignal | None


@dataclass(slots=True)
class Details:
    """Statements about messages; read only when all messages are known."""

    notes: Notes
    by_id: dict[int, list[DraftMessage]] = field(default_factory=dict)
    """By identifier as the file writes it."""
    statements: list[Statement] = field(default_factory=list)
    multiplexer_values: int = 0

    def add(self, one: Statement) -> None:
        """Keep a statement that matters."""
        if one.keyword in _FORMS or one.keyword == "BA_":
            self.statements.append(one)

    def lines(self) -> list[str]:
        """What is to stand behind the messages; some messages are left out for what is found here."""
        found = [line for one in self.statements for line in self._read(one)]
        kept = [
            one.text
            for one in found
            if not one.message.why_left_out and not (one.signal and one.signal.is_left_out)
        ]
        used = [kind for kind in _LONG_NAMES if any(text.startswith(f'BA_ "{kind}"') for text in kept)]
        definitions = [f'BA_DEF_ {_LONG_NAMES[kind]} "{kind}" STRING ;' for kind in used]
        return [*definitions, *(f'BA_DEF_DEF_ "{kind}" "";' for kind in used), *kept]

    def _read(self, one: Statement) -> list[_Line]:
        if one.keyword == "BA_":
            return self._long_name(one)
        found = _FORMS[one.keyword].fullmatch(one.text)
        if found is None:
            self._unreadable(one)
            return []
        messages = self.by_id.get(int(found["id"]), [])
        message = next((each for each in messages if found["name"] in each.by_name), None)
        unused = "unused-value-table" if one.keyword == "VAL_" else "unused-statement"
        if not messages:
            self.notes.say(unused, one.line, f"{one.keyword}: there is no message {found['id']}")
        elif message is None and not all(each.why_left_out for each in messages):
            self.notes.say(
                unused, one.line, f"{one.keyword}: {messages[0].name} has no signal {found['name']!r}"
            )
        if message is None:
            return []
        signal = message.by_name[found["name"]]
        read = {"VAL_": self._choices, "SIG_VALTYPE_": self._number_type, "SG_MUL_VAL_": self._multiplexed}
        text = read[one.keyword](one.line, message, signal, found)
        return [_Line(text, message, signal)] if text else []

    def _unreadable(self, one: Statement) -> None:
        """What cannot be understood: harmless in a value table, not in what says how values are read."""
        numbered = re.match(r"\w+\s+(\d+)", one.text)
        messages = self.by_id.get(int(numbered[1]), []) if numbered else []
        if one.keyword == "VAL_" or not messages:
            self.notes.say("unreadable-statement", one.line, f"{shown(one.text)} is left out")
            return
        for message in messages:
            self.notes.leave_out(message, None, one.line, f"cannot be read: {shown(one.text)}")

    def _choices(self, line: int, message: DraftMessage, signal: DraftSignal, found: re.Match[str]) -> str:
        pairs = _PAIR.findall(found["rest"])
        if rest := _PAIR.sub("", found["rest"]).strip(" \t\n;"):
            what = f"{message.name}.{signal.name}: {shown(rest)} names no value"
            self.notes.say("unreadable-value-table", line, what)
        spelled = " ".join(f'{int(number)} "{name}"' for number, name in pairs)
        return f"VAL_ {message.key} {signal.alias} {spelled} ;" if pairs else ""

    def _number_type(
        self, line: int, message: DraftMessage, signal: DraftSignal, found: re.Match[str]
    ) -> str:
        if not found["colon"]:
            self.notes.say("missing-colon", line, f"SIG_VALTYPE_ of {message.name}.{signal.name}")
        if found["rest"] in ("1", "2") and signal.bits not in _FLOAT_BITS:
            why = f"float {signal.name} has 16, 32 or 64 bits, got {signal.bits}"
            self.notes.say("float-of-odd-size", line, f"{message.name}.{signal.name} is left out: {why}")
            self.notes.leave_out(message, signal, line, why)
        return f"SIG_VALTYPE_ {message.key} {signal.alias} : {found['rest']};"

    def _multiplexed(
        self, line: int, message: DraftMessage, signal: DraftSignal, found: re.Match[str]
    ) -> str:
        on = message.by_name.get(found["on"])
        if on is None:
            self.notes.leave_out(message, None, line, f"there is no multiplexer {found['on']!r}")
            return ""
        last = (1 << min(on.bits, 64)) - 1
        ranges = [(int(low), int(high)) for low, high in _RANGE.findall(found["rest"])]
        if any(high > last for _, high in ranges):
            what = f"{message.name}.{on.name} has {on.bits} bits: values above {last} do not occur"
            self.notes.say("multiplexer-range", line, what)
        kept = [(low, min(high, last)) for low, high in ranges if low <= min(high, last)]
        self.multiplexer_values += sum(high - low + 1 for low, high in kept)
        if self.multiplexer_values > MAX_MULTIPLEXER_VALUES:
            why = f"the ranges of a file hold at most {MAX_MULTIPLEXER_VALUES} values"
            self.notes.leave_out(message, None, line, why)
        elif not kept:
            self.notes.leave_out(message, None, line, f"{signal.name} is there at no value of {on.name}")
        spelled = ", ".join(f"{low}-{high}" for low, high in kept)
        return f"SG_MUL_VAL_ {message.key} {signal.alias} {on.alias} {spelled};"

    def _long_name(self, one: Statement) -> list[_Line]:
        found = _LONG_NAME.fullmatch(one.text)
        if found is None:
            return []
        keyword = _LONG_NAMES[found["kind"]]
        for message in self.by_id.get(int(found["id"]), []):
            signal = message.by_name.get(found["name"] or "") if keyword == "SG_" else None
            if keyword == "BO_" or signal is not None:
                of = "" if signal is None else f" {signal.alias}"
                text = f'BA_ "{found["kind"]}" {keyword} {message.key}{of} "{found["rest"]}";'
                return [_Line(text, message, signal)]
        return []

"""One signal file through cantools, repaired where cantools refuses it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from cantools.database.can import Message
from cantools.database.can.formats import arxml, dbc, kcd, sym

from decoders.remark import Remark
from decoders.signal_files import dbc_guard, markup, xml_guard
from decoders.signal_files.dbc_repair import repair
from decoders.signal_files.file import Format, SignalFile, read
from vehicle.errors import CodebookError

_READERS: Final[Mapping[Format, Any]] = {
    Format.DBC: dbc.load_string,
    Format.KCD: kcd.load_string,
    Format.SYM: sym.load_string,
    Format.ARXML: arxml.load_string,
}
_AT_LINE: Final = re.compile(r"at line (\d+)|line (\d+), column")
_IN_MESSAGE: Final = re.compile(r"in message (\S+?)[.,]?(?:\s|$)")
_QUOTED: Final = re.compile(r"['\"](\w+)['\"]")
_MARKED: Final = re.compile(r"^[ \t]*(?:BO_[ \t]+(\d+)|SG_[ \t]+(\w+)[ \t]+m\d+M?[ \t]*:)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The messages of one file."""

    file: SignalFile
    messages: list[Message]
    multiplexed: Mapping[int, frozenset[str]]
    """DBC: the signals that are marked as multiplexed, by their message's identifier."""
    remarks: list[Remark]
    left_out: Mapping[str, str]
    """Messages, and signals as `MESSAGE.SIGNAL`, that are not read: why, with file and line."""


def load(name: str, content: str | bytes) -> Loaded:
    """Read a file. Raises `CodebookError` with what is wrong, one problem per line, with file and line."""
    file, remarks = read(name, content)
    if file.format in (Format.KCD, Format.ARXML):
        xml_guard.check(file)
    text, names, left_out = file.text, {}, {}
    found = _tried(file, text)
    if isinstance(found, Exception):
        first = found
        mended: tuple[Remark, ...]
        if file.format is Format.DBC:
            repaired = repair(file)
            text, names, left_out = repaired.text, dict(repaired.names), dict(repaired.left_out)
            mended = repaired.remarks
        else:
            text, mended = markup.mend(file)
        found = _tried(file, text) if text != file.text else first
        if isinstance(found, Exception):
            problems = list(markup.problems(file)) or [_blame(file, found), *map(str, mended)]
            raise CodebookError("\n".join(problems)) from found
        if not found:
            said = [_blame(file, first), *map(str, mended)]
            raise CodebookError("\n".join(said)) from first
        remarks += mended or (_silent(file, first),)
    if not found:
        remarks.append(Remark("no-messages", file.name, 1, "there is no CAN message in it"))
    _rename(found, names)
    return Loaded(file, found, _multiplexed(file, text, names), remarks, left_out)


class _TooExpensiveError(Exception):
    """cantools would take the machine's memory."""


def _tried(file: SignalFile, text: str) -> list[Message] | Exception:
    """What cantools makes of a text of the file: messages, or why it refuses it."""
    if file.format is Format.DBC and not dbc_guard.is_cheap(file, text):
        return _TooExpensiveError("lengths and multiplexers' values are more than can be kept one by one")
    try:
        messages: list[Message] = _READERS[file.format](text, strict=False, sort_signals=None).messages
    except Exception as error:  # noqa: BLE001 - cantools lets exceptions of any kind through
        return error
    return messages


def _silent(file: SignalFile, error: Exception) -> Remark:
    """What is said where nothing of what matters had to be changed."""
    what = f"comments, attributes and nodes are left out: {_phrase(error)}"
    return Remark("read-without-details", file.name, _line(file, error), what)


def _phrase(error: Exception) -> str:
    text = " ".join(str(error).split())
    is_plain = type(error).__module__.startswith(("cantools", "textparser", __name__))
    return text if is_plain or type(error) is ValueError else f"{type(error).__name__}: {text}"


def _line(file: SignalFile, error: Exception) -> int:
    phrase = str(error)
    if found := _AT_LINE.search(phrase):
        return int(found[1] or found[2])
    if (found := _IN_MESSAGE.search(phrase)) or (found := _QUOTED.search(phrase)):
        return file.line_of(found[1])
    return 1


def _blame(file: SignalFile, error: Exception) -> str:
    """What cantools says, with file and line before it."""
    return f"{file.name}:{_line(file, error)}: {_phrase(error)}"


def _rename(messages: list[Message], names: Mapping[str, str]) -> None:
    """Give back the names that cantools does not take."""
    if not names:
        return
    for message in messages:
        message.name = names.get(message.name, message.name)
        for signal in message.signals:
            signal.name = names.get(signal.name, signal.name)
            if signal.multiplexer_signal is not None:
                signal.multiplexer_signal = names.get(signal.multiplexer_signal, signal.multiplexer_signal)


def _multiplexed(file: SignalFile, text: str, names: Mapping[str, str]) -> dict[int, frozenset[str]]:
    if file.format is not Format.DBC:
        return {}
    found: dict[int, set[str]] = {}
    here = -1
    for one in _MARKED.finditer(text):
        if one[1]:
            here = int(one[1])
        else:
            found.setdefault(here, set()).add(names.get(one[2], one[2]))
    return {key: frozenset(marked) for key, marked in found.items()}

"""What cantools would spend on a DBC file, estimated before it tries: it keeps values and bits one by one."""

import re
from collections import Counter
from typing import Final

from decoders.signal_files.dbc_details import MAX_MULTIPLEXER_VALUES
from decoders.signal_files.file import MAX_MESSAGE_BYTES, SignalFile
from vehicle.errors import CodebookError

MAX_SIGNALS_OF_MESSAGE: Final = 4_096
_LAYOUT: Final = re.compile(
    r"\b(?:BO_[ \t]+\d+[ \t]+[^\s:]+[ \t]*:[ \t]*(?P<bytes>\d+)"
    r'|SG_[ \t][^\n"|:]*:[ \t]*(?P<start>\d+)[ \t]*\|[ \t]*(?P<bits>\d+)'
    r"|SG_MUL_VAL_\s+(?P<id>\d+)\s+(?P<name>\S+)\s+(?P<on>\S+)\s+(?P<ranges>[\d\s,-]*))"
)
_RANGE: Final = re.compile(r"(\d+)\s*-\s*(\d+)")


def is_cheap(file: SignalFile, text: str) -> bool:
    """Whether cantools may try this text of the file. Raises `CodebookError` for messages without end."""
    values: Counter[tuple[str, str]] = Counter()
    outer: dict[tuple[str, str], tuple[str, str]] = {}
    signals = 0
    for found in _LAYOUT.finditer(text):
        if found["bytes"]:
            signals = 0
        elif found["bits"]:
            signals += 1
        sizes = [int(found[key]) for key in ("bytes", "start", "bits") if found[key]]
        if any(size > 8 * MAX_MESSAGE_BYTES for size in sizes):
            return False
        if signals > MAX_SIGNALS_OF_MESSAGE:
            line = text.count("\n", 0, found.start()) + 1
            raise CodebookError(
                f"{file.name}:{line}: a message has at most {MAX_SIGNALS_OF_MESSAGE} signals, got more"
            )
        if found["id"]:
            on = (found["id"], found["on"])
            outer[found["id"], found["name"]] = on
            ranges = _RANGE.findall(found["ranges"])
            values[on] += sum(max(0, int(high) - int(low) + 1) for low, high in ranges)
    if values.total() > MAX_MULTIPLEXER_VALUES:
        return False
    return sum(_codecs(one, values, outer) for one in values) <= MAX_MULTIPLEXER_VALUES


def _codecs(
    multiplexer: tuple[str, str],
    values: Counter[tuple[str, str]],
    outer: dict[tuple[str, str], tuple[str, str]],
) -> int:
    """Layouts that cantools builds for a multiplexer: one per value within each value of the outer."""
    found, seen = 1, set()
    one: tuple[str, str] | None = multiplexer
    while one is not None and one not in seen and found <= MAX_MULTIPLEXER_VALUES:
        seen.add(one)
        found *= values[one]
        one = outer.get(one)
    return found

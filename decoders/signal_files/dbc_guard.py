"""What cantools would spend on a DBC file, estimated before it tries: it keeps values and bits one by one."""

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from decoders.signal_files.dbc_details import MAX_MULTIPLEXER_VALUES
from decoders.signal_files.file import MAX_MESSAGE_BYTES, SignalFile
from vehicle.errors import CodebookError

MAX_SIGNALS_OF_MESSAGE: Final = 4_096
MAX_LAYOUTS: Final = 1 << 18
"""Of all multiplexers of a file, inside one another."""
_LAYOUT: Final = re.compile(
    r"\b(?:BO_[ \t]+\d+[ \t]+[^\s:]+[ \t]*:[ \t]*(?P<bytes>\d+)"
    r'|SG_[ \t][^\n"|:]*:[ \t]*(?P<start>\d+)[ \t]*\|[ \t]*(?P<bits>\d+)'
    r"|SG_MUL_VAL_\s+(?P<id>\d+)\s+(?P<name>\S+)\s+(?P<on>\S+)\s+(?P<ranges>[\d\s,-]*))"
)
_RANGE: Final = re.compile(r"(\d+)\s*-\s*(\d+)")


def is_cheap(file: SignalFile, text: str) -> bool:
    """Whether cantools may try this text of the file. Raises `CodebookError` for messages without end."""
    values: dict[tuple[str, str], set[int]] = defaultdict(set)
    total = 0
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
            ranges = [(int(low), int(high) + 1) for low, high in _RANGE.findall(found["ranges"])]
            total += sum(max(0, end - low) for low, end in ranges)
            if total > MAX_MULTIPLEXER_VALUES:
                return False
            values[on].update(one for low, end in ranges for one in range(low, end))
    return sum(_layouts(one, values, outer) for one in values) <= MAX_LAYOUTS


def _layouts(
    multiplexer: tuple[str, str],
    values: Mapping[tuple[str, str], set[int]],
    outer: dict[tuple[str, str], tuple[str, str]],
) -> int:
    """Layouts that cantools builds for a multiplexer: one per value within each value of the outer."""
    found, seen = 1, set()
    one: tuple[str, str] | None = multiplexer
    while one is not None and one not in seen and found <= MAX_LAYOUTS:
        seen.add(one)
        found *= len(values.get(one, ())) or 1
        one = outer.get(one)
    return found

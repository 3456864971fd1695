"""What is in signal files and what a map makes of them, for engineers: one dictionary, and its lines."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from decoders import codebook, verbatim
from decoders.enumeration import choices
from decoders.mapping import Map, MapEntry
from decoders.remark import Remark
from decoders.signal_files import database
from vehicle.errors import CodebookError
from vehicle.signal import Catalogue

if TYPE_CHECKING:
    from cantools.database.can import Signal

    from decoders.signal_files.database import Placed

_SHOWN_CHOICES = 6


def report(
    files: Mapping[str, str | bytes], mapping: tuple[str, str] | None, catalogue: Catalogue
) -> dict[str, Any]:
    """Everything there is to say about files and, as name and text, a map.

    `problems` is empty where all is well.
    """
    try:
        found = database.load(files)
    except CodebookError as error:
        return {"files": list(files), "problems": str(error).splitlines()}
    said: dict[str, Any] = {"files": list(files), "problems": []}
    remarks, paths = list(found.remarks), {}
    if mapping is None:
        remarks = list(verbatim.load(found, "", verbatim.Options()).codebook.warnings)
    else:
        where, text = mapping
        try:
            parsed = Map.from_toml(text, where=where)
            paths = {(one.message, one.signal): one for one in parsed.entries}
            book = codebook.load(parsed.name, files, text, catalogue, map_file=where)
            remarks = list(book.warnings)
            said |= {"codebook": book.name, "version": book.version}
        except CodebookError as error:
            said["problems"] = str(error).splitlines()
    messages = [_message(one, paths) for one in found.messages.values()]
    signals = [signal for one in messages for signal in one["signals"]]
    return said | {
        "remarks": [_remark(one) for one in remarks],
        "left_out": dict(found.left_out),
        "messages": messages,
        "counts": {
            "messages": len(messages),
            "signals": len(signals),
            "mapped": sum(1 for one in signals if one["path"]),
            "remarks": len(remarks),
        },
    }


def _remark(one: Remark) -> dict[str, Any]:
    return {"name": one.name, "file": one.file, "line": one.line, "what": one.what}


def _message(placed: "Placed", paths: Mapping[tuple[str, str], MapEntry]) -> dict[str, Any]:
    message = placed.message
    return {
        "name": message.name,
        "id": message.frame_id,
        "extended": message.is_extended_frame,
        "bytes": message.length,
        "file": placed.file.name,
        "signals": [
            _signal(one, paths.get((message.name, name)), placed.doubtful.get(name))
            for name, same in placed.signals.items()
            for one in same
        ],
    }


def _signal(one: "Signal", entry: MapEntry | None, doubt: str | None) -> dict[str, Any]:
    return {
        "name": one.name,
        "start": one.start,
        "bits": one.length,
        "byte_order": one.byte_order,
        "form": "float" if one.is_float else "signed" if one.is_signed else "unsigned",
        "scale": one.scale,
        "offset": one.offset,
        "minimum": one.minimum,
        "maximum": one.maximum,
        "unit": one.unit or "",
        "values": {str(raw): name for raw, name in choices(one).items()},
        "multiplexer": one.multiplexer_signal,
        "at": one.multiplexer_ids,
        "doubt": doubt,
        "path": None if entry is None else entry.path,
        "map_unit": None if entry is None else entry.unit,
    }


def lines(said: Mapping[str, Any]) -> Iterator[str]:
    """The same for people."""
    for one in said.get("messages", ()):
        bits = 29 if one["extended"] else 11
        yield f"{one['name']}  {one['id']:#x} ({bits} bits), {one['bytes']} bytes, {one['file']}"
        for signal in one["signals"]:
            yield f"    {_line(signal)}"
    for remark in said.get("remarks", ()):
        yield f"{remark['file']}:{remark['line']}: {remark['name']}: {remark['what']}"
    if counts := said.get("counts"):
        mapped = f", {counts['mapped']} mapped" if "codebook" in said else ""
        yield (
            f"{_count(counts['messages'], 'message')}, {_count(counts['signals'], 'signal')}{mapped}, "
            f"{_count(counts['remarks'], 'remark')}"
        )


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _line(one: Mapping[str, Any]) -> str:
    order = "little" if one["byte_order"] == "little_endian" else "big"
    parts = [f"{one['name']:<32} {one['start']}|{one['bits']} {order} {one['form']}"]
    if (one["scale"], one["offset"]) != (1, 0):
        parts.append(f"* {one['scale']:g} + {one['offset']:g}")
    parts.append(one["unit"])
    if one["multiplexer"]:
        parts.append(f"if {one['multiplexer']} = {_ranges(one['at'])}")
    if one["values"]:
        named = list(one["values"].items())
        shown = ", ".join(f"{raw} {name}" for raw, name in named[:_SHOWN_CHOICES])
        parts.append(f"({shown}{', …' if len(named) > _SHOWN_CHOICES else ''})")
    if one["path"]:
        parts.append(f"→ {one['path']} from {one['map_unit'] or 'a plain number'}")
    if one["doubt"]:
        parts.append(f"! {one['doubt']}")
    return " ".join(part for part in parts if part)


def _ranges(values: list[int] | None) -> str:
    """Numbers, runs of them as first–last."""
    found: list[list[int]] = []
    for value in sorted(values or ()):
        if found and value == found[-1][1] + 1:
            found[-1][1] = value
        else:
            found.append([value, value])
    return ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in found)

"""KCD and SYM files that cantools refuses: what can be mended in their text, and what is wrong else."""

import re
from collections.abc import Iterator
from typing import Final

from decoders.remark import Remark
from decoders.signal_files.file import Format, SignalFile

_LAST_STANDARD: Final = 0x7FF
_TAG: Final = re.compile(r"<(?:\w+:)?(Message|Signal|Multiplex|Label|MuxGroup)\b([^>]*)>")
_ATTRIBUTE: Final = re.compile(r"([\w:]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_NEEDED: Final = {
    "Message": ("name", "id"),
    "Signal": ("name", "offset"),
    "Multiplex": ("name", "offset"),
    "Label": ("name", "value"),
    "MuxGroup": ("count",),
}
_NUMBERS: Final = ("id", "offset", "length", "value", "count")
_SYM_VERSION: Final = re.compile(r"^[ \t]*FormatVersion[ \t]*=[ \t]*[\d.]+[ \t]*$", re.MULTILINE)
_SYM_BLOCK: Final = re.compile(r"^[ \t]*\[.*?(?=^[ \t]*[\[{]|\Z)", re.MULTILINE | re.DOTALL)
_SYM_ID: Final = re.compile(r"^([ \t]*ID[ \t]*=[ \t]*)([0-9A-Fa-f]{1,7})h", re.MULTILINE)


def mend(file: SignalFile) -> tuple[str, tuple[Remark, ...]]:
    """The text as cantools reads it, where it would not otherwise."""
    if file.format is Format.KCD:
        return _mend_kcd(file)
    if file.format is Format.SYM:
        return _mend_sym(file)
    return file.text, ()


def problems(file: SignalFile) -> Iterator[str]:
    """What a KCD file lacks, which cantools does not name; each with its line."""
    if file.format is not Format.KCD:
        return
    for tag in _TAG.finditer(file.text):
        attributes = _attributes(tag[2])
        where = f"{file.name}:{file.line_at(tag.start())}: {tag[1]} {attributes.get('name', '')!r}"
        for key in _NEEDED[tag[1]]:
            if key not in attributes:
                yield f"{where} has no {key}"
        for key in _NUMBERS:
            if key in attributes and _number(attributes[key]) is None and attributes[key] != "auto":
                yield f"{where}: {key} is a whole number, got {attributes[key]!r}"


def _attributes(text: str) -> dict[str, str]:
    return {name: double or single for name, double, single in _ATTRIBUTE.findall(text)}


def _number(text: str) -> int | None:
    try:
        return int(text, 0) if text[:1] == "0" and not text.isdecimal() else int(text)
    except ValueError:
        return None


def _mend_kcd(file: SignalFile) -> tuple[str, tuple[Remark, ...]]:
    remarks: list[Remark] = []

    def mended(tag: re.Match[str]) -> str:
        attributes = _attributes(tag[2])
        number = _number(attributes.get("id", ""))
        if tag[1] != "Message" or number is None or number <= _LAST_STANDARD:
            return tag[0]
        if attributes.get("format") == "extended":
            return tag[0]
        what = f"{attributes.get('name', '')}: {number:#x} needs 29 bits, its format is not 'extended'"
        remarks.append(Remark("id-not-marked-extended", file.name, file.line_at(tag.start()), what))
        rest = re.sub(r"\bformat\s*=\s*(?:\"[^\"]*\"|'[^']*')", "", tag[2])
        return tag[0].replace(tag[2], f' format="extended"{rest}')

    return _TAG.sub(mended, file.text), tuple(remarks)


def _mend_sym(file: SignalFile) -> tuple[str, tuple[Remark, ...]]:
    remarks: list[Remark] = []
    text = file.text
    if version := _SYM_VERSION.search(text):
        what = "the version lacks the remark behind it"
        remarks.append(Remark("sym-version-comment", file.name, file.line_at(version.start()), what))
        text = f"{text[: version.end()]} // Do not edit this line!{text[version.end() :]}"

    def mended(block: re.Match[str]) -> str:
        found = _SYM_ID.search(block[0])
        if found is None or not (found[2][0].isalpha() or int(found[2], 16) > _LAST_STANDARD):
            return block[0]
        number = int(found[2], 16)
        line = text.count("\n", 0, block.start() + found.start()) + 1
        if number <= _LAST_STANDARD:
            spelled, name, what = f"0{found[2]}", "number-spelling", f"{found[2]}h begins with a letter"
        else:  # eight digits are an identifier of 29 bits
            spelled, name = f"{number:08X}", "id-not-marked-extended"
            what = f"{number:#x} needs 29 bits, and has not eight digits"
        remarks.append(Remark(name, file.name, line, what))
        return f"{block[0][: found.start(2)]}{spelled}{block[0][found.end(2) :]}"

    return _SYM_BLOCK.sub(mended, text), tuple(remarks)

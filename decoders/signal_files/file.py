"""Signal files as text: their formats, what they may hold at most, and how their bytes are read."""

import re
from bisect import bisect_left
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from decoders.remark import Remark
from vehicle.errors import CodebookError


class Format(StrEnum):
    """A format that is read, by the file name's ending."""

    DBC = "dbc"
    KCD = "kcd"
    SYM = "sym"
    ARXML = "arxml"


MAX_FILE_BYTES: Final = {
    Format.DBC: 16 << 20,
    Format.KCD: 16 << 20,
    Format.SYM: 16 << 20,
    Format.ARXML: 64 << 20,
}
"""Three times the largest of car makers' own files; cantools takes 40 bytes of memory for each."""
MAX_SIGNALS: Final = 100_000
"""In one file."""
MAX_MESSAGES: Final = 30_000
"""In one codebook: its plan counts them in 16 bits."""
MAX_MESSAGE_BYTES: Final = 4_095
"""What ISO 15765-2 carries with a 12-bit length; J1939 carries 1,785."""
_SNIFFED: Final = 65_536
_LONG_NUMBER: Final = re.compile(r"\d{1000}")  # limits of DBL_MAX written out have 309 digits
_SIGNAL: Final = {
    Format.DBC: re.compile(r"\bSG_\s"),
    Format.KCD: re.compile(r"<(?:\w+:)?Signal\b"),
    Format.SYM: re.compile(r"^\s*(?:Sig|Var)\s*=", re.MULTILINE),
    Format.ARXML: re.compile(r"<(?:\w+:)?I-SIGNAL-TO-I-PDU-MAPPING\b"),
}
_HEAD: Final = {
    Format.DBC: re.compile(r"^[ \t]*BO_[ \t]+\w+[ \t]+([^\s:]+)", re.MULTILINE),
    Format.KCD: re.compile(r"<(?:\w+:)?Message\b[^>]*?\bname\s*=\s*[\"']([^\"']*)"),
}
_COMMON_CHINESE: Final = re.compile(r"[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")


@dataclass(frozen=True, slots=True)
class SignalFile:
    """One file of a codebook, as text with line feeds."""

    name: str
    format: Format
    text: str

    ends: list[int] = field(default_factory=list, repr=False, compare=False)
    """Where lines end; found when it is first asked for."""
    heads: dict[str, int] = field(default_factory=dict, repr=False, compare=False)
    """Where messages begin, by name; likewise."""

    def line_at(self, position: int) -> int:
        """The number of the line a character stands in."""
        if not self.ends:
            self.ends.extend(found.start() for found in re.finditer("\n", self.text))
        return bisect_left(self.ends, position) + 1

    def line_of(self, *names: str) -> int:
        """The line where the last of these names stands, each behind the one before; 1 where none does.

        The first name may be a message's; a file with a remark on each of its signals takes no longer for it.
        """
        if not self.heads and self.format in _HEAD:
            for head in _HEAD[self.format].finditer(self.text):
                self.heads.setdefault(head[1], head.start(1))
        at = place = 0
        for k, name in enumerate(names):
            if k == 0 and name in self.heads:
                place, at = self.heads[name], self.heads[name] + len(name)
                continue
            word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
            found = word.search(self.text, at) or word.search(self.text)
            if found is None:
                break
            place, at = found.start(), found.end()
        return self.line_at(place)


def format_of(name: str) -> Format:
    """The format of a file by its name. Raises `CodebookError`."""
    ending = name.rpartition(".")[2].lower() if "." in name else ""
    if ending not in set(Format):
        raise CodebookError(f"{name}: a signal file ends in .dbc, .kcd, .sym or .arxml")
    return Format(ending)


def read(name: str, content: str | bytes) -> tuple[SignalFile, list[Remark]]:
    """The text of a file, and what had to be guessed. Raises `CodebookError` for what no signal file is."""
    kind = format_of(name)
    refuse_size(name, len(content))
    remarks: list[Remark] = []
    text = content if isinstance(content, str) else _decoded(name, content, remarks)
    if text.startswith("\ufeff"):
        remarks.append(Remark("byte-order-mark", name, 1, "the mark before the text is left out"))
        text = text.removeprefix("\ufeff")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.endswith("\n"):
        text += "\n"
    one = SignalFile(name, kind, text)
    _refuse_what_no_signal_file_is(one)
    return one, remarks


def refuse_size(name: str, size_bytes: int) -> None:
    """Raise `CodebookError` for a file larger than its format's may be, before it is read."""
    limit = MAX_FILE_BYTES[format_of(name)]
    if size_bytes > limit:
        raise CodebookError(f"{name}: a .{format_of(name)} has at most {limit} bytes, got {size_bytes}")


def _decoded(name: str, content: bytes, remarks: list[Remark]) -> str:
    """UTF-8, or what a mark or the bytes themselves suggest."""
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if content.startswith(mark):
            remarks.append(Remark("encoding-guessed", name, 1, f"read as {encoding}, by its mark"))
            return content.decode(encoding, errors="replace")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        encoding = "gb18030" if _is_chinese(content) else "cp1252"
        what = f"byte {content[error.start]:#04x} is not UTF-8; the file is read as {encoding}"
        remarks.append(Remark("encoding-guessed", name, line, what))
        return content.decode(encoding, errors="replace")


def _is_chinese(content: bytes) -> bool:
    """Whether most of what is not ASCII is Chinese in common use (GB 2312), if it is read as GB 18030.

    A degree sign of Windows-1252 with the letter behind it is a rare character there, an umlaut too.
    """
    high = b" ".join(re.findall(rb"[\x80-\xff][\x40-\xff]?(?:[\x80-\xff][\x40-\xff]?)*", content[: 1 << 20]))
    try:
        text = high.decode("gb18030")
    except UnicodeDecodeError:
        return False
    foreign = [one for one in text if one > "\x7f"]
    common = sum(1 for one in foreign if _COMMON_CHINESE.match(one) and _is_gb2312(one))
    return common * 10 >= len(foreign) * 8


def _is_gb2312(character: str) -> bool:
    """Whether it is one of level 1: the 3,755 characters in common use, and punctuation."""
    try:
        spelled = character.encode("gb2312")
    except UnicodeEncodeError:
        return False
    return spelled[0] <= 0xD7


def _refuse_what_no_signal_file_is(one: SignalFile) -> None:
    place = one.text.find("\x00")
    if place >= 0:
        raise CodebookError(f"{one.name}:{one.line_at(place)}: a signal file is text, got a zero byte")
    start = one.text[:_SNIFFED].lstrip()
    is_xml = one.format in (Format.KCD, Format.ARXML)
    if not start:
        raise CodebookError(f"{one.name}:1: a .{one.format} with messages, got an empty file")
    if start.startswith("<") != is_xml:
        what, got = ("XML", "something else") if is_xml else ("no XML", "XML: is it .kcd or .arxml?")
        raise CodebookError(f"{one.name}:1: a .{one.format} is {what}, got {got}")
    if long := _LONG_NUMBER.search(one.text):
        raise CodebookError(f"{one.name}:{one.line_at(long.start())}: a number of more than 1,000 digits")
    count = sum(1 for _ in _SIGNAL[one.format].finditer(one.text))
    if count > MAX_SIGNALS:
        raise CodebookError(f"{one.name}: a signal file has at most {MAX_SIGNALS} signals, got {count}")

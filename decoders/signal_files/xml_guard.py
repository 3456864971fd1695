"""What an XML file may be made of, seen before a tree is built of it."""

from typing import Final
from xml.parsers import expat

from decoders.signal_files.file import MAX_MESSAGE_BYTES, SignalFile
from vehicle.errors import CodebookError

MAX_DEPTH: Final = 100
MAX_ELEMENTS: Final = 2_000_000
_MAX_NUMBER: Final = 8 * MAX_MESSAGE_BYTES
_SIZES: Final = frozenset({"length", "offset"})
_SIZE_ELEMENTS: Final = frozenset({"LENGTH", "FRAME-LENGTH", "START-POSITION"})
"""What cantools makes room for, bit by bit."""


class _Guard:
    def __init__(self, name: str) -> None:
        self.name = name
        self.depth = 0
        self.elements = 0
        self.text: list[str] | None = None
        self.parser = expat.ParserCreate(encoding="utf-8", namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters

    def refuse(self, what: str) -> CodebookError:
        return CodebookError(f"{self.name}:{self.parser.CurrentLineNumber}: {what}")

    def doctype(self, *_: object) -> None:
        raise self.refuse("a signal file defines no document type and no entities, got a DOCTYPE")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.elements += 1
        if self.depth > MAX_DEPTH:
            raise self.refuse(f"elements are at most {MAX_DEPTH} deep")
        if self.elements > MAX_ELEMENTS:
            raise self.refuse(f"at most {MAX_ELEMENTS} elements")
        for key in _SIZES & attributes.keys():
            self.check(key, attributes[key])
        self.text = [] if tag.rpartition(" ")[2] in _SIZE_ELEMENTS else None

    def characters(self, text: str) -> None:
        if self.text is not None:
            self.text.append(text)

    def end(self, tag: str) -> None:
        self.depth -= 1
        if self.text is not None:
            self.check(tag.rpartition(" ")[2], "".join(self.text))
            self.text = None

    def check(self, what: str, spelled: str) -> None:
        number = spelled.strip()
        if number.isdecimal() and int(number) > _MAX_NUMBER:
            raise self.refuse(f"{what} is at most {_MAX_NUMBER}, got {number}")


def check(file: SignalFile) -> None:
    """Refuse XML that is broken, deep, endless, or defines entities, in one pass without a tree."""
    guard = _Guard(file.name)
    try:
        guard.parser.Parse(file.text.encode("utf-8", "replace"), True)
    except expat.ExpatError as error:
        raise CodebookError(f"{file.name}:{error.lineno}: {expat.ErrorString(error.code)}") from error

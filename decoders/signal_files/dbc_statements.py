"""DBC text cut into statements, however broken they are; whole lines, so that places stay what they are."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

KEYWORDS: Final = frozenset({
    "BA_", "BA_DEF_", "BA_DEF_DEF_", "BA_DEF_DEF_REL_", "BA_DEF_REL_", "BA_DEF_SGTYPE_", "BA_REL_",
    "BA_SGTYPE_", "BO_", "BO_TX_BU_", "BS_", "BU_", "BU_BO_REL_", "BU_EV_REL_", "BU_SG_REL_", "CAT_",
    "CAT_DEF_", "CM_", "ENVVAR_DATA_", "EV_", "EV_DATA_", "FILTER", "NS_", "NS_DESC_", "SG_", "SG_MUL_VAL_",
    "SGTYPE_", "SGTYPE_VAL_", "SIG_GROUP_", "SIG_TYPE_REF_", "SIG_VALTYPE_", "SIGTYPE_VALTYPE_", "VAL_",
    "VAL_TABLE_", "VERSION",
})  # fmt: skip
_WITHOUT_SEMICOLON: Final = frozenset({"VERSION", "BS_", "BU_", "BO_", "SG_"})
_BLANK: Final = re.compile(r"(?:\s|//[^\n]*)*+")
_WORD: Final = re.compile(r'[^\s:;"]+|.')
_NAMES: Final = re.compile(r"NS_[ \t]*:?[^\n]*+(?:\n[ \t]*+[A-Za-z_]*+[ \t]*+(?=\n))*+")
_TO_SEMICOLON: Final = re.compile(r'(?:[^";]|"(?>\\"|[^"])*+")*+;')
_COMMENT_END: Final = re.compile(r'"[ \t]*;[ \t]*(?=\n)')
_NEXT: Final = re.compile(
    rf"\n[ \t]*(?=(?:{'|'.join(sorted(KEYWORDS))})(?![A-Za-z0-9_])|[A-Z][A-Z0-9_]*_[ \t])"
)
"""A line that begins with a keyword, or looks as if."""
_NEXT_ON_LINE: Final = re.compile(r"[ \t](?=(?:SG_|BO_)[ \t])|\n|$")
_COMMENT: Final = re.compile(r"//[^\n]*")


@dataclass(frozen=True, slots=True)
class Statement:
    """A keyword and all that belongs to it."""

    keyword: str
    """Empty: nothing that the format knows."""
    text: str
    line: int
    is_closed: bool = True
    """Its semicolon is there, where its keyword asks for one."""


def cut(text: str) -> Iterator[Statement]:
    """The statements of a file, in order."""
    at, line, seen = 0, 1, 0
    while True:
        found = _BLANK.match(text, at)
        at = found.end() if found else at
        word = _WORD.match(text, at)
        if word is None:
            return
        line += text.count("\n", seen, at)
        seen = at
        keyword = word[0] if word[0] in KEYWORDS else ""
        end, is_closed = _end(text, at, keyword)
        yield Statement(keyword, text[at:end].strip(), line, is_closed)
        at = max(end, word.end())


def _end(text: str, at: int, keyword: str) -> tuple[int, bool]:
    """Where the statement that begins there ends, and whether as it should."""
    if keyword == "NS_":
        found = _NAMES.match(text, at)
        return (found.end() if found else at), True
    if keyword in ("BO_", "SG_"):
        found = _NEXT_ON_LINE.search(text, at + 1)
        return (found.start() if found else len(text)), True
    following = _NEXT.search(text, at)
    limit = following.start() if following else len(text)
    if keyword == "CM_":
        found = _COMMENT_END.search(text, at)
        if found is not None and text.find('"', at, found.start()) >= 0:
            return found.end(), True
    if keyword in _WITHOUT_SEMICOLON:
        return limit, True
    closed = _TO_SEMICOLON.match(text, at)
    if closed is not None and closed.end() <= limit:
        return closed.end(), True
    return limit, not keyword


def without_comment(text: str) -> str:
    """A line without what stands behind `//` outside of quotes."""
    found = _COMMENT.search(text)
    if found is None or text.count('"', 0, found.start()) % 2:
        return text
    return text[: found.start()].rstrip()

"""What fault codes mean to a service advisor: severity, family, words in Chinese and English."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from vehicle.dtc import Dtc, DtcStandard
from vehicle.errors import CatalogueError
from vehicle.trigger import Severity


class Drivability(StrEnum):
    """How the vehicle can still be driven."""

    NORMAL = "normal"
    REDUCED = "reduced"
    """Less power, comfort or assistance."""
    LIMITED = "limited"
    """To the next workshop, gently."""
    NONE = "none"
    """Not at all."""


@dataclass(frozen=True, slots=True)
class DtcMeaning:
    """One code's meaning."""

    severity: Severity
    family: str
    """What the code is about, in lower case: `misfire`, `cooling`; empty for an unknown code."""
    drivability: Drivability
    zh: str
    en: str
    advice_zh: str
    advice_en: str
    is_known: bool = True


Key = tuple[str] | tuple[int, int]
"""J2012 code or GB/T 32960 alarm, or SPN and FMI."""


@dataclass(frozen=True, slots=True)
class DtcTable:
    """Meanings by code."""

    by_key: Mapping[Key, DtcMeaning] = field(repr=False)

    @classmethod
    def from_toml(cls, text: str, *, where: str = "dtc.toml") -> "DtcTable":
        """Read the codes of each standard. Raises `CatalogueError` with all problems, one per line."""
        try:
            tables = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise CatalogueError(f"{where}: {error}") from error
        problems = [f"{where}: unknown table {key!r}" for key in sorted(tables.keys() - _KEYS.keys())]
        by_key: dict[Key, DtcMeaning] = {}
        for kind, needed in _KEYS.items():
            entries = tables.get(kind, [])
            if not isinstance(entries, list):
                raise CatalogueError(f"{where}: tables [[{kind}]] with two brackets, got one [{kind}]")
            for number, entry in enumerate(entries, start=1):
                name = " ".join(str(entry.get(key, "?")) for key in needed)
                wrong = list(_problems(entry, kind))
                key = tuple(entry.get(key) for key in needed)
                if key in by_key:
                    wrong.append("stands twice")
                if wrong:
                    problems += [f"{where}: [[{kind}]] {number} ({name}): {one}" for one in wrong]
                else:
                    by_key[key] = _meaning(entry)
        if problems:
            raise CatalogueError("\n".join(problems))
        return cls(by_key)

    def lookup(self, dtc: Dtc) -> DtcMeaning:
        """The meaning of a code, or the statement that it is unknown, which is never `stop`.

        A UDS code means what its first two bytes mean, unless a maker's row tells its failure type too.
        """
        key: Key = (dtc.code.upper(),)
        if dtc.ftb is not None and (meaning := self.by_key.get((f"{key[0]}-{dtc.ftb:02X}",))) is not None:
            return meaning
        if dtc.standard is DtcStandard.J1939 and dtc.spn is not None and dtc.fmi is not None:
            key = (dtc.spn, dtc.fmi)
        return self.by_key.get(key) or _unknown(dtc)


def _unknown(dtc: Dtc) -> DtcMeaning:
    return DtcMeaning(
        severity=Severity.INFO,
        family="",
        drivability=Drivability.NORMAL,
        zh=f"未知故障码 {dtc.code}",
        en=f"Unknown code {dtc.code}",
        advice_zh="下次进店时用诊断仪读取含义",
        advice_en="Read it with the maker's tester at the next visit",
        is_known=False,
    )


_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "j2012": ("code",),
    "j1939": ("spn", "fmi"),
    "gbt32960": ("code",),
}
_TEXTS: Final = ("zh", "en", "advice_zh", "advice_en")
_FIELDS: Final = ("severity", "family", "drivability", *_TEXTS)
_CODES: Final = {
    "j2012": (re.compile(r"[PCBU][0-3][0-9A-F]{3}"), "P, C, B or U, a digit 0-3 and three of 0-9A-F"),
    "gbt32960": (re.compile(r"ALARM [0-3][0-9]|LEVEL [1-4]"), "ALARM and two digits, or LEVEL 1 to 4"),
}
_FAMILY: Final = re.compile(r"[a-z][a-z0-9_]*")
_LARGEST: Final = {"spn": 0x7FFFF, "fmi": 31}


def _problems(entry: Mapping[str, Any], kind: str) -> Iterator[str]:
    keys = (*_KEYS[kind], *_FIELDS)
    for unknown in sorted(entry.keys() - set(keys)):
        yield f"unknown key {unknown!r}"
    for missing in [key for key in keys if key not in entry]:
        yield f"{missing} is missing"
    if kind in _CODES and "code" in entry:
        shape, words = _CODES[kind]
        if not shape.fullmatch(str(entry["code"])):
            yield f"a code is {words}, got {entry['code']!r}"
    for number in _LARGEST.keys() & entry.keys():
        if not isinstance(entry[number], int) or not 0 <= entry[number] <= _LARGEST[number]:
            yield f"{number} is 0 to {_LARGEST[number]}, got {entry[number]!r}"
    for name, allowed in (("severity", Severity), ("drivability", Drivability)):
        if name in entry and entry[name] not in set(allowed):
            yield f"{name} is one of {', '.join(allowed)}, got {entry[name]!r}"
    if not _FAMILY.fullmatch(str(entry.get("family", "none"))):
        yield f"family is one word in lower case, got {entry['family']!r}"
    for text in _TEXTS:
        if text in entry and not (isinstance(entry[text], str) and entry[text].strip()):
            yield f"{text} is a sentence, got {entry[text]!r}"


def _meaning(entry: Mapping[str, Any]) -> DtcMeaning:
    return DtcMeaning(
        severity=Severity(entry["severity"]),
        family=entry["family"],
        drivability=Drivability(entry["drivability"]),
        **{text: entry[text] for text in _TEXTS},
    )

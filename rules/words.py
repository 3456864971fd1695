"""Words: what a rule says to people, with the values that made it fire.

A placeholder is `{column}`, or `{column:abs}` for a number without its sign. The words hold the units.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from rules.feature import FLAG, TEXT, Feature, FeatureTable
from rules.features import TABLES
from rules.finding import Value
from rules.near import did_you_mean
from rules.rule import Rule

Language = Literal["zh", "en"]
LANGUAGES: Final[tuple[Language, ...]] = ("zh", "en")
_UNKNOWN: Final[Mapping[Language, str]] = {"zh": "未知", "en": "unknown"}
_FLAGS: Final[Mapping[Language, tuple[str, str]]] = {"zh": ("否", "是"), "en": ("no", "yes")}
_PLACEHOLDER: Final = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")


@dataclass(frozen=True, slots=True)
class Placeholder:
    """One place in the words for one value."""

    name: str
    style: str
    """Empty, or `abs`."""


def placeholders(text: str) -> tuple[Placeholder, ...]:
    """The placeholders of a text, in order, unchecked."""
    return tuple(
        Placeholder(found[1].strip(), (found[2] or "").strip()) for found in _PLACEHOLDER.finditer(text)
    )


def problems(text: str, table: FeatureTable) -> list[str]:
    """What is wrong with the placeholders of a text about a table's features."""
    found = []
    if set("{}") & set(_PLACEHOLDER.sub("", text)):
        found.append(f"a brace without its partner in {text!r}")
    for place in placeholders(text):
        feature = table.of(place.name)
        if feature is None:
            hint = did_you_mean(place.name, [each.name for each in table.features])
            found.append(f"placeholder {{{place.name}}} is no column of table {table.name}{hint}")
        elif place.style not in ("", "abs"):
            found.append(f"placeholder {{{place.name}:{place.style}}}: the only style is abs")
        elif place.style and feature.dtype in (TEXT, FLAG):
            found.append(f"placeholder {{{place.name}:abs}}: {place.name} is no number")
    return found


def render(
    rule: Rule, language: Language, values: Mapping[str, Value], names: Mapping[str, Mapping[str, str]]
) -> str:
    """The rule's words in one language.

    `names` has the display names of text features in that language: feature, then value, to name. A text
    without a display name stands as it is, an unknown value as "unknown".
    """
    table = TABLES[rule.on]

    def filled(found: re.Match[str]) -> str:
        name = found[1].strip()
        feature, value = table.of(name), values.get(name)
        if feature is None or value is None:
            return _UNKNOWN[language]
        if isinstance(value, bool):
            return _FLAGS[language][value]
        if isinstance(value, str):
            return names.get(name, {}).get(value, value)
        return _spelled(feature, value, is_size=found[2] is not None)

    return _PLACEHOLDER.sub(filled, rule.say[language])


def _spelled(feature: Feature, value: float, *, is_size: bool) -> str:
    shown = round(float(value), feature.decimals) + 0.0  # never "-0"
    return f"{abs(shown) if is_size else shown:,.{feature.decimals}f}"

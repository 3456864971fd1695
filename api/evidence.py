"""Why a rule fired, term by term: each value beside the limit that the rule's own text names."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

_COMPARISON: Final = re.compile(
    r"\b([a-z][a-z0-9_]*)\s*(<=|>=|<>|!=|<|>|=)\s*(-?\d+(?:\.\d+)?|'[^']*'|true|false)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class RuleText:
    """What a rule's TOML says, as far as people ask."""

    when: str
    clear: str
    hold: str
    """The rule's `for`."""
    source: str
    limits: Mapping[str, tuple[str, str]]
    """Feature to operator and limit, of the comparisons in `when` that compare with a constant."""


@dataclass(frozen=True, slots=True)
class Term:
    """One value that was read when the rule fired."""

    feature: str
    value: Any
    operator: str | None
    """None where the rule does not compare the feature with a constant."""
    limit: str | None
    read_at: datetime | None


def rule_text(body: str | None) -> RuleText | None:
    """Read a stored rule; None where it was not kept or does not parse."""
    if body is None:
        return None
    try:
        rule = tomllib.loads(body)
    except tomllib.TOMLDecodeError:
        return None
    when = str(rule.get("when", ""))
    limits: dict[str, tuple[str, str]] = {}
    for name, operator, limit in _COMPARISON.findall(when):
        limits.setdefault(name, (operator, limit.strip("'")))
    return RuleText(
        when=when,
        clear=str(rule.get("clear", "")),
        hold=str(rule.get("for", "")),
        source=str(rule.get("source", "")),
        limits=limits,
    )


def terms(values: Mapping[str, Any], read_at: Mapping[str, Any], text: RuleText | None) -> list[Term]:
    """The values that made a rule fire, compared ones first in the order of the rule's text."""
    limits = {} if text is None else text.limits
    order = {name: place for place, name in enumerate(limits)}
    names = sorted(values, key=lambda name: (order.get(name, len(order)), name))
    found = []
    for name in names:
        operator, limit = limits.get(name, (None, None))
        at = read_at.get(name) or read_at.get("row")
        found.append(Term(name, values[name], operator, limit, _moment(at)))
    return found


def _moment(text: Any) -> datetime | None:  # noqa: ANN401 - whatever the evidence holds
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else None

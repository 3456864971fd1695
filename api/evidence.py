"""Why a rule fired, term by term: each value beside the limit that the rule's own text names."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

_TOKEN: Final = re.compile(r"'[^']*'|-?\d+(?:\.\d+)?|\w+|<=|>=|<>|!=|[<>=]|\S")
_COMPARE: Final = frozenset({"<", "<=", ">", ">=", "=", "<>", "!="})
_BEFORE: Final = frozenset({"", "and", "or", "not", "("})
_BEHIND: Final = frozenset({"", "and", "or", ")"})
_WORDS: Final = _BEFORE | _BEHIND | {"null", "true", "false"}


@dataclass(frozen=True, slots=True)
class RuleText:
    """What a rule's TOML says, as far as people ask."""

    when: str
    clear: str
    hold: str
    """The rule's `for`."""
    source: str
    limits: Mapping[str, tuple[str, str]]
    """Feature to operator and limit: comparisons in `when` with a constant, and flags as `= true`."""


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
    return RuleText(
        when=when,
        clear=str(rule.get("clear", "")),
        hold=str(rule.get("for", "")),
        source=str(rule.get("source", "")),
        limits=_limits(when),
    )


def _limits(when: str) -> dict[str, tuple[str, str]]:
    """`name op constant`, and names that stand alone between `and`, `or`, `not` and brackets."""
    limits: dict[str, tuple[str, str]] = {}
    tokens = ["", *_TOKEN.findall(when), "", ""]
    for place, name in enumerate(tokens[:-2]):
        before, behind = tokens[place - 1].lower() if place else "", tokens[place + 1].lower()
        if not name.isidentifier() or name.lower() in _WORDS or before not in _BEFORE:
            continue
        if behind in _COMPARE and _is_constant(tokens[place + 2]):
            limits.setdefault(name, (behind, tokens[place + 2].strip("'")))
        elif behind in _BEHIND:
            limits.setdefault(name, ("=", "false" if before == "not" else "true"))
    return limits


def _is_constant(token: str) -> bool:
    return token[:1] in {"'", "-"} or token[:1].isdigit() or token.lower() in {"true", "false"}


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

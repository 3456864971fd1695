"""A rule that has been loaded, and why another was not."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from rules.condition import Condition
from rules.span import Span
from vehicle.trigger import Severity, TriggerType

TABLES_OF: Final[Mapping[TriggerType, frozenset[str]]] = {
    TriggerType.SERVICE_DUE: frozenset({"service_item"}),
    TriggerType.SERVICE_OVERDUE: frozenset({"service_item"}),
    TriggerType.FIRST_SERVICE_MISSED: frozenset({"service_item"}),
    TriggerType.INSPECTION_DUE: frozenset({"vehicle"}),
    TriggerType.WARRANTY_EXPIRING: frozenset({"vehicle"}),
    TriggerType.FAULT: frozenset({"fault", "vehicle"}),
    TriggerType.WEAR: frozenset({"component", "vehicle"}),
    TriggerType.RECALL: frozenset({"campaign"}),
    TriggerType.LAPSE_RISK: frozenset({"vehicle"}),
    TriggerType.LAPSED: frozenset({"vehicle"}),
    TriggerType.SEASONAL: frozenset({"vehicle", "component"}),
    TriggerType.TRADE_IN: frozenset({"vehicle"}),
}
"""The feature tables whose findings can open a trigger of a type."""

STAGED: Final = frozenset(
    {TriggerType.SERVICE_DUE, TriggerType.INSPECTION_DUE, TriggerType.WARRANTY_EXPIRING, TriggerType.WEAR}
)
"""Types that look ahead to a date, so that lead times make sense."""


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """One reason why a rule did not load."""

    file: str
    line: int
    """From 1."""
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One judgement of after-sales engineering, checked and ready to run."""

    id: str
    on: str
    """Name of the feature table."""
    version: str
    """Hash of the content; comments, layout and tests do not count."""
    when: str
    clear: str | None
    severity: Severity
    trigger: TriggerType
    job: str
    """Op-code of the service catalogue."""
    source: str
    """Where the limit comes from."""
    say: Mapping[str, str]
    """Words with placeholders, by language: `zh`, `en`."""
    placeholders: tuple[str, ...]
    """Features the words read."""
    lead_d: tuple[int, ...]
    """Days before the due date at which the open trigger is revised, falling; empty: never."""
    hold: Span | None
    """`for`: the condition must have held this long."""
    keep: Span | None
    """Stay open at least this long after the condition was last true."""
    opens: Condition = field(repr=False, compare=False)
    """`when`, ready to run."""
    clears: Condition | None = field(repr=False, compare=False)
    """`clear`, ready to run; None: not `when`."""

    @property
    def evidence(self) -> tuple[str, ...]:
        """Features that a finding stores: read by `when`, then by the words, then by `clear`."""
        clear = () if self.clears is None else self.clears.columns
        return tuple(dict.fromkeys((*self.opens.columns, *self.placeholders, *clear)))


@dataclass(frozen=True, slots=True)
class RuleBook:
    """The rules that may run, and what is wrong with the others."""

    rules: tuple[Rule, ...]
    """By id, rising."""
    problems: tuple[RuleProblem, ...]
    """By file and line."""

    def of(self, rule_id: str) -> Rule | None:
        """The rule of an id."""
        return next((rule for rule in self.rules if rule.id == rule_id), None)

"""When the work of a trigger is due: a window, never a single date pretending to be sure."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

from store.trigger_changes import DueWindow
from vehicle.prediction import DueDate
from vehicle.trigger import Severity

REACTION_D: Final = {Severity.STOP: 0, Severity.URGENT: 3, Severity.SOON: 14, Severity.INFO: 30}
"""Days within which a dealer should have seen the vehicle, by severity. Invented, until dealers agree on
theirs: a fault code has no due date of its own."""


def predicted(due: DueDate) -> DueWindow:
    """The window of a service item: P10, P50 and P90 of its prediction."""
    return DueWindow(due.p10_on, due.p50_on, due.p90_on)


def at_once(opened_on: date) -> DueWindow:
    """The window of a recall: due since it was opened."""
    return DueWindow(opened_on, opened_on, opened_on)


def by_severity(opened_on: date, severity: Severity) -> DueWindow:
    """The window of what is neither predicted nor dated: from its onset, for as long as is bearable."""
    last = timedelta(days=REACTION_D[severity])
    return DueWindow(opened_on, opened_on + last / 2, opened_on + last)


def stage(lead_d: Sequence[int], due_on: date | None, today: date) -> str:
    """The nearest lead time that has been reached, in days; '' where none has, or there is no date."""
    if due_on is None:
        return ""
    left_d = (due_on - today).days
    reached = [lead for lead in lead_d if left_d <= lead]
    return str(min(reached)) if reached else ""

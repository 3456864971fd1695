"""The names of the fixed words: severities, trigger types, states, jobs. English stands here."""

from collections.abc import Callable, Mapping
from typing import Final


def _n(text: str) -> str:
    """Marks a text for the catalogue."""
    return text


SEVERITY: Final = {
    "stop": _n("Stop driving"),
    "urgent": _n("Urgent"),
    "soon": _n("Soon"),
    "info": _n("Note"),
}
TYPE: Final = {
    "service_due": _n("Service due"),
    "service_overdue": _n("Service overdue"),
    "first_service_missed": _n("First service missed"),
    "inspection_due": _n("Inspection due"),
    "warranty_expiring": _n("Warranty expiring"),
    "fault": _n("Fault"),
    "wear": _n("Wear"),
    "recall": _n("Recall"),
    "lapse_risk": _n("Lapse risk"),
    "lapsed": _n("Lapsed customer"),
    "seasonal": _n("Seasonal care"),
    "trade_in": _n("Trade-in"),
}
STATE: Final = {
    "new": _n("New"),
    "accepted": _n("Accepted"),
    "contacted": _n("Contacted"),
    "booked": _n("Booked"),
    "in_service": _n("In the workshop"),
    "completed": _n("Completed"),
    "declined": _n("Declined"),
    "unreachable": _n("Unreachable"),
    "suppressed": _n("Suppressed"),
    "expired": _n("Expired"),
    "withdrawn": _n("Withdrawn"),
}
STEP: Final = {
    "opened": _n("Opened"),
    "revised": _n("Revised"),
    "state": _n("State changed"),
    "withdrawn": _n("Withdrawn"),
}
BINDING: Final = {
    "distance": _n("by distance"),
    "time": _n("by time"),
    "hours": _n("by engine hours"),
    "condition": _n("by condition"),
}
PREDICTION: Final = {
    "ok": _n("Estimated"),
    "due": _n("Already due"),
    "too_little_data": _n("Too little data"),
    "stale": _n("Estimated from old data"),
}
CHANGE: Final = {
    "stage": _n("closer now"),
    "severity": _n("other priority"),
    "due": _n("other due window"),
    "facts": _n("new readings"),
    "dealer": _n("other dealer"),
    "job": _n("other job"),
    "condition_back": _n("cause came back"),
    "condition_gone": _n("cause is gone"),
    "moved": _n("moved to another feed"),
}
RECALL: Final = {"open": _n("Open"), "remedied": _n("Remedied")}
FAULT_STATUS: Final = {
    "active": _n("present"),
    "pending": _n("pending"),
    "stored": _n("stored"),
    "permanent": _n("permanent"),
}
FINDING: Final = {
    "confirmed": _n("confirmed"),
    "not_found": _n("not found"),
    "other_fault": _n("other fault"),
}
ENDED: Final = {"healed": _n("Healed"), "cleared": _n("Cleared")}


class Labels:
    """The tables above in one language; an unknown word is shown as it is."""

    def __init__(self, translate: Callable[[str], str]) -> None:
        self._translate = translate

    def _of(self, table: Mapping[str, str], word: str) -> str:
        return self._translate(table[word]) if word in table else word

    def severity(self, word: str) -> str:
        """How soon something must be done."""
        return self._of(SEVERITY, word)

    def type(self, word: str) -> str:
        """What a trigger asks for."""
        return self._of(TYPE, word)

    def state(self, word: str) -> str:
        """Where a trigger stands."""
        return self._of(STATE, word)

    def step(self, word: str) -> str:
        """What happened to a trigger."""
        return self._of(STEP, word)

    def change(self, code: str) -> str:
        """What a revision is about; `moved:recall` is shown as `moved`."""
        return self._of(CHANGE, code.partition(":")[0])

    def binding(self, word: str) -> str:
        """Which limit comes first."""
        return self._of(BINDING, word)

    def prediction(self, word: str) -> str:
        """What kind of answer a prediction is."""
        return self._of(PREDICTION, word)

    def recall(self, word: str) -> str:
        """Where a vehicle stands in a campaign."""
        return self._of(RECALL, word)

    def finding(self, word: str) -> str:
        """What the workshop found."""
        return self._of(FINDING, word)

    def fault(self, word: str) -> str:
        """Where a fault that has not ended stands."""
        return self._of(FAULT_STATUS, word)

    def ended(self, word: str) -> str:
        """How a fault ended."""
        return self._of(ENDED, word)

    def value(self, word: str) -> str:
        """A word that was read as a feature's value, where it is one of ours."""
        for table in (RECALL, SEVERITY, FAULT_STATUS, BINDING):
            if word in table:
                return self._translate(table[word])
        return word

    def job(self, code: str) -> str:
        """An op-code in words."""
        return self._of(JOB, code)


JOB: Final = {
    "battery-test": _n("12 V battery test"),
    "cooling-check": _n("Cooling system check"),
    "fault-diagnosis": _n("Fault diagnosis"),
    "recall-remedy": _n("Recall remedy"),
    "scheduled-service": _n("Scheduled service"),
}
"""Op-codes of the rules; a service item or a campaign has a name of its own."""

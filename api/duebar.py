"""The bar that shows a due window in time: geometry only, one unit is one day."""

from dataclasses import dataclass
from datetime import date
from typing import Final

BEFORE_D: Final = 30
"""Days shown before today."""
AFTER_D: Final = 90
LENGTH_D: Final = BEFORE_D + AFTER_D
_LEAST_D: Final = 2
"""A window is drawn at least this wide, to be seen."""


@dataclass(frozen=True, slots=True)
class DueBar:
    """Where to draw a window; places are days from the line's left end, `BEFORE_D` days ago."""

    x: int
    width: int
    likely: int | None
    """None where the likely day lies outside the line."""
    runs_left: bool
    """The window begins before the line does."""
    runs_right: bool
    is_outside: bool
    """The whole window lies before or behind the line: nothing to draw."""


def due_bar(first: date, likely: date, last: date, *, today: date) -> DueBar:
    """The bar of the window P10 to P90 with its median."""
    left, middle, right = ((day - today).days + BEFORE_D for day in (first, likely, last))
    x = min(max(left, 0), LENGTH_D - _LEAST_D)
    end = min(max(right, x + _LEAST_D), LENGTH_D)
    return DueBar(
        x=x,
        width=end - x,
        likely=middle if 0 <= middle <= LENGTH_D else None,
        runs_left=left < 0,
        runs_right=right > LENGTH_D,
        is_outside=right < 0 or left > LENGTH_D,
    )

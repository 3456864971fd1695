"""The list of jobs as a table for a spreadsheet, without contacts."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Final

from api.language import Language
from store.worklist import Job

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_PLATE_CHARS: Final = 4


def lines(jobs: Sequence[Job], language: Language) -> Iterator[str]:
    """CSV lines, the names of the columns first."""
    _ = language.wording.translate
    yield "\ufeff"  # spreadsheets take it for UTF-8 only with this
    yield _line(
        [
            _("Severity"),
            _("Type"),
            _("Job"),
            _("Model"),
            _("Plate ends in"),
            _("VIN ends in"),
            _("Due from"),
            _("Likely"),
            _("Due until"),
            _("Overdue"),
            _("Why"),
            _("Dealer"),
            _("State"),
            _("Last seen"),
            _("Vehicle"),
        ]
    )
    for job in jobs:
        yield _line(
            [
                language.labels.severity(job.severity),
                language.labels.type(job.type),
                language.of(job.item_zh, job.item_en) or language.labels.job(job.job),
                job.model,
                _plate_tail(job.plate),
                job.vin_tail,
                job.due_p10_on,
                job.due_p50_on,
                job.due_p90_on,
                _("yes") if job.is_overdue else "",
                language.of(job.words_zh, job.words_en),
                language.of(job.dealer_zh, job.dealer_en),
                language.labels.state(job.state),
                None if job.seen_at is None else language.wording.moment(job.seen_at),
                f"/vehicles/{job.vehicle}",
            ]
        )


def _line(cells: Sequence[object]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow([_cell(cell) for cell in cells])
    return out.getvalue()


def _cell(cell: object) -> str:
    """A cell that no spreadsheet takes for a formula."""
    text = "" if cell is None else str(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plate_tail(plate: str | None) -> str | None:
    """The end of a number plate: enough to find the car in the yard, too little to look its owner up."""
    return None if not plate else plate[-_PLATE_CHARS:]

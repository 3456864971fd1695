"""What the engine remembers between evaluations, one entry per rule and subject; nothing for most of them."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import polars as pl

SCHEMA: Final = pl.Schema(
    {
        "vehicle_id": pl.Int64(),
        "rule_id": pl.String(),
        "subject": pl.String(),
        "rule_version": pl.String(),  # that wrote this entry
        "occasion": pl.String(),  # of the last row
        "found_n": pl.Int64(),  # findings so far, where the engine counts them
        "in_run": pl.Boolean(),  # the last row was true
        "held": pl.Int64(),  # ticks of `for`
        "hold_mark": pl.Int64(),  # the counter of `for`, where the run goes on from
        "opened_us": pl.Int64(),  # null: no finding is open
        "opened_version": pl.String(),
        "opened_values": pl.String(),  # JSON object
        "since": pl.Int64(),  # ticks of `keep` since the last true row
        "keep_mark": pl.Int64(),  # the counter of `keep`, where `since` goes on from
    }
)


class StateRow(NamedTuple):
    """One entry as the store keeps it (table rule_state)."""

    vehicle_id: int
    rule_id: str
    subject: str
    rule_version: str
    state: dict[str, Any]
    """JSON: only what differs from a subject never seen."""


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """The entries as a frame of `SCHEMA`. A subject without an entry was never near firing."""

    frame: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=SCHEMA))

    @classmethod
    def load(cls, rows: Iterable[tuple[int, str, str, str, Mapping[str, Any]]]) -> "States":
        """Read the store's rows."""
        entries = [
            {
                "vehicle_id": vehicle_id,
                "rule_id": rule_id,
                "subject": subject,
                "rule_version": version,
                **_entry(state),
            }
            for vehicle_id, rule_id, subject, version, state in rows
        ]
        return cls(pl.DataFrame(entries, schema=SCHEMA))

    def dump(self) -> list[StateRow]:
        """Rows for the store, by vehicle, rule and subject.

        They replace all rows of the vehicles that were evaluated: what is absent here is to be deleted.
        """
        frame = self.frame.sort("vehicle_id", "rule_id", "subject")
        return [
            StateRow(
                entry["vehicle_id"], entry["rule_id"], entry["subject"], entry["rule_version"], _state(entry)
            )
            for entry in frame.iter_rows(named=True)
        ]


def _state(entry: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = {}
    if entry["occasion"]:
        state["occasion"] = entry["occasion"]
    if entry["found_n"]:
        state["found_n"] = entry["found_n"]
    if entry["in_run"] or entry["held"]:
        state["hold"] = {"in_run": entry["in_run"], "held": entry["held"], "mark": entry["hold_mark"]}
    if entry["opened_us"] is not None:
        state["open"] = {
            "at_us": entry["opened_us"],
            "version": entry["opened_version"],
            "values": json.loads(entry["opened_values"]),
            "since": entry["since"],
            "mark": entry["keep_mark"],
        }
    return state


def _entry(state: Mapping[str, Any]) -> dict[str, Any]:
    hold, opened = state.get("hold", {}), state.get("open", {})
    return {
        "occasion": state.get("occasion", ""),
        "found_n": state.get("found_n", 0),
        "in_run": hold.get("in_run", False),
        "held": hold.get("held", 0),
        "hold_mark": hold.get("mark"),
        "opened_us": opened.get("at_us"),
        "opened_version": opened.get("version"),
        "opened_values": json.dumps(opened["values"], ensure_ascii=False) if opened else None,
        "since": opened.get("since", 0),
        "keep_mark": opened.get("mark"),
    }

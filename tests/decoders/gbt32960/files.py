"""Golden packets as files: bytes with comments, and what they say."""

import math
import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from decoders.gbt32960.layout import Record
from vehicle.day import us_of

FOLDER = Path(__file__).parents[2] / "golden" / "gbt32960"


@dataclass(frozen=True)
class Golden:
    """One file."""

    name: str
    data: bytes
    says: dict[str, Any]

    @property
    def at_us(self) -> int:
        at: datetime = self.says["at"]
        return us_of(at)


def read(name: str) -> Golden:
    """The packet of `name.toml`."""
    says = tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    lines = [line.split("#")[0] for line in says.pop("hex").splitlines()]
    return Golden(name, bytes.fromhex(" ".join(lines)), says)


def names() -> list[str]:
    """Every golden packet."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def reports() -> list[str]:
    """Those that are reports."""
    return [name for name in names() if "at" in read(name).says]


def spelled(record: Record) -> dict[str, Any]:
    """A record as the files write one; empty parts are left out."""
    parts = {
        "values": {
            name: value.hex() if isinstance(value, bytes) else value for name, value in record.values.items()
        },
        "missing": {name: missing.why.value for name, missing in record.missing.items()},
        "series": {
            name: ["nan" if math.isnan(one) else one for one in series.values.tolist()]
            for name, series in record.series.items()
        },
        "groups": {name: [spelled(one) for one in group] for name, group in record.groups.items()},
    }
    return {name: part for name, part in parts.items() if part}


def written(says: Any) -> Any:
    """What a file says, with `nan` spelled out, so that it equals itself."""
    if isinstance(says, dict):
        return {name: written(one) for name, one in says.items() if name not in {"number", "name"}}
    if isinstance(says, list):
        return [written(one) for one in says]
    return "nan" if isinstance(says, float) and math.isnan(says) else says

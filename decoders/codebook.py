"""Codebooks: signal files and the map from their signals to the catalogue, checked and compiled once."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from decoders.gbt32960.extensions import EXTENSIONS
from decoders.gbt32960.report import Extension
from decoders.kernel import Kernel, Reader
from decoders.mapping import Map
from decoders.plan import Plan, compile_plan
from decoders.planning import plan_messages
from decoders.remark import Remark
from decoders.signal_files import database
from vehicle.errors import CodebookError, UnknownCodebookError
from vehicle.signal import Catalogue


@dataclass(frozen=True, slots=True)
class Codebook:
    """What frames of some vehicles mean."""

    name: str
    version: str
    """SHA-256 of the files and the map, in hex."""
    matches_pgn: bool
    """29-bit identifiers are told by their J1939 group, whatever priority and source address."""
    warnings: tuple[Remark, ...]
    """Repairs of its files, and doubts about its map."""
    plan: Plan
    reader: Reader | None = None
    """Reads the plan by the compiled kernel; None: numpy does."""


def load(
    name: str,
    files: Mapping[str, str | bytes],
    mapping_toml: str,
    catalogue: Catalogue,
    kernel: Kernel | None = None,
    *,
    map_file: str | None = None,
) -> Codebook:
    """A codebook out of signal files by name, and its map; read by the kernel, where one is given.

    The files are DBC, KCD, SYM or ARXML by the endings of their names; bytes are UTF-8 or guessed.

    Raises `CodebookError` with all problems, one per line, each naming file and line.
    """
    where = map_file or f"{name}.toml"
    mapping = Map.from_toml(mapping_toml, where=where)
    if mapping.name != name:
        raise CodebookError(f"{where}: the map says it is {mapping.name!r}, it is loaded as {name!r}")
    found = database.load(files)
    planned, doubts = plan_messages(found, mapping, catalogue)
    plan = compile_plan(planned, by_pgn=mapping.is_j1939)
    return Codebook(
        name=name,
        version=_version(files, mapping_toml),
        matches_pgn=mapping.is_j1939,
        warnings=(*found.remarks, *doubts),
        plan=plan,
        reader=None if kernel is None else kernel.bind(plan),
    )


def _version(files: Mapping[str, str | bytes], mapping_toml: str) -> str:
    """A text and its bytes in UTF-8 are one version."""
    texts = {
        name: content if isinstance(content, str) else content.decode("utf-8", "surrogateescape")
        for name, content in files.items()
    }
    content = json.dumps([sorted(texts.items()), mapping_toml], ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()


@dataclass(frozen=True, slots=True)
class Assignment:
    """What reads the vehicles of a model that were built in a time: a codebook, an extension, or both."""

    model: str
    codebook: str | None = None
    built_from: date | None = None
    """First build date; None: from the beginning."""
    built_until: date | None = None
    """Last build date; None: still built."""
    gbt32960: str | None = None
    """Name of the extension that explains their custom GB/T 32960 units."""

    def fits(self, model: str, built_on: date | None) -> bool:
        """Whether it holds for such a vehicle; an unknown build date fits only what has no limits."""
        if model != self.model:
            return False
        if built_on is None:
            return self.built_from is None and self.built_until is None
        is_before = self.built_from is not None and built_on < self.built_from
        is_after = self.built_until is not None and built_on > self.built_until
        return not is_before and not is_after

    def overlaps(self, other: "Assignment") -> bool:
        """Whether some vehicle would fit both."""
        if self.model != other.model:
            return False
        starts = max(self.built_from or date.min, other.built_from or date.min)
        return starts <= min(self.built_until or date.max, other.built_until or date.max)


@dataclass(frozen=True, slots=True)
class Codebooks:
    """Every codebook of this installation, and who uses which."""

    codebooks: Mapping[str, Codebook]
    assignments: tuple[Assignment, ...] = ()

    def __post_init__(self) -> None:
        for place, one in enumerate(self.assignments):
            if one.codebook is not None and one.codebook not in self.codebooks:
                raise CodebookError(f"model {one.model!r} uses codebook {one.codebook!r}, which is not there")
            if one.gbt32960 is not None and one.gbt32960 not in EXTENSIONS:
                known = ", ".join(sorted(EXTENSIONS))
                raise CodebookError(
                    f"model {one.model!r} uses GB/T 32960 extension {one.gbt32960!r}; there are {known}"
                )
            if any(one.overlaps(other) for other in self.assignments[:place]):
                raise CodebookError(f"model {one.model!r} has two codebooks for the same build date")

    def by_name(self, name: str) -> Codebook:
        """The codebook a message names. Raises `UnknownCodebookError`."""
        try:
            return self.codebooks[name]
        except KeyError:
            known = ", ".join(sorted(self.codebooks))
            raise UnknownCodebookError(f"codebooks here are {known}; got {name!r}") from None

    def for_model(self, model: str, built_on: date | None) -> Codebook | None:
        """The codebook of a vehicle by its model and build date; None where nobody has said."""
        found = self._assigned(model, built_on)
        return None if found is None or found.codebook is None else self.codebooks[found.codebook]

    def extension_for(self, model: str, built_on: date | None) -> Extension | None:
        """What explains a vehicle's custom GB/T 32960 units; None where nobody has said."""
        found = self._assigned(model, built_on)
        return None if found is None or found.gbt32960 is None else EXTENSIONS[found.gbt32960]

    def _assigned(self, model: str, built_on: date | None) -> Assignment | None:
        return next((one for one in self.assignments if one.fits(model, built_on)), None)

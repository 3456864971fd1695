"""The manifest: which codebooks there are, and which models use which; read into `Codebooks`."""

import re
import tomllib
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from decoders import codebook
from decoders.codebook import Assignment, Codebooks
from decoders.kernel import Kernel
from decoders.mapping import did_you_mean
from vehicle.errors import CodebookError
from vehicle.signal import Catalogue

_CODEBOOK_KEYS: Final = {"name": str, "files": list, "map": str}
_MODEL_KEYS: Final = {
    "model": str,
    "codebook": str,
    "gbt32960": str,
    "diagnostics": str,
    "built_from": date,
    "built_until": date,
}
_OTHERS: Final = {"gbt32960", "diagnostics"}
_OPTIONAL: Final = {"built_from", "built_until", *_OTHERS}
_EITHER: Final = "codebook"
"""Not needed where something else reads the model."""
_TABLES: Final = ("codebook", "model", "diagnostics")
"""The last one is read by `decoders.diagnostics`."""


def load(
    manifest_toml: str,
    contents: Mapping[str, str | bytes],
    catalogue: Catalogue,
    kernel: Kernel | None = None,
    *,
    where: str = "manifest.toml",
    beside: Codebooks | None = None,
) -> Codebooks:
    """Every codebook the manifest names, read by the kernel where one is given. Raises `CodebookError`.

    `contents` are the files by name, maps as text. `where` names the manifest in messages. The codebooks
    `beside` and who uses them are part of the answer; the manifest may use them but repeats none.
    """
    tables = _tables(manifest_toml, where)
    codebooks = {} if beside is None else dict(beside.codebooks)
    for entry, line in _checked(tables, manifest_toml, "codebook", _CODEBOOK_KEYS, where):
        name, place = entry["name"], f"{where}:{line}"
        if name in codebooks:
            raise CodebookError(f"{place}: codebook {name!r} stands twice")
        files = {file: _content(file, name, contents, place) for file in entry["files"]}
        mapping = _content(entry["map"], name, contents, place)
        text = mapping if isinstance(mapping, str) else mapping.decode("utf-8", "replace")
        codebooks[name] = codebook.load(name, files, text, catalogue, kernel, map_file=entry["map"])
    assignments = [(one, None) for one in beside.assignments] if beside is not None else []
    found: list[tuple[Assignment, int | None]] = [*assignments]
    for entry, line in _checked(tables, manifest_toml, "model", _MODEL_KEYS, where):
        found.append((_assignment(entry, f"{where}:{line}", codebooks, found), line))
    return Codebooks(codebooks, tuple(one for one, _ in found))


def files(manifest_toml: str, *, where: str = "manifest.toml") -> list[str]:
    """The files that a manifest names: inside its own folder. Raises `CodebookError`."""
    tables = _tables(manifest_toml, where)
    entries = _checked(tables, manifest_toml, "codebook", _CODEBOOK_KEYS, where)
    names = [(name, line) for entry, line in entries for name in (*entry["files"], entry["map"])]
    for entry in tables.get("diagnostics", ()):
        given = entry.get("files")
        names += [(name, 1) for name in given] if isinstance(given, list) else []
    for name, line in names:
        is_text = isinstance(name, str)
        if not is_text or name.startswith("/") or "\\" in name or ".." in name.split("/") or ":" in name:
            raise CodebookError(f"{where}:{line}: a file stands in the folder of its manifest, got {name!r}")
    return list(dict.fromkeys(name for name, _ in names))


def _tables(manifest_toml: str, where: str) -> dict[str, Any]:
    try:
        tables = tomllib.loads(manifest_toml)
    except (ValueError, RecursionError) as error:  # any digits, any depth
        raise CodebookError(f"{where}: {error}") from error
    for key in tables.keys() - set(_TABLES):
        hint = did_you_mean(key, _TABLES)
        raise CodebookError(f"{where}: unknown table {key!r}{hint}")
    for kind, entries in tables.items():
        if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
            got = f"one [{kind}]" if isinstance(entries, dict) else f"{kind} = {entries!r}"
            raise CodebookError(f"{where}: tables [[{kind}]] with two brackets, got {got}")
    return tables


def _assignment(
    entry: Mapping[str, Any],
    place: str,
    codebooks: Mapping[str, object],
    earlier: list[tuple[Assignment, int | None]],
) -> Assignment:
    one = Assignment(**{key: value for key, value in entry.items() if key != "diagnostics"})
    if one.codebook is not None and one.codebook not in codebooks:
        hint = did_you_mean(one.codebook, codebooks)
        raise CodebookError(
            f"{place}: model {one.model!r} uses codebook {one.codebook!r}, which is not there{hint}"
        )
    if one.built_from and one.built_until and one.built_from > one.built_until:
        raise CodebookError(f"{place}: model {one.model!r} is built until before it is built from")
    for other, line in earlier:
        if one.overlaps(other):
            at = "shipped with this version" if line is None else f"in line {line}"
            raise CodebookError(
                f"{place}: model {one.model!r} has two codebooks for the same build date, the other {at}"
            )
    return one


def _checked(
    tables: Mapping[str, Any], text: str, kind: str, keys: Mapping[str, type], where: str
) -> list[tuple[dict[str, Any], int]]:
    """The entries of a kind, and the line of each."""
    entries = tables.get(kind, [])
    headers = re.compile(rf"^\s*\[\[\s*{kind}\s*\]\]", re.MULTILINE).finditer(text)
    lines = [text.count("\n", 0, found.end()) + 1 for found in headers]
    placed = list(zip(entries, [*lines, *[1] * len(entries)], strict=False))
    for entry, line in placed:
        for key in entry:
            if key not in keys:
                hint = did_you_mean(key, keys)
                raise CodebookError(f"{where}:{line}: [[{kind}]] has no key {key!r}{hint}")
        for key, needed in keys.items():
            if key not in entry and (key in _OPTIONAL or (key == _EITHER and _OTHERS & entry.keys())):
                continue
            if type(entry.get(key)) is not needed or entry[key] == []:  # a moment is a date to isinstance
                got = entry.get(key)
                raise CodebookError(
                    f"{where}:{line}: [[{kind}]] needs {key} as {needed.__name__}, got {got!r}"
                )
    return placed


def _content(file: object, name: str, contents: Mapping[str, str | bytes], place: str) -> str | bytes:
    if not isinstance(file, str) or file not in contents:
        raise CodebookError(f"{place}: codebook {name!r} needs the file {file!r}, which is not there")
    return contents[file]

"""The manifest: which codebooks there are, and which models use which; read into `Codebooks`."""

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
    manifest_toml: str, texts: Mapping[str, str], catalogue: Catalogue, kernel: Kernel | None = None
) -> Codebooks:
    """Every codebook the manifest names, read by the kernel where one is given. Raises `CodebookError`.

    `texts` are the files by name.
    """
    where = "manifest.toml"
    try:
        tables = tomllib.loads(manifest_toml)
    except tomllib.TOMLDecodeError as error:
        raise CodebookError(f"{where}: {error}") from error
    for key in tables.keys() - set(_TABLES):
        hint = did_you_mean(key, _TABLES)
        raise CodebookError(f"{where}: unknown table {key!r}{hint}")
    codebooks = {}
    for entry in _checked(tables, "codebook", _CODEBOOK_KEYS, where):
        name = entry["name"]
        if name in codebooks:
            raise CodebookError(f"{where}: codebook {name!r} stands twice")
        files = {file: _text(file, name, texts) for file in entry["files"]}
        mapping = _text(entry["map"], name, texts)
        codebooks[name] = codebook.load(name, files, mapping, catalogue, kernel)
    models = _checked(tables, "model", _MODEL_KEYS, where)
    assignments = (
        Assignment(**{key: value for key, value in entry.items() if key != "diagnostics"}) for entry in models
    )
    return Codebooks(codebooks, tuple(assignments))


def _checked(
    tables: Mapping[str, Any], kind: str, keys: Mapping[str, type], where: str
) -> list[dict[str, Any]]:
    entries = tables.get(kind, [])
    if not isinstance(entries, list):
        raise CodebookError(f"{where}: tables [[{kind}]] with two brackets, got one [{kind}]")
    for entry in entries:
        for key in entry:
            if key not in keys:
                raise CodebookError(f"{where}: [[{kind}]] has no key {key!r}{did_you_mean(key, keys)}")
        for key, needed in keys.items():
            if key not in entry and (key in _OPTIONAL or (key == _EITHER and _OTHERS & entry.keys())):
                continue
            if not isinstance(entry.get(key), needed):
                raise CodebookError(
                    f"{where}: [[{kind}]] needs {key} as {needed.__name__}, got {entry.get(key)!r}"
                )
    return entries


def _text(file: object, name: str, texts: Mapping[str, str]) -> str:
    if not isinstance(file, str) or file not in texts:
        raise CodebookError(f"codebook {name!r} needs the file {file!r}, which is not there")
    return texts[file]

"""A maker's own codebooks: a folder with a manifest and the files it names (docs/adding-a-codebook.md)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vehicle.errors import CodebookError, SettingsError
from vehicle.signal import Catalogue

MANIFEST: Final = "manifest.toml"
SIGNALS: Final = "signals.toml"
_MAX_TOML_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Folder:
    """What stands in it."""

    where: str
    """The manifest, for messages."""
    manifest_toml: str
    contents: dict[str, str | bytes]
    """The files that the manifest names: TOML as text, signal files as they are."""

    @property
    def texts(self) -> dict[str, str]:
        """Those that are text."""
        return {name: content for name, content in self.contents.items() if isinstance(content, str)}


def read(folder: Path) -> Folder:
    """Read a folder. Raises `SettingsError` where there is none, `CodebookError` for its files."""
    from decoders import manifest

    place = folder / MANIFEST
    if not place.is_file():
        raise SettingsError(f"a folder of codebooks has a {MANIFEST}, there is none in {folder}")
    text = toml(place)
    found: dict[str, str | bytes] = {}
    for name in manifest.files(text, where=str(place)):
        file = folder / name
        if file.is_file():
            found[name] = toml(file) if file.suffix.lower() == ".toml" else signal_file(file)
    return Folder(str(place), text, found)


def with_signals(shipped: Catalogue, folder: Path) -> Catalogue:
    """The catalogue with a maker's own signals, where the folder has some. Raises `CatalogueError`."""
    place = folder / SIGNALS
    if not place.is_file():
        return shipped
    where = str(place)
    return shipped.with_own(Catalogue.from_toml(toml(place), where=where), where=where)


def signal_file(file: Path) -> bytes:
    """A DBC, KCD, SYM or ARXML file; refused before it is read where it is too large."""
    from decoders.signal_files.file import refuse_size

    try:
        refuse_size(str(file), file.stat().st_size)
        return file.read_bytes()
    except OSError as error:
        raise CodebookError(f"{file}: {error.strerror}") from error


def toml(file: Path) -> str:
    """A map or a manifest."""
    try:
        content = file.read_bytes() if file.stat().st_size <= _MAX_TOML_BYTES else None
    except OSError as error:
        raise CodebookError(f"{file}: {error.strerror}") from error
    if content is None:
        raise CodebookError(f"{file}: a map has at most {_MAX_TOML_BYTES} bytes, got {file.stat().st_size}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CodebookError(f"{file}:{line}: TOML is UTF-8, got byte {content[error.start]:#04x}") from error

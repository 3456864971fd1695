"""Errors of this project. A message says what was expected, what came, where; facts are attributes."""


class OdocareError(Exception):
    """The root: whatever this project refuses, it refuses with one of these."""


class DecodeError(OdocareError):
    """Bytes or text that do not follow their format."""


class TruncatedPayloadError(DecodeError):
    """A payload ends before its last field."""

    def __init__(self, what: str, *, needed_bytes: int, got_bytes: int) -> None:
        super().__init__(f"{what} needs {needed_bytes} bytes, got {got_bytes}")
        self.needed_bytes = needed_bytes
        self.got_bytes = got_bytes


class CodebookError(OdocareError):
    """A signal file or its map cannot be used."""


class CatalogueError(OdocareError):
    """The signal catalogue contradicts itself."""


class RuleError(OdocareError):
    """A rule that does not load."""


class SettingsError(OdocareError):
    """A setting is missing or makes no sense."""


class StackError(OdocareError):
    """A local server cannot be found, started or stopped."""


class MigrationError(OdocareError):
    """The schema in the database and the migration files disagree."""


class ImportFileError(OdocareError):
    """A file of master data that cannot be read at all; single bad rows are reported, not raised."""


class NotFoundError(OdocareError):
    """Something was asked for that is not there, or not for the one who asked."""

    def __init__(self, what: str, key: object) -> None:
        super().__init__(f"no {what} {key}")
        self.what = what
        self.key = key


class ConflictError(OdocareError):
    """A change that the present state does not allow."""

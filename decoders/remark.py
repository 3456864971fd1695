"""What a codebook's files had wrong and what was done about it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remark:
    """A repair or a doubt, with the place it is about; docs/adding-a-codebook.md lists the names."""

    name: str
    """Fixed, in kebab case."""
    file: str
    line: int
    what: str
    """What was there, and how it is read."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.name}: {self.what}"

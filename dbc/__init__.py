"""The signal files: DBC with their maps to VSS paths, the signal catalogue, the fault-code texts.

`read(name)` and `names()` are the only code here; everything else is data.
"""

from importlib.resources import files


def names(suffix: str = "") -> list[str]:
    """The shipped files whose name ends in `suffix`, sorted."""
    found = (entry.name for entry in files("dbc").iterdir() if entry.is_file())
    return sorted(name for name in found if name.endswith(suffix) and not name.endswith(".py"))


def read(name: str) -> str:
    """The text of a shipped file, UTF-8."""
    return files("dbc").joinpath(name).read_text(encoding="utf-8")

"""What documents say and code decides has to agree."""

from pathlib import Path

from pydantic_core import PydanticUndefined

from odocare.settings import Settings

REPOSITORY = Path(__file__).parent.parent


def test_every_setting_is_documented_with_its_default() -> None:
    rows = []
    for name, field in Settings.model_fields.items():
        given = field.default is not None and field.default is not PydanticUndefined
        default = f"`{field.default}`" if given else ""
        rows.append(f"| `ODOCARE_{name.upper()}` | {default} | {field.description} |".replace("|  |", "| |"))
    text = (REPOSITORY / "docs/settings.md").read_text(encoding="utf-8")
    documented = [line for line in text.splitlines() if line.startswith("| `ODOCARE_")]
    assert documented == rows

"""The style sheet's colours can be read, by the measure of WCAG 2.2."""

import re
from importlib.resources import files

import pytest

CSS = files("api").joinpath("static", "page.css").read_text(encoding="utf-8")


def palette(block: str) -> dict[str, str]:
    """Custom properties that are colours."""
    found = re.findall(r"(--[\w-]+):\s*#([0-9a-f]{3,6});", block)
    return {name: value if len(value) == 6 else "".join(char * 2 for char in value) for name, value in found}


LIGHT = palette(CSS.split("@media")[0])
DARK = {**LIGHT, **palette(CSS.split("prefers-color-scheme: dark")[1].split("@media")[0])}


def luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


INKS = ("--ink", "--mute", "--accent", "--stop", "--urgent", "--soon", "--info", "--good")
PAIRS = [
    *[(ink, ground) for ink in INKS for ground in ("--ground", "--sheet", "--raised")],
    *[(ink, f"{ink}-soft") for ink in ("--accent", "--good", "--stop", "--urgent", "--soon")],
    ("--on-accent", "--accent"),
    ("--ink", "--soft"),
    ("--mute", "--soft"),
    ("--ink", "--soon-soft"),
]


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), PAIRS)
def test_text_stands_out_from_its_ground(scheme: dict[str, str], ink: str, ground: str) -> None:
    assert contrast(scheme[ink], scheme[ground]) >= 4.5


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_marks_stand_out_from_their_ground(scheme: dict[str, str]) -> None:
    for mark in ("--likely", "--accent", "--stop"):
        assert contrast(scheme[mark], scheme["--sheet"]) >= 3


def test_no_template_carries_style_or_script_of_its_own() -> None:
    for template in files("api").joinpath("templates").iterdir():
        text = template.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|\son\w+=|<style|javascript:", text), template.name
        assert not re.search(r"<script(?![^>]*(src=|application/json))", text), template.name

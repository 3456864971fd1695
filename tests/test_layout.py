"""The house of docs/architecture.md: names of the rooms, and who may import whom."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parent.parent
FLOORS = (
    ("vehicle", "dbc"),
    ("decoders", "rules", "maintenance"),
    ("store",),
    ("ingest", "api", "crm", "simulator"),
    ("odocare", "bench"),
)
ROOMS = {room for floor in FLOORS for room in floor}
BESIDE = {"deploy", "docs", "tests"}
MADE = {"__pycache__", "dist", "node_modules"}


def tools() -> Any:
    """The part `tool` of pyproject.toml."""
    return tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]


def test_top_level_folders_are_the_rooms_and_what_stands_beside_them() -> None:
    found = {entry.name for entry in REPOSITORY.iterdir() if entry.is_dir() and entry.name[0] != "."}
    assert found - MADE - BESIDE == ROOMS


def test_every_room_is_packaged_and_under_the_contracts() -> None:
    assert set(tools()["hatch"]["build"]["targets"]["wheel"]["packages"]) == ROOMS
    assert set(tools()["importlinter"]["root_packages"]) == ROOMS


def test_packages_reexport_nothing() -> None:
    for room in sorted(ROOMS - {"dbc"}):  # dbc is files, and the two functions that read them
        for file in (REPOSITORY / room).rglob("__init__.py"):
            module = ast.parse(file.read_text(encoding="utf-8"))
            assert ast.get_docstring(module), f"{file} has no docstring"
            assert len(module.body) == 1, f"{file} holds more than its docstring"


def test_tests_mirror_the_rooms() -> None:
    folders = {entry.name for entry in (REPOSITORY / "tests").iterdir() if entry.is_dir()} - MADE
    assert folders <= ROOMS | BESIDE | {"faults", "fuzz", "golden", "journeys"}


def test_imports_go_down_only() -> None:
    """`lint-imports` with the contracts of pyproject.toml."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.fail(done.stdout)

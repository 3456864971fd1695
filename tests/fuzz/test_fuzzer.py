"""The fuzzer finds what is wrong, makes it small, keeps it, and repeats itself."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fuzz import piece, seeds
from tests.fuzz import run as runs
from tests.fuzz.book import TARGETS
from tests.fuzz.dice import Dice
from tests.fuzz.minimise import minimised
from tests.fuzz.mutators import mutated
from tests.fuzz.run import Run
from tests.fuzz.target import Mark, Target, require

FUZZ = Path(__file__).parent


def careless(case: bytes, _: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    """Breaks down at a length that lies, once it has got past the first byte."""
    require("no case begins with 0xFF", holds=case[:1] != b"\xff")
    if not case.startswith(b"OK"):
        return ["refused"]
    return [("byte", case[3 + case[2]])] if len(case) > 3 else ["short"]


def lazy(case: bytes, _: bool) -> Collection[Mark]:  # noqa: FBT001 - as every target's
    while b"!" in case:
        pass
    return [len(case)]


def target(check: object = careless) -> Target:
    return Target("careless", check, lambda: [b"OK\x01abcdefghijkl", b"no"])  # type: ignore[arg-type]  # one of them


def test_what_breaks_is_found_made_small_and_told_where() -> None:
    done = piece.run(target(), target().starts(), seed=1, number=0, cases=4_000)
    found = {one.key: one for one in done.findings}
    assert found.keys() == {
        "IndexError in tests/fuzz/test_fuzzer.py:careless", "broken promise: no case begins with 0xFF",
    }  # fmt: skip
    small = found["IndexError in tests/fuzz/test_fuzzer.py:careless"]
    assert len(small.data) == 4
    assert small.data.startswith(b"OK")
    assert "IndexError" in small.story
    assert found["broken promise: no case begins with 0xFF"].data == b"\xff"


def test_a_case_that_goes_on_for_ever_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(piece, "LONGEST_S", 0.02)
    broken = piece.broken_by(target(lazy), b"?!")
    assert broken is not None
    assert broken.key == "TookTooLongError in tests/fuzz/test_fuzzer.py:lazy"


def test_the_same_seed_makes_the_same_cases_and_another_one_others() -> None:
    one, other = TARGETS["uds"], TARGETS["isotp"]
    for each in (one, other):
        kept = each.starts()
        made = [[mutated(each, kept, dice) for _ in range(200)] for dice in (Dice(1), Dice(1), Dice(2))]
        assert made[0] == made[1] != made[2]
        assert len(set(made[0])) > 150
    again = [piece.run(one, one.starts(), seed=7, number=3, cases=500).kept for _ in range(2)]
    assert again[0] == again[1]


def test_a_run_that_was_interrupted_goes_on_as_if_nothing_had_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "PIECE_CASES", 300)
    uds = TARGETS["uds"]
    whole = Run.begin(uds, seed=5, wanted=900)
    list(runs.go([whole], jobs=1, folder=tmp_path / "whole"))
    first = Run.begin(uds, seed=5, wanted=300)
    list(runs.go([first], jobs=1, folder=tmp_path / "cut"))
    second = Run.resume(uds, tmp_path / "cut", seed=5, wanted=900)
    assert (second.cases, second.pieces) == (300, 1)
    list(runs.go([second], jobs=1, folder=tmp_path / "cut"))
    assert (second.cases, second.kept) == (900, whole.kept)
    assert Run.resume(uds, tmp_path / "cut", seed=6, wanted=900).cases == 0


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # other tests may have left threads behind
def test_a_process_that_dies_is_told_with_the_target_it_worked_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadly = replace(target(), check=lambda _, __: os._exit(9))
    monkeypatch.setitem(TARGETS, "careless", deadly)
    with pytest.raises(runs.DiedError, match="careless, piece 0: --target careless --seed 5 --resume"):
        list(runs.go([Run("careless", 5, 10, kept=[b"OK"])], jobs=2, folder=tmp_path))


def test_minimising_keeps_what_matters() -> None:
    assert minimised(b"aaaaXbbbbbbYccc", lambda data: b"X" in data and b"Y" in data) == b"XY"
    assert minimised(b"abc", lambda data: len(data) >= 2) == b"\0\0"


def test_a_seed_file_says_what_it_is_and_reads_back(tmp_path: Path) -> None:
    data = bytes(range(70))
    path = seeds.write("careless", data, "IndexError somewhere\nat Ü", tmp_path)
    assert path.read_text(encoding="ascii").startswith("# IndexError somewhere\n# at ?\n00 01 02")
    assert seeds.of("careless", tmp_path) == {path.stem: data}
    assert seeds.write("careless", data, "again", tmp_path) == path


def test_a_target_without_records_is_not_mutated_by_records() -> None:
    whole = replace(TARGETS["isotp"], record_bytes=0)
    made = [mutated(whole, whole.starts(), Dice(3)) for _ in range(50)]
    assert all(len(one) <= whole.max_bytes for one in made)


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    """From another folder: nothing but the path may matter."""
    return subprocess.run(
        [sys.executable, FUZZ, *arguments], cwd="/", capture_output=True, text=True, check=False
    )


def test_the_command_runs_by_its_path_and_tells_what_it_did(tmp_path: Path) -> None:
    began = time.monotonic()
    chosen = ("--target", "uds", "--target", "obd", "--cases", "500")
    options = (*chosen, "--json", "--jobs", "2", "--state", str(tmp_path))
    done = command(*options)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(one["target"], one["cases"], one["findings"]) for one in told["targets"]] == [
        ("uds", 500, []), ("obd", 500, []),
    ]  # fmt: skip
    assert 0 <= told["took_s"] <= time.monotonic() - began
    again = json.loads(command(*options, "--resume").stdout)
    assert again["targets"] == told["targets"]


def test_the_command_replays_one_seed_and_names_targets_it_does_not_have(tmp_path: Path) -> None:
    path = seeds.write("uds", b"\x00\x7f\x22\x31", "a refusal", tmp_path)
    done = command("--target", "uds", "--replay", str(path))
    assert (done.returncode, done.stdout) == (0, f"{path.name} does no harm\n")
    wrong = command("--target", "can")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("fuzz: no target can; there are envelope-msgpack, ")
    assert command("--replay", str(path)).returncode == 2

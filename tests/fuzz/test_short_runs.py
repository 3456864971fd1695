"""The kept seeds, and a short run of every target; `make fuzz` makes the long one."""

import pytest

from tests.fuzz import piece, seeds
from tests.fuzz.book import TARGETS

CASES = 2_000
SEEDS = [(target, name) for target in TARGETS for name in seeds.of(target)]


@pytest.mark.parametrize(("target", "name"), SEEDS)
def test_a_kept_seed_does_no_harm(target: str, name: str) -> None:
    broken = piece.broken_by(TARGETS[target], seeds.of(target)[name])
    assert broken is None, broken.story


def test_every_seed_belongs_to_a_target() -> None:
    assert {folder.name for folder in seeds.FOLDER.iterdir()} <= TARGETS.keys()


@pytest.mark.parametrize("name", TARGETS)
def test_good_cases_are_good_in_every_way(name: str) -> None:
    for data in TARGETS[name].starts():
        broken = piece.broken_by(TARGETS[name], data)
        assert broken is None, broken.story


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_run_finds_nothing(name: str) -> None:
    target = TARGETS[name]
    cases = CASES // target.slow
    done = piece.run(target, target.starts(), seed=20, number=0, cases=cases)
    assert [one.story for one in done.findings] == []
    assert done.cases == cases
    assert len(done.kept) > len(target.starts())

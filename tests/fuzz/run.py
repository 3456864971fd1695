"""Runs over targets: pieces spread over processes, progress kept on disk so that a run can go on."""

import json
import multiprocessing
import resource
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.fuzz import piece, seeds
from tests.fuzz.book import TARGETS
from tests.fuzz.piece import Finding, Piece
from tests.fuzz.target import Target

PIECE_CASES: Final = 20_000
MOST_GROWN_BYTES: Final = 2 << 30
"""A process that fuzzes may grow by this; beyond, a case runs out of memory, which is a finding."""


class DiedError(Exception):
    """A process that ended in the midst of a piece: killed for its memory, or by what it ran."""

    def __init__(self, run: "Run") -> None:
        super().__init__(
            f"a process died, perhaps at {run.target}, piece {run.pieces}: "
            f"--target {run.target} --seed {run.seed} --resume --jobs 1 tries it again"
        )


@dataclass(slots=True)
class Run:
    """How far one target has come."""

    target: str
    seed: int
    wanted: int
    cases: int = 0
    pieces: int = 0
    kept: list[bytes] = field(default_factory=list)
    findings: dict[str, Finding] = field(default_factory=dict)

    @property
    def is_done(self) -> bool:
        """Whether no piece is left."""
        return self.cases >= self.wanted

    def add(self, done: Piece) -> None:
        """Take the next piece in."""
        self.cases += done.cases
        self.pieces += 1
        self.kept = done.kept
        for one in done.findings:
            self.findings.setdefault(one.key, one)

    def save(self, folder: Path) -> None:
        """Write down how far it is."""
        folder.mkdir(parents=True, exist_ok=True)
        state = {
            "seed": self.seed,
            "cases": self.cases,
            "pieces": self.pieces,
            "kept": [one.hex() for one in self.kept],
            "findings": [(one.key, one.story, one.data.hex()) for one in self.findings.values()],
        }
        unfinished = folder / f"{self.target}.json.new"
        unfinished.write_text(json.dumps(state), encoding="utf-8")
        unfinished.rename(folder / f"{self.target}.json")

    @classmethod
    def begin(cls, target: Target, *, seed: int, wanted: int) -> "Run":
        """From the start: the target's good cases and the kept seeds."""
        kept = list(dict.fromkeys([*target.starts(), *seeds.of(target.name).values()]))
        return cls(target.name, seed, wanted, kept=kept)

    @classmethod
    def resume(cls, target: Target, folder: Path, *, seed: int, wanted: int) -> "Run":
        """From where a run with the same seed ended; from the start where there was none."""
        path = folder / f"{target.name}.json"
        state = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if state.get("seed") != seed:
            return cls.begin(target, seed=seed, wanted=wanted)
        found = [Finding(key, story, bytes.fromhex(data)) for key, story, data in state["findings"]]
        return cls(
            target.name, seed, wanted, state["cases"], state["pieces"],
            [bytes.fromhex(one) for one in state["kept"]], {one.key: one for one in found},
        )  # fmt: skip


def go(runs: Sequence[Run], *, jobs: int, folder: Path) -> Iterator[Run]:
    """Work all runs off; yields a run each time it is a piece further, and its state is on disk.

    The pieces of a target follow one another, so that however many processes work, the cases are the same.
    One job works in this process.
    """
    waiting = [run for run in runs if not run.is_done]
    if jobs > 1:
        yield from _spread(waiting, jobs=jobs, folder=folder)
        return
    for run in waiting:
        while not run.is_done:
            yield _taken(run, _next_piece(run), folder)


def _spread(waiting: list[Run], *, jobs: int, folder: Path) -> Iterator[Run]:
    """The same in several processes. Raises `DiedError`."""
    context = multiprocessing.get_context("fork")  # the targets import half the project: once is enough
    working: dict[Future[Piece], Run] = {}
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_limit_memory) as pool:
        while waiting or working:
            while waiting and len(working) < jobs:
                run = waiting.pop(0)
                working[pool.submit(_next_piece, run)] = run
            for done in wait(working, return_when=FIRST_COMPLETED).done:
                run = working.pop(done)
                try:
                    piece_done = done.result()
                except BrokenProcessPool:
                    raise DiedError(run) from None
                yield _taken(run, piece_done, folder)
                if not run.is_done:
                    waiting.insert(0, run)


def _taken(run: Run, done: Piece, folder: Path) -> Run:
    run.add(done)
    run.save(folder)
    return run


def _next_piece(run: Run) -> Piece:
    cases = min(PIECE_CASES, run.wanted - run.cases)
    return piece.run(TARGETS[run.target], run.kept, seed=run.seed, number=run.pieces, cases=cases)


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * resource.getpagesize() + MOST_GROWN_BYTES
    with suppress(ValueError, OSError):  # a stricter limit holds already
        resource.setrlimit(resource.RLIMIT_AS, (most, resource.getrlimit(resource.RLIMIT_AS)[1]))

from typer.testing import CliRunner

from odocare.cli import cli
from odocare.commands.bench import benchmarks


def test_a_benchmark_is_found_by_its_module() -> None:
    assert "decode" in benchmarks()
    assert not any(name.startswith("_") for name in benchmarks())


def test_a_benchmark_that_is_none_is_refused_with_those_there_are() -> None:
    ran = CliRunner().invoke(cli, ["bench", "speling"])
    assert ran.exit_code == 2
    assert "decode" in ran.output
    assert "'speling'" in ran.output

import io
import json
from functools import partial

from rich.console import Console

from bench._report import Check, Report
from bench._timing import in_turn, ratio


def report() -> Report:
    return Report(
        "demo",
        [
            Check("speed", 41.0, "x", 40, 50),
            Check("memory", 310.0, "MB", 300, better="lower"),
            Check("against C", None, "x", 5, left_out="this machine has no C compiler"),
        ],
        {"speed, frames/s": 1_234_567.0, "wait, s": 0.25},
    )


def test_a_line_holds_every_check_with_its_floor() -> None:
    line = json.loads(report().line())
    assert list(line) == ["bench", "checks", "figures"]
    assert line["checks"][0] == {
        "name": "speed", "value": 41.0, "unit": "x", "floor": 40, "target": 50, "better": "higher", "ok": True
    }  # fmt: skip
    assert [check["ok"] for check in line["checks"]] == [True, False, None]
    assert line["checks"][2]["value"] is None
    assert line["checks"][2]["left_out"] == "this machine has no C compiler"


def test_what_is_left_out_misses_no_floor() -> None:
    one = report()
    assert not one.ok
    del one.checks[1]
    assert one.ok


def test_the_tables_name_what_is_missed_and_what_is_left_out() -> None:
    out = io.StringIO()
    report().show(Console(file=out, width=120))
    shown = out.getvalue()
    lines = {line.split("│")[1].strip(): line for line in shown.splitlines() if line.count("│") > 2}
    assert lines["speed"].rstrip("│ ").endswith("ok")
    assert "missed" in lines["memory"]
    assert "left out" in lines["against C"]
    assert "no C compiler" in lines["against C"]
    assert "1,234,567" in lines["speed, frames/s"]
    assert "0.25" in lines["wait, s"]


def test_contenders_run_in_turn_after_a_round_to_warm_up() -> None:
    ran: list[str] = []
    found = in_turn("turns", {name: (partial(ran.append, name), 3) for name in ("a", "b")}, 2)
    assert ran == ["a", "b"] * 3
    assert [len(speeds) for speeds in found.values()] == [2, 2]


def test_a_ratio_is_the_median_of_the_rounds() -> None:
    assert ratio([2.0, 30.0, 8.0], [1.0, 3.0, 2.0]) == 4.0

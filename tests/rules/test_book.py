import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.book import load
from rules.features import TABLES
from rules.reading import OPTIONAL, REQUIRED
from rules.rule import TABLES_OF, RuleProblem
from vehicle.trigger import TriggerType

GOOD = """\
id = "crank-weak"
on = "vehicle"
when = "crank_rel_v < -0.8 and ambient_degc > -10"
clear = "crank_rel_v > -0.5"
for = "3 d"
keep = "7 d"
severity = "soon"
trigger = "wear"
job = "battery-test"
source = "limit: demo vehicle, invented"
[say]
zh = "起动电压比本车基线低 {crank_rel_v} V"
en = "Cranking voltage {crank_rel_v} V below this car's own baseline"
[[test]]
title = "three weak days open it"
rows = [
  {day = 0, crank_rel_v = -0.9, ambient_degc = 9},
  {day = 1, crank_rel_v = -0.9, ambient_degc = 9},
  {day = 3, crank_rel_v = -0.95, ambient_degc = 9},
]
opens_on_day = 3
[[test]]
title = "frost explains it"
rows = [{day = 0, crank_rel_v = -0.9, ambient_degc = -20}]
never_opens = true
"""


def problems(*changes: tuple[str, str], file: str = "crank-weak.toml") -> list[RuleProblem]:
    text = GOOD
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    book = load({file: text})
    assert bool(book.problems) != bool(book.rules)
    return list(book.problems)


def test_a_good_rule_loads_with_all_it_says() -> None:
    (rule,) = load({"crank-weak.toml": GOOD}).rules
    assert (rule.id, rule.on, rule.severity, rule.trigger) == ("crank-weak", "vehicle", "soon", "wear")
    assert (rule.hold and rule.hold.text, rule.keep and rule.keep.text) == ("3 d", "7 d")
    assert rule.placeholders == ("crank_rel_v",)
    assert rule.evidence == ("crank_rel_v", "ambient_degc")


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ('on = "vehicle"', 'on = vehicle"', 2, "not TOML: Invalid value"),
        ('job = "battery-test"', "", 1, "missing key 'job'"),
        ('source = "limit: demo vehicle, invented"', "", 1, "missing key 'source'"),
        (
            'source = "limit: demo vehicle, invented"',
            'source = " "',
            10,
            "source is a text that is not empty",
        ),
        ("keep = ", "kepp = ", 6, "unknown key 'kepp' (did you mean 'keep'?)"),
        ('id = "crank-weak"', 'id = "crank-week"', 1, "the file's name says 'crank-weak'"),
        ('id = "crank-weak"', 'id = "Crank Weak"', 1, "small letters, digits and hyphens"),
        ('"vehicle"', '"vehicles"', 2, "unknown table 'vehicles' (did you mean 'vehicle'?)"),
        ("crank_rel_v < -0.8", "crank_rel < -0.8", 3, "when: table vehicle has no column 'crank_rel'"),
        ("crank_rel_v < -0.8", "crank_rel_v < '-0.8'", 3, "compared with '-0.8', a text"),
        ("crank_rel_v < -0.8 and ambient_degc > -10", "crank_rel_v", 3, "a condition is true or false"),
        ("crank_rel_v < -0.8 and ambient_degc > -10", "1 < 2", 3, "reads no column"),
        ("crank_rel_v < -0.8", "min(crank_rel_v) < -0.8", 3, "not allowed in a condition: an aggregate"),
        ("crank_rel_v > -0.5", "crank_rel_v > ", 4, "clear: not an SQL condition"),
        ('"3 d"', '"3 days"', 5, "for: expected a number and a unit"),
        ('"3 d"', "3", 5, "for is a text that is not empty, got 3"),
        ('"7 d"', '"0 km"', 6, "keep: '0 km'"),
        ('"soon"', '"son"', 7, "unknown severity 'son' (did you mean 'soon'?)"),
        ('"wear"', '"ware"', 8, "unknown trigger 'ware' (did you mean 'wear'?)"),
        ('"wear"', '"recall"', 8, "trigger recall cannot come from table vehicle, only from campaign"),
        ('"battery-test"', '"battery test"', 9, "job is small letters, digits and hyphens"),
        ("[say]", "lead_d = [3, 14]\n[say]", 11, "lead_d falls"),
        ("[say]", 'lead_d = ["3"]\n[say]', 11, "lead_d is a list of whole days"),
        ("{crank_rel_v} V below", "{crank_rel} V below", 13, "did you mean 'crank_rel_v'?"),
        ("{crank_rel_v} V below", "below", 13, "{crank_rel_v} stands in zh but not in en"),
        ('zh = "起动电压比本车基线低 {crank_rel_v} V"', "", 11, "say: zh is missing or empty"),
        ('en = "Cranking', 'fr = "x"\nen = "Cranking', 13, "unknown language 'fr'"),
        ("opens_on_day = 3", "opens_on_day = 1", 14, "it should open on day 1, it opened on day 3"),
        ("never_opens = true", "opens_on_day = 0", 22, "it should open on day 0, it never opened"),
        ("never_opens = true", "never_opens = false", 25, "never_opens is true or left out"),
        ("never_opens = true", "", 23, "a test expects opens_on_day"),
        ("opens_on_day = 3", "opens_on_day = 3\nnever_opens = true", 15, "a test expects opens_on_day"),
        ("opens_on_day = 3", "opens_on_day = 3\ncloses_on_day = 4", 14, "it never closed"),
        ("opens_on_day = 3", 'opens_on_day = "3"', 21, "opens_on_day is a number"),
        ("opens_on_day = 3", "open_on_day = 3", 21, "did you mean 'opens_on_day'?"),
        ("{day = 1,", "{day = 9,", 16, "the rows of a test rise by day"),
        ("{day = 1,", "{", 16, "a row of a test has a day"),
        ("{day = 1,", "{day = inf,", 16, "a row of a test has a day"),
        ("day = 1, crank_rel_v", "day = 1, crank_rel", 16, "table vehicle has no column 'crank_rel'"),
        ("crank_rel_v = -0.95", 'crank_rel_v = "low"', 16, "crank_rel_v is a number, got 'low'"),
        ("crank_rel_v = -0.95", "visits_n = 1.5", 16, "visits_n is a whole number"),
        ("crank_rel_v = -0.95", 'climate = "wet"', 16, "climate is never 'wet'"),
        ('title = "frost explains it"', "", 22, "a test has a title"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(old: str, new: str, line: int, reason: str) -> None:
    found = problems((old, new))
    assert [(each.file, each.line) for each in found if reason in each.message] == [("crank-weak.toml", line)]


def test_all_problems_are_told_at_once() -> None:
    found = problems(
        ('"vehicle"', '"vehicle"\ncolour = 1'),
        ("crank_rel_v < -0.8", "crank < -0.8 and voltage > 1"),
        ('"7 d"', '"7 weeks"'),
        ("{crank_rel_v} V below", "{wear}"),
    )
    assert len(found) >= 5


def test_a_rule_has_a_test_that_opens_it() -> None:
    opens, stays = GOOD.split("[[test]]")[1:]
    assert "no test opens the rule" in problems(("[[test]]" + opens, ""))[0].message
    assert problems(("[[test]]" + stays, "")) == []
    assert "missing key 'test'" in problems(("[[test]]" + opens, ""), ("[[test]]" + stays, ""))[0].message


def test_a_failing_test_tells_what_the_condition_made_of_each_row() -> None:
    (found,) = problems(("opens_on_day = 3", "opens_on_day = 1"))
    assert "it should open on day 1, it opened on day 3" in found.message
    assert "when: day 0 true, day 1 true, day 3 true" in found.message


def test_what_no_row_gives_is_not_what_the_test_is_about() -> None:
    assert problems((", ambient_degc = 9", "")) == []


def test_what_only_some_rows_give_is_unknown_on_the_others() -> None:
    (found,) = problems(
        (", ambient_degc = 9", ""), ("crank_rel_v = -0.95", "crank_rel_v = -0.95, ambient_degc = 9")
    )
    assert "day 0 unknown, day 1 unknown, day 3 true" in found.message


def test_a_half_written_file_is_refused_and_the_others_go_on() -> None:
    for end in range(0, len(GOOD) - 2, 37):
        book = load({"crank-weak.toml": GOOD, "half.toml": GOOD[:end]})
        assert [rule.id for rule in book.rules] == ["crank-weak"]
        assert {each.file for each in book.problems} == {"half.toml"}


def test_a_file_that_is_not_utf_8_is_refused_with_the_line() -> None:
    text = GOOD.encode("gbk").decode("utf-8", errors="surrogateescape")
    (found,) = load({"crank-weak.toml": text}).problems
    assert (found.line, found.message) == (12, "the file is not UTF-8: save it as UTF-8")


def test_a_rule_that_stands_twice_does_not_run_at_all() -> None:
    book = load({"a/crank-weak.toml": GOOD, "b/crank-weak.toml": GOOD})
    assert book.rules == ()
    assert [each.message for each in book.problems] == [
        "id 'crank-weak' also stands in b/crank-weak.toml",
        "id 'crank-weak' also stands in a/crank-weak.toml",
    ]


def test_the_version_is_that_of_the_content_and_not_of_layout_and_tests() -> None:
    def version(text: str) -> str:
        return load({"crank-weak.toml": text}).rules[0].version

    assert version("# a comment\n" + GOOD.replace("frost explains", "cold explains")) == version(GOOD)
    assert version(GOOD.replace("-0.8", "-0.7")) != version(GOOD)
    assert version(GOOD.replace("Cranking", "Starting")) != version(GOOD)


WRONG = st.sampled_from(
    ["3", "true", '""', "[]", "[1]", "{}", "{a = 1}", "nan", "1979-05-27", "'x'", "[[]]", '"\\u0000"']
)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, len(GOOD)), st.integers(0, 12), st.text('ab0 "=[]{},.#-\n', max_size=6) | WRONG)
def test_a_damaged_file_is_told_and_never_raises(at: int, length: int, inserted: str) -> None:
    book = load({"crank-weak.toml": GOOD[:at] + inserted + GOOD[at + length :]})
    assert bool(book.rules) != bool(book.problems)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([line for line in GOOD.splitlines() if " = " in line and "{day" not in line]), WRONG)
def test_a_value_of_any_other_kind_is_told_and_never_raises(line: str, value: str) -> None:
    book = load({"crank-weak.toml": GOOD.replace(line, f"{line.split(' = ')[0]} = {value}")})
    assert bool(book.rules) != bool(book.problems)


def test_windows_line_ends_are_fine() -> None:
    assert load({"crank-weak.toml": GOOD.replace("\n", "\r\n")}).problems == ()


def test_the_rule_in_the_documentation_loads() -> None:
    page = (Path(__file__).parents[2] / "docs" / "adding-a-rule.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    assert load({"crank-weak.toml": text}).problems == ()


def test_the_documentation_tells_every_key_and_every_trigger() -> None:
    page = (Path(__file__).parents[2] / "docs" / "adding-a-rule.md").read_text(encoding="utf-8")
    wanted = {*REQUIRED, *OPTIONAL} - {"say", "test"} | {each.value for each in TriggerType} | {*TABLES}
    assert {word for word in wanted if f"`{word}`" not in page} == set()
    for trigger, tables in TABLES_OF.items():
        lines = page.partition("## Triggers")[2].splitlines()
        (line,) = (line for line in lines if line.startswith("|") and f"`{trigger}`" in line.split("|")[1])
        assert {table for table in TABLES if f"`{table}`" in line.split("|")[2]} == tables

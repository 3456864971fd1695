import pytest

from rules.features import TABLES
from rules.finding import Value
from rules.words import problems, render
from tests.rules.strategies import rule

NAMES = {"item": {"oil": "机油"}, "climate": {"cold": "寒冷"}}


@pytest.mark.parametrize(
    ("say", "values", "expected"),
    [
        ("{crank_rel_v} V", {"crank_rel_v": -0.934}, "-0.93 V"),
        ("{crank_rel_v:abs} V", {"crank_rel_v": -0.934}, "0.93 V"),
        ("{odometer_km} km", {"odometer_km": 13832.875}, "13,833 km"),
        ("{age_d}", {"age_d": -0.2}, "0"),
        ("{visits_n}", {"visits_n": 3}, "3"),
        ("{climate}", {"climate": "cold"}, "寒冷"),
        ("{climate}", {"climate": "mild"}, "mild"),
        ("{rest_v} V", {"rest_v": None}, "未知 V"),
        ("{rest_v} V", {}, "未知 V"),
    ],
)
def test_values_are_written_by_their_features(say: str, values: dict[str, Value], expected: str) -> None:
    assert render(rule("rest_v < 12", say=say), "zh", values, NAMES) == expected


def test_flags_and_the_unknown_are_words_of_the_language() -> None:
    one = rule("mil", on="fault", say="{mil}/{recurred}")
    assert render(one, "zh", {"mil": True, "recurred": None}, {}) == "是/未知"
    assert render(one, "en", {"mil": False, "recurred": None}, {}) == "no/unknown"


def test_values_are_not_read_as_words_themselves() -> None:
    one = rule("code = 'x'", on="fault", say="{code}")
    assert render(one, "en", {"code": "{status}"}, {}) == "{status}"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{rest} V", "did you mean 'rest_v'?"),
        ("{rest_v", "a brace without its partner"),
        ("rest_v}", "a brace without its partner"),
        ("{rest_v:.2f}", "the only style is abs"),
        ("{climate:abs}", "climate is no number"),
        ("{}", "is no column"),
        ("{rest_v.real}", "is no column"),
    ],
)
def test_placeholders_are_checked(text: str, reason: str) -> None:
    assert reason in "; ".join(problems(text, TABLES["vehicle"]))

from rules.lines import Lines

TEXT = '''# a comment
id = "x"
"on" = "vehicle"
source = """
id = "not a key"
"""
[ say ]  # words
zh = "…"
en = "…"

[[test]]
title = "one"
rows = [
  {day = 0},
]
[[test]]
title = "it's two"
say.more = 1
'''


def test_every_key_is_found_where_it_stands() -> None:
    lines = Lines.of(TEXT)
    assert [lines.find(*path) for path in [("id",), ("on",), ("source",), ("say",), ("say", "en")]] == [
        2,
        3,
        4,
        7,
        9,
    ]
    assert [lines.find("test", n, "title") for n in (0, 1)] == [12, 17]
    assert lines.find("test", 0, "rows") == 13


def test_what_is_missing_is_found_where_it_should_have_stood() -> None:
    lines = Lines.of(TEXT)
    assert lines.find("say", "fr") == 7
    assert lines.find("test", 1, "rows") == 16
    assert lines.find("keep") == 1
    assert lines.find() == 1

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api import cursor
from api.cursor import BadCursorError
from store.feed import Position
from vehicle.trigger import Feed

positions = st.builds(Position, st.sampled_from(Feed), st.integers(0, 2**32 - 1), st.integers(0, 2**63 - 1))


@given(positions)
def test_a_cursor_reads_back_as_its_position(position: Position) -> None:
    text = cursor.spell(position)
    assert len(text) == 24
    assert cursor.parse(text, position.feed) == position


@example(Position(Feed.RECALL, 22, 61368301), 23, "/")
@given(positions, st.integers(0, 23), st.sampled_from("ABCDEFabcdef0123456789-_+/=é\x00 "))
def test_parse_accepts_only_what_spell_writes(position: Position, place: int, char: str) -> None:
    text = cursor.spell(position)
    spoiled = text[:place] + char + text[place + 1 :]
    try:
        found = cursor.parse(spoiled, position.feed)
    except BadCursorError:
        return
    assert cursor.spell(found) == spoiled


@given(st.text(max_size=40))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(BadCursorError):
        cursor.parse(text, Feed.SERVICE)


@given(positions)
def test_a_cursor_of_one_feed_does_not_open_another(position: Position) -> None:
    other = next(feed for feed in Feed if feed is not position.feed)
    with pytest.raises(BadCursorError, match=f"belongs to feed {position.feed}"):
        cursor.parse(cursor.spell(position), other)

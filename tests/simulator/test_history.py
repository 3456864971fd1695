import hashlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from decoders.envelope import CanMessage, DtcMessage, EcuDtcs, Message, SignalsMessage, decode, encode
from simulator.fleet import EARLIEST_UNTIL, LATEST_UNTIL, FleetError
from simulator.history import Span, history, span
from simulator.holidays import day_of
from simulator.outgoing import outgoing
from simulator.tail import PetrolTail
from simulator.tbox import ODOMETER
from tests.simulator.conftest import UNTIL, life_of
from vehicle.dtc import DtcStandard, DtcStatus

ASKED = Span(seed=1, vehicles_n=25, days_n=45, until=UNTIL)


def digests(messages: Iterable[Message]) -> dict[tuple[str, int, int], str]:
    """Hash of each body by VIN, boot and sequence number."""
    found: dict[tuple[str, int, int], str] = {}
    for message in messages:
        key = (message.envelope.vin, message.envelope.boot, message.envelope.seq)
        assert key not in found
        found[key] = hashlib.sha256(encode(message)).hexdigest()
    return found


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    return list(history(ASKED, PetrolTail()))


def test_the_same_span_gives_the_same_bytes_in_the_same_order(messages: list[Message]) -> None:
    again = [encode(message) for message in history(ASKED, PetrolTail())]
    assert again == [encode(message) for message in messages]


def test_another_seed_is_another_fleet(messages: list[Message]) -> None:
    other = history(Span(2, 25, 45, UNTIL))
    assert not {m.envelope.vin for m in other} & {m.envelope.vin for m in messages}


@pytest.mark.parametrize(
    "other",
    [
        Span(1, 8, 45, UNTIL),
        Span(1, 25, 12, UNTIL),
        Span(1, 25, 45, UNTIL + timedelta(days=9)),
        Span(1, 3, 1, UNTIL - timedelta(days=20)),
    ],
    ids=["fewer vehicles", "fewer days", "a later end", "one earlier day"],
)
def test_runs_that_overlap_agree_in_every_message_they_share(messages: list[Message], other: Span) -> None:
    one, two = digests(messages), digests(history(other, PetrolTail()))
    shared = one.keys() & two.keys()
    assert len(shared) > 30 * other.vehicles_n * other.days_n // 100
    assert all(one[key] == two[key] for key in shared)


def test_a_fleet_of_more_than_a_shard_is_the_same_fleet(
    messages: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.history.SHARD", 7)
    assert digests(history(ASKED, PetrolTail())) == digests(messages)


def test_every_message_is_decoded_to_itself(messages: list[Message]) -> None:
    for message in messages:
        ready = outgoing(message)
        assert ready.topic == f"tbox/v1/{message.envelope.vin}/up/{message.kind}"
        assert decode(message.kind, ready.body) == message


def test_sequence_numbers_are_whole_and_boots_rise_with_time(messages: list[Message]) -> None:
    by_boot: dict[tuple[str, int], list[int]] = defaultdict(list)
    newest: dict[str, int] = {}
    for message in messages:
        envelope = message.envelope
        by_boot[envelope.vin, envelope.boot].append(envelope.seq)
        assert envelope.boot >= newest.get(envelope.vin, 0)
        newest[envelope.vin] = envelope.boot
    assert all(seqs == list(range(len(seqs))) for seqs in by_boot.values())


def test_days_come_one_after_the_other_and_end_with_the_span(messages: list[Message]) -> None:
    days = [message.envelope.boot // 10 for message in messages]
    assert days == sorted(days)
    assert days[0] == day_of(UNTIL) - 44
    assert days[-1] == day_of(UNTIL)
    end_us = (day_of(UNTIL) + 1) * 86_400_000_000 - 8 * 3_600_000_000
    for message in messages:
        if isinstance(message, SignalsMessage):
            latest = max(int(dt_us.max()) for dt_us, _ in message.signals.values())
            assert message.envelope.t0_us + latest < end_us


def test_the_odometer_as_sent_never_falls(messages: list[Message]) -> None:
    newest: dict[str, float] = {}
    for message in messages:
        if isinstance(message, SignalsMessage):
            dt_us, metres = message.signals[ODOMETER]
            assert dt_us[0] == 0
            assert dt_us[1] > 0
            assert newest.get(message.envelope.vin, 0.0) <= metres[0] <= metres[1]
            newest[message.envelope.vin] = float(metres[1])


def test_a_day_is_told_in_a_few_values(messages: list[Message]) -> None:
    sizes = [len(message) for message in messages if isinstance(message, SignalsMessage)]
    assert sum(sizes) / len(sizes) < 16.0
    assert max(len(encode(message)) for message in messages if isinstance(message, SignalsMessage)) < 2000


def test_petrol_cars_end_with_live_frames_and_others_do_not(messages: list[Message]) -> None:
    live = {message.envelope.vin for message in messages if isinstance(message, CanMessage)}
    petrol = {m.envelope.vin for m in messages if m.envelope.vin[3] in "CT"}
    assert live == petrol
    assert live


def test_faults_are_pending_then_confirmed_then_healed() -> None:
    stories: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for message in history(Span(seed=1, vehicles_n=60, days_n=400, until=UNTIL)):
        if isinstance(message, DtcMessage):
            for ecu in message.ecus:
                _tell(stories, message.envelope.vin, ecu)
    assert len(stories) > 20
    assert {word for story in stories.values() for word in story} == {"pending", "confirmed", "gone"}
    for story in stories.values():
        for before, after in pairwise(story):
            assert (before, after) != ("confirmed", "pending")


def _tell(stories: dict[tuple[str, str, str], list[str]], vin: str, ecu: EcuDtcs) -> None:
    """Go on with the story of every code of an ECU."""
    assert ecu.complete
    present = {reading.dtc.code: reading for reading in ecu.readings}
    if ecu.standard is DtcStandard.J1939:
        assert all(reading.status is None and reading.dtc.spn is not None for reading in ecu.readings)
    for (whose, name, code), story in stories.items():
        if (whose, name) == (vin, ecu.ecu) and code not in present and story[-1] != "gone":
            story.append("gone")
    for code, reading in present.items():
        story = stories[vin, ecu.ecu, code]
        state = "confirmed" if _is_confirmed(reading.status) else "pending"
        if not story or story[-1] != state:
            story.append(state)


def _is_confirmed(status: DtcStatus | None) -> bool:
    return status is None or DtcStatus.CONFIRMED in status


def test_a_history_that_begins_within_a_fault_tells_it() -> None:
    life = life_of(13)
    episode = max(life.episodes, key=lambda e: (e.end - e.onset, e.onset))
    middle = (episode.onset + episode.end) // 2
    day = next(
        n
        for n in range(middle, episode.end)
        if life.used.starts_n[n] and not any(change.day == n for change in life.changes)
    )
    until = date.fromordinal(date(1970, 1, 1).toordinal() + life.vehicle.delivered_day + day)
    sent = [m for m in history(Span(1, 14, 1, until)) if m.envelope.vin == life.vehicle.vin]
    codes = [m for m in sent if isinstance(m, DtcMessage)]
    assert len(codes) == 1
    assert episode.kind.dtc(codes[0].ecus[0].standard) in [r.dtc for r in codes[0].ecus[0].readings]


NOW = datetime(2026, 11, 21, 15, 30, tzinfo=UTC)  # 23:30 in Shanghai


def test_a_history_ends_yesterday_where_the_cars_are() -> None:
    assert span(1, 2, 3, None, now=NOW).until == date(2026, 11, 20)
    assert span(1, 2, 3, None, now=NOW + timedelta(hours=1)).until == date(2026, 11, 21)
    assert span(1, 2, 3, date(2026, 2, 1), now=NOW).until == date(2026, 2, 1)


def test_days_that_are_not_over_are_refused() -> None:
    with pytest.raises(
        FleetError, match="yesterday at the latest, 2026-11-20 in Asia/Shanghai; got 2026-11-21"
    ):
        span(1, 2, 3, date(2026, 11, 21), now=NOW)


def test_the_last_year_of_the_table_can_be_simulated() -> None:
    assert list(history(Span(1, 12, 3, LATEST_UNTIL)))
    assert list(history(Span(1, 12, 3, EARLIEST_UNTIL)))


def test_progress_is_told_for_every_vehicle_day() -> None:
    told = []
    list(history(Span(1, 4, 10, UNTIL), on_day=lambda: told.append(1)))
    assert len(told) == 40

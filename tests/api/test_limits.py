from hypothesis import given
from hypothesis import strategies as st

from api.limits import Buckets, Recent, origin


def test_a_burst_passes_then_the_rate_holds() -> None:
    buckets = Buckets(burst=3, per_s=0.5)
    assert [buckets.take("a", 100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 2.0]
    assert buckets.take("b", 100.0) == 0.0
    assert buckets.take("a", 101.0) == 1.0
    assert buckets.take("a", 102.0) == 0.0


@given(st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_no_more_pass_than_burst_and_rate_allow(pauses: list[float]) -> None:
    buckets = Buckets(burst=5, per_s=2)
    now_s, passed = 0.0, 0
    for pause in pauses:
        now_s += pause
        passed += buckets.take("a", now_s) == 0.0
        assert passed <= 5 + 2 * now_s + 1e-6


def test_looking_takes_nothing_and_remembers_nobody() -> None:
    buckets = Buckets(burst=1, per_s=1)
    assert buckets.wait_s("a", 0.0) == 0.0
    assert len(buckets) == 0
    buckets.take("a", 0.0)
    assert buckets.wait_s("a", 0.25) == 0.75
    assert buckets.wait_s("a", 0.25) == 0.75


def test_the_number_of_names_is_bounded() -> None:
    buckets, recent = Buckets(burst=1, per_s=1, most=100), Recent(most=100)
    for n in range(1_000):
        buckets.take(str(n), 0.0)
        recent.add(str(n).encode())
    assert len(buckets) == 100
    assert b"999" in recent
    assert b"10" not in recent


def test_an_ipv6_client_is_counted_by_its_network() -> None:
    assert origin("2001:db8:1:2:aaaa::1") == origin("2001:db8:1:2:bbbb::2") == "2001:db8:1:2::/64"
    assert origin("2001:db8:1:3::1") != origin("2001:db8:1:2::1")
    assert origin("::ffff:192.0.2.7") == origin("192.0.2.7") == "192.0.2.7"
    assert origin(None) == origin("testclient") == "unknown"

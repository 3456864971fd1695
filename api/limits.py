"""Rate limits in memory: token buckets, bounded in number, without a clock of their own."""

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class Buckets:
    """One token bucket per name; the least recently used are forgotten beyond `most`.

    `burst` tokens at once, `per_s` more every second. Forgetting only ever refills a bucket.
    """

    def __init__(self, *, burst: float, per_s: float, most: int = 10_000) -> None:
        self._burst = burst
        self._per_s = per_s
        self._most = most
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, name: str, now_s: float) -> float:
        """Take one token: 0 where there was one, else the seconds until there is."""
        bucket = self._fill(name, now_s)
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
            return 0.0
        return (1.0 - bucket.tokens) / self._per_s

    def wait_s(self, name: str, now_s: float) -> float:
        """Seconds until a token is there, 0 where one is; takes none and remembers no new name."""
        if name not in self._buckets:
            return 0.0
        return max(0.0, (1.0 - self._fill(name, now_s).tokens) / self._per_s)

    def _fill(self, name: str, now_s: float) -> _Bucket:
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = _Bucket(self._burst, now_s)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(name)
            elapsed_s = max(0.0, now_s - bucket.at_s)
            bucket.tokens = min(self._burst, bucket.tokens + elapsed_s * self._per_s)
            bucket.at_s = now_s
        return bucket


class Recent:
    """The names seen last, at most `most` of them."""

    def __init__(self, most: int = 10_000) -> None:
        self._most = most
        self._names: OrderedDict[bytes, None] = OrderedDict()

    def __contains__(self, name: bytes) -> bool:
        return name in self._names

    def add(self, name: bytes) -> None:
        """Remember a name."""
        self._names[name] = None
        self._names.move_to_end(name)
        if len(self._names) > self._most:
            self._names.popitem(last=False)


def origin(host: str | None) -> str:
    """What an address is counted by: itself, or the /64 it lies in, which is what one IPv6 client owns."""
    if host is None:
        return "unknown"
    try:
        address = ip_address(host)
    except ValueError:
        return "unknown"
    if isinstance(address, IPv6Address):
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(IPv6Address(int(address) >> 64 << 64)) + "/64"
    return str(address)

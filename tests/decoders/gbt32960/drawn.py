"""What Hypothesis draws: records that fit a layout, and every kind of message."""

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from decoders.gbt32960.fields import Fixed, Mark, Missing, Series
from decoders.gbt32960.layout import Group, Layout, Length, Many, Octets, Part, Record, Run
from decoders.gbt32960.messages import Message, Notice
from decoders.gbt32960.parameters import PARAMETERS, Control, Query, Settings
from decoders.gbt32960.report import CUSTOM, UNITS, Entry, Report
from decoders.gbt32960.session import (
    Activation,
    ActivationAnswer,
    KeyExchange,
    Login,
    Logout,
    PlatformLogin,
)
from decoders.gbt32960.units_2025 import SIGNATURE
from decoders.gbt32960.words import Command, Edition

moments = st.integers(946_656_000, 4_102_415_999).map(lambda second: second * 1_000_000)
words = st.integers(0, 0xFFFF)
bytes_ = st.integers(0, 0xFF)


def texts(most: int, least: int = 0) -> SearchStrategy[str]:
    """ASCII that is not filled up."""
    alphabet = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
    return st.text(alphabet, min_size=least, max_size=most)


def raws(size: int) -> SearchStrategy[int]:
    """Raw values of a size, sentinels more often than chance has them."""
    top = (1 << 8 * size) - 1
    return st.integers(0, top) | st.sampled_from([0, top, top - 1, top - 2])


def _set(record: Record, one: Fixed, raw: int) -> None:
    value = one.read(raw)
    if isinstance(value, Missing):
        record.missing[one.name] = value
    else:
        record.values[one.name] = value


def _draw_part(draw: DrawFn, part: Part, record: Record) -> None:
    match part:
        case Run():
            for one in part.fields:
                if not isinstance(one, Mark):
                    _set(record, one, draw(raws(one.size)))
        case Many():
            numbers = draw(st.lists(raws(part.element.size), max_size=4))
            octets = b"".join(raw.to_bytes(part.element.size, "big") for raw in numbers)
            record.series[part.element.name] = Series(part.element, octets)
        case Octets():
            record.values[part.name] = draw(st.binary(max_size=6))
        case Group():
            n = part.fixed_n or draw(st.integers(0, 3))
            record.groups[part.name] = tuple(draw(records(part.entry)) for _ in range(n))
        case Length():
            pass


@st.composite
def records(draw: DrawFn, layout: Layout) -> Record:
    """Records that fit a layout."""
    record = Record()
    for part in layout.parts:
        _draw_part(draw, part, record)
    return record


@st.composite
def reports(draw: DrawFn, edition: Edition) -> Report:
    """Reports with any units of an edition, custom ones too, the signature last."""
    numbers = draw(st.lists(st.sampled_from(sorted(UNITS[edition])) | st.integers(0x80, 0xFE), max_size=5))
    entries = []
    for number in sorted(numbers, key=lambda one: one == SIGNATURE.number):
        unit = UNITS[edition].get(number)
        if unit is None:
            entries.append(Entry(number, "custom", draw(records(CUSTOM))))
        elif number != SIGNATURE.number or all(one.number != number for one in entries):
            entries.append(Entry(number, unit.name, draw(records(unit.layout))))
    return Report(edition, draw(moments), tuple(entries), draw(st.booleans()))


def logins(edition: Edition) -> SearchStrategy[Login]:
    """Logins with pack codes as their edition has them."""
    code = texts(24, least=1)
    systems: SearchStrategy[list[tuple[str, ...]]] = st.lists(
        st.lists(code, max_size=3).map(tuple), max_size=3
    )
    if edition is Edition.GBT_2016:
        has_code = st.booleans()
        systems = has_code.flatmap(
            lambda has: st.lists(code.map(lambda one: (one,)) if has else st.just(()), max_size=3)
        )
    return st.builds(Login, at_us=moments, serial=words, iccid=texts(20), packs=systems.map(tuple))


DOMAINS = {number - 1: number for number, parameter in PARAMETERS.items() if not parameter.size}
"""The parameter that has a domain's length, and the domain's."""


@st.composite
def settings_(draw: DrawFn) -> Settings:
    """Parameters with values; a domain behind its length."""
    values: dict[int, int | bytes] = {}
    single = sorted(PARAMETERS.keys() - DOMAINS.values())
    for number in draw(st.lists(st.sampled_from(single), unique=True)):
        size = PARAMETERS[number].size
        if number in DOMAINS:
            domain = draw(st.binary(max_size=9))
            values |= {number: len(domain), DOMAINS[number]: domain}
        elif PARAMETERS[number].is_number:
            values[number] = draw(raws(size))
        else:
            values[number] = draw(st.binary(min_size=size, max_size=size))
    return Settings(draw(moments), values)


def messages(edition: Edition) -> SearchStrategy[tuple[Command, Message]]:
    """Any command of an edition with something to say."""

    def of(command: Command, what: SearchStrategy[Message]) -> SearchStrategy[tuple[Command, Message]]:
        return what.map(lambda message: (command, message))

    logouts = st.builds(Logout, at_us=moments, serial=words)
    both = (
        reports(edition).map(
            lambda report: (Command.REISSUE if report.is_reissued else Command.REPORT, report)
        )
        | of(Command.LOGIN, logins(edition))
        | of(Command.LOGOUT, logouts)
        | of(Command.PLATFORM_LOGOUT, logouts)
        | of(
            Command.PLATFORM_LOGIN,
            st.builds(PlatformLogin, moments, words, texts(12), texts(20), encryption=bytes_),
        )
        | of(Command.HEARTBEAT, st.builds(Notice, st.none() | moments))
        | of(Command.TIME_SYNC, st.builds(Notice, st.none() | moments))
        | of(Command.QUERY, st.builds(Query, moments, st.lists(bytes_, max_size=9).map(tuple)))
        | of(Command.SET, settings_())
        | of(Command.CONTROL, st.builds(Control, moments, bytes_, st.binary(max_size=9)))
    )
    if edition is Edition.GBT_2016:
        return both
    keys = st.binary(max_size=40)
    return (
        both
        | of(
            Command.ACTIVATION,
            st.builds(Activation, moments, texts(16), keys, texts(17), records(SIGNATURE.layout)),
        )
        | of(Command.ACTIVATION_ANSWER, st.builds(ActivationAnswer, st.booleans(), bytes_))
        | of(Command.KEY_EXCHANGE, st.builds(KeyExchange, bytes_, keys, moments, moments))
    )

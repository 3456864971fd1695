"""Signal files that would take a machine's memory or time are refused at once, and say what was expected."""

import time
import tracemalloc
from collections.abc import Callable

import pytest

from decoders.signal_files import database
from vehicle.errors import CodebookError

HEAD = 'VERSION ""\n\nBU_: X\n\n'
KCD = '<NetworkDefinition xmlns="http://kayak.2codeornot2code.org/1.0">{}</NetworkDefinition>'
ENTITIES = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{k} "{f"&a{k - 1 if k else str()};" * 10}">' for k in range(12))
    + "]><NetworkDefinition>&a11;</NetworkDefinition>"
)
DEEP_MULTIPLEXERS = (
    HEAD
    + "BO_ 1 A: 8 X\n"
    + "".join(f' SG_ M{k} {"M" if k == 0 else "m0M"} : {8 * k}|8@1+ (1,0) [0|0] "" X\n' for k in range(8))
    + "".join(f"SG_MUL_VAL_ 1 M{k} M{k - 1} 0-255;\n" for k in range(1, 8))
)


def signal(k: int) -> str:
    return f' SG_ S{k} : 0|8@1+ (1,0) [0|0] "" X\n'


CASES: dict[str, tuple[str, Callable[[], str | bytes], str]] = {
    "100 MB": (
        "a.dbc",
        lambda: b"BO_ " * (25 << 20),
        "a.dbc: a .dbc has at most 16777216 bytes, got 104857600",
    ),
    "many signals": (
        "a.dbc",
        lambda: HEAD + "BO_ 1 A: 8 X\n" + 'SG_ s:0|1@1+(1,0)[0|0]""X\n' * 600_000,
        "a.dbc: a signal file has at most 100000 signals, got 600000",
    ),
    "many signals in a message": (
        "a.dbc",
        lambda: HEAD + "BO_ 1 A: 8 X\n" + "".join(signal(k) for k in range(4_200)),
        "a.dbc:4102: a message has at most 4096 signals, got more",
    ),
    "binary": (
        "a.dbc",
        lambda: b"\x00\x01\xfe\x80" * 100_000,
        "a.dbc:1: a signal file is text, got a zero byte",
    ),
    "DBC of digits": ("a.dbc", lambda: "9" * 1_000_000, "a.dbc:1: a number of more than 1,000 digits"),
    "SYM of digits": (
        "a.sym",
        lambda: "FormatVersion=6.0 // x\n" + "1" * 1_000_000,
        "a.sym:2: a number of more than 1,000 digits",
    ),
    "multiplexers in multiplexers": (
        "a.dbc",
        lambda: DEEP_MULTIPLEXERS,
        "a.dbc:1: lengths and multiplexers' values are more than can be kept",
    ),
    "entities in KCD": (
        "a.kcd",
        lambda: ENTITIES,
        "a.kcd:1: a signal file defines no document type and no entities, got a DOCTYPE",
    ),
    "entities in ARXML": (
        "a.arxml",
        lambda: ENTITIES,
        "a.arxml:1: a signal file defines no document type and no entities, got a DOCTYPE",
    ),
    "deep": ("a.kcd", lambda: KCD.format("<a>" * 200_000), "a.kcd:1: elements are at most 100 deep"),
    "long in KCD": (
        "a.kcd",
        lambda: KCD.format('<Bus><Message id="1" name="A" length="9999999999"/></Bus>'),
        "a.kcd:1: length is at most 32760, got 9999999999",
    ),
    "long in ARXML": (
        "a.arxml",
        lambda: "<AUTOSAR><LENGTH>\n99999999</LENGTH></AUTOSAR>",
        "a.arxml:2: LENGTH is at most 32760",
    ),
    "other ending": (
        "a.xls",
        lambda: "BO_ 1 A: 8 X\n",
        "a.xls: a signal file ends in .dbc, .kcd, .sym or .arxml",
    ),
    "no ending": ("dbc", lambda: "BO_ 1 A: 8 X\n", "dbc: a signal file ends in .dbc, .kcd, .sym or .arxml"),
    "cut off": ("a.kcd", lambda: "<NetworkDefinition>", "a.kcd:2: no element found"),
    "other XML": ("a.kcd", lambda: "<a/>", "a.kcd:1: Expected root element tag"),
    "no id": (
        "a.kcd",
        lambda: KCD.format('\n<Bus name="b">\n<Message name="A">\n</Message></Bus>'),
        "a.kcd:3: Message 'A' has no id",
    ),
    "old SYM": (
        "a.sym",
        lambda: 'FormatVersion=5.0 // x\nTitle="x"\n',
        "a.sym:1: Only SYM version 6.0 is supported.",
    ),
    "no XML": ("a.arxml", lambda: "BO_ 1 A: 8 X\n", "a.arxml:1: a .arxml is XML, got something else"),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_what_is_no_signal_file_is_refused_quickly(case: str) -> None:
    name, make, says = CASES[case]
    content = make()
    started = time.process_time()
    tracemalloc.start()
    with pytest.raises(CodebookError) as refused:
        database.load({name: content})
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert str(refused.value).startswith(says)
    assert time.process_time() - started < 20, "seconds, with memory being traced"
    assert peak_bytes < len(content) + (200 << 20)


def test_lengths_without_end_leave_their_message_out() -> None:
    text = f"{HEAD}BO_ 1 A: 4000000000 X\n{signal(1)}\nBO_ 2 B: 8 X\n{signal(1)}"
    text += ' SG_ Long : 0|4000000000@1+ (1,0) [0|0] "" X\nBO_ 3 C: 8 X\n' + signal(1)
    found = database.load({"a.dbc": text})
    assert sorted(found.messages) == ["B", "C"]
    assert found.left_out["A"] == "a.dbc:5: line 5: a message has at most 4095 bytes, got 4000000000"
    assert found.left_out["B.Long"].startswith("a.dbc:10: Long has 4000000000 bits from bit 0 on")


@pytest.mark.parametrize("order", ["1+", "0-"])
def test_a_signal_that_begins_before_its_message_is_left_out(order: str) -> None:
    text = f'{HEAD}BO_ 1 A: 8 X\n{signal(1)}\n SG_ Early : -3|8@{order} (1,0) [0|0] "" X\n'
    found = database.load({"a.dbc": text})
    assert "Early" not in found.messages["A"].signals
    assert found.left_out == {"A.Early": "a.dbc:8: Early begins at bit -3"}
    assert [(one.name, one.line) for one in found.remarks] == [("signal-before-message", 8)]


def test_ranges_without_end_are_cut_to_what_a_multiplexer_can_hold() -> None:
    text = HEAD + "BO_ 1 A: 8 X\n"
    text += ' SG_ M M : 0|4@1+ (1,0) [0|0] "" X\n SG_ s m0 : 8|8@1+ (1,0) [0|0] "" X\n'
    found = database.load({"a.dbc": text + "SG_MUL_VAL_ 1 s M 0-4294967295;\n"})
    assert found.messages["A"].signals["s"][0].multiplexer_ids == list(range(16))
    assert [one.name for one in found.remarks] == ["multiplexer-range"]


def test_all_files_are_told_about_at_once() -> None:
    with pytest.raises(CodebookError) as refused:
        database.load({"a.dbc": "", "b.kcd": "x", "c.txt": "x"})
    assert [line.split(":")[0] for line in str(refused.value).splitlines()] == ["a.dbc", "b.kcd", "c.txt"]

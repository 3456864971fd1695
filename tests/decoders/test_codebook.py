from datetime import date

import pytest

import dbc
from decoders import codebook, manifest
from decoders.codebook import Assignment, Codebooks
from decoders.gbt32960.shanghai_bus import SHANGHAI_BUS
from odocare import wiring
from tests.decoders import databases
from vehicle.errors import CodebookError, UnknownCodebookError
from vehicle.signal import Catalogue

FILE = """VERSION ""

BU_: X

BO_ 100 ENGINE: 8 X
 SG_ Speed : 0|16@1+ (0.25,0) [0|0] "rpm" X
 SG_ Distance : 16|32@1+ (0.1,0) [0|0] "mi" X
 SG_ Mode M : 48|4@1+ (1,0) [0|0] "" X
 SG_ Inner m1M : 52|4@1+ (1,0) [0|0] "" X
 SG_ Deep m0 : 56|8@1+ (1,0) [0|0] "" X

SG_MUL_VAL_ 100 Inner Mode 1-1;
SG_MUL_VAL_ 100 Deep Inner 0-0;
"""
HEAD = '[codebook]\nname = "book"\nbus = "can"\n'
CATALOGUE = """
[[signal]]
number = 1
path = "Vehicle.TraveledDistance"
unit = "m"
kind = "counter"

[[signal]]
number = 2
path = "Vehicle.EngineSpeed"
unit = "rpm"
kind = "gauge"
"""


def entry(message: str, signal: str, path: str, unit: str) -> str:
    return f'\n[[map]]\nmessage = "{message}"\nsignal = "{signal}"\npath = "{path}"\nunit = "{unit}"\n'


def load(mapping: str, text: str = FILE) -> codebook.Codebook:
    return codebook.load("book", {"book.dbc": text}, mapping, Catalogue.from_toml(CATALOGUE))


def refusal(mapping: str, text: str = FILE) -> list[str]:
    with pytest.raises(CodebookError) as refused:
        load(mapping, text)
    return str(refused.value).splitlines()


SPEED = entry("ENGINE", "Speed", "Vehicle.EngineSpeed", "rpm")


def test_a_good_map_loads() -> None:
    book = load(HEAD + SPEED + entry("ENGINE", "Distance", "Vehicle.TraveledDistance", "mi"))
    assert (book.name, book.matches_pgn, book.warnings) == ("book", False, ())
    assert book.plan.numbers.tolist() == [1, 2]


def test_the_version_is_that_of_the_content() -> None:
    version = load(HEAD + SPEED).version
    assert version == load(HEAD + SPEED).version
    assert version != load(HEAD + SPEED + "# a remark\n").version
    assert version != load(HEAD + SPEED, FILE + "\n").version
    assert len(version) == 64


@pytest.mark.parametrize(
    ("bad", "line", "says"),
    [
        (
            entry("ENGIN", "Speed", "Vehicle.EngineSpeed", "rpm"),
            6,
            "no message 'ENGIN'; did you mean 'ENGINE'?",
        ),
        (
            entry("ENGINE", "Sped", "Vehicle.EngineSpeed", "rpm"),
            7,
            "message ENGINE has no signal 'Sped'; did you mean 'Speed'?",
        ),
        (
            entry("ENGINE", "Speed", "Vehicle.EngineSped", "rpm"),
            8,
            "no path 'Vehicle.EngineSped'; did you mean 'Vehicle.EngineSpeed'?",
        ),
        (entry("ENGINE", "Speed", "Vehicle.EngineSpeed", "rmp"), 9, "no unit 'rmp'; did you mean 'rpm'?"),
        (
            entry("ENGINE", "Speed", "Vehicle.EngineSpeed", "km/h"),
            9,
            "Vehicle.EngineSpeed is in 'rpm': no conversion from 'km/h' to 'rpm'",
        ),
        (SPEED.replace("signal =", "sinal ="), 7, "[[map]] has no key 'sinal'; did you mean 'signal'?"),
        (SPEED.replace('"Speed"', "3"), 7, "[[map]] needs signal as a text"),
    ],
)
def test_a_map_that_names_what_is_not_there_is_refused_with_its_line(bad: str, line: int, says: str) -> None:
    assert f"book.toml:{line}: {says}" in refusal(HEAD + bad)


def test_all_problems_of_a_map_are_told_at_once() -> None:
    problems = refusal(
        HEAD + entry("E", "Speed", "Vehicle.X", "rpm") + entry("ENGINE", "Speed", "Vehicle.Y", "u")
    )
    assert [problem.split(":")[1] for problem in problems] == ["6", "8", "14", "15"]


def test_two_sources_of_one_path_are_refused() -> None:
    twice = refusal(HEAD + SPEED + entry("ENGINE", "Distance", "Vehicle.EngineSpeed", "rpm"))
    assert twice == ["book.toml:14: Vehicle.EngineSpeed is mapped already, in line 8"]


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("", "book.toml:1: a map has one table [codebook] and tables [[map]]"),
        (HEAD.replace("can", "lin"), "book.toml:1: bus is one of can, j1939, got 'lin'"),
        (HEAD.replace("name", "nam"), "book.toml:1: [codebook] has no key 'nam'; did you mean 'name'?"),
        (
            HEAD.replace("[codebook]", "[codebook2]"),
            "book.toml:1: unknown table 'codebook2'; did you mean 'codebook'?",
        ),
        (
            '[codebook]\nname = "other"\nbus = "can"\n',
            "book.toml: the map says it is 'other', it is loaded as 'book'",
        ),
        (
            HEAD + "[[map]\n",
            "book.toml: Expected",
        ),
        ("map = [1]\n" + HEAD, "book.toml:1: a map has one table [codebook] and tables [[map]]"),
        ("map = " + "[" * 5000, "book.toml: maximum recursion"),
        ("map = " + "9" * 5000, "book.toml: Exceeds the limit"),
        (
            HEAD + SPEED + f'values = {{ "0" = {"9" * 400} }}\n',
            "book.toml:10: values is a table of names and their numbers",
        ),
    ],
)
def test_a_map_without_a_proper_head_is_refused(head: str, says: str) -> None:
    assert says in "\n".join(refusal(head))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (FILE.replace("(0.25,0)", "(0.25 0)"), "book.dbc:6: Invalid syntax at line 6"),
        ("nonsense", "book.dbc:1: "),
        ("", "book.dbc:1: a .dbc with messages, got an empty file"),
        ("<xml/>", "book.dbc:1: a .dbc is no XML, got XML: is it .kcd or .arxml?"),
        (FILE + "\0", "book.dbc:14: a signal file is text, got a zero byte"),
    ],
)
def test_a_signal_file_that_cannot_be_used_is_refused_with_its_line(text: str, says: str) -> None:
    assert refusal(HEAD + SPEED, text)[0].startswith(says)


def test_a_unit_that_differs_from_the_files_is_a_warning() -> None:
    book = load(HEAD + entry("ENGINE", "Distance", "Vehicle.TraveledDistance", "km"))
    assert [str(one) for one in book.warnings] == [
        "book.toml:9: unit-differs: ENGINE.Distance is in 'mi' in book.dbc, in 'km' in the map"
    ]


@pytest.mark.parametrize(("start", "end"), [(505, 65), (2100, 264)])
def test_a_multiplexer_that_no_frame_can_hold_is_refused(start: int, end: int) -> None:
    text = FILE.replace("SG_ Mode M : 48|4", f"SG_ Mode M : {start}|8")
    found = refusal(HEAD + entry("ENGINE", "Deep", "Vehicle.EngineSpeed", "rpm"), text)
    assert found == [
        f"book.dbc:5: message ENGINE: multiplexer Mode ends in byte {end}, a frame has at most 64"
    ]


def test_a_multiplexer_inside_another_is_read_where_it_is_mapped() -> None:
    assert load(HEAD + SPEED).plan.roots.count.tolist() == [0], "nothing that is mapped depends on one"
    plan = load(HEAD + entry("ENGINE", "Deep", "Vehicle.EngineSpeed", "rpm")).plan
    assert plan.roots.count.tolist() == [1]
    assert plan.selectors.inner.count.tolist() == [1, 0]
    assert plan.selectors.layouts.count.tolist() == [0, 1]


def test_floats_of_other_sizes_are_refused() -> None:
    text = databases.dbc(['BO_ 1 A: 8 X\n SG_ f : 0|16@1- (1,0) [0|0] "" X\n'], ["SIG_VALTYPE_ 1 f : 1;"])
    problems = refusal(HEAD + entry("A", "f", "Vehicle.EngineSpeed", "rpm"), text)
    assert problems == ["book.toml:7: float f has 32 or 64 bits, got 16"]


def test_messages_that_share_an_identifier_are_refused_where_both_are_mapped() -> None:
    blocks = [
        f'BO_ {i} M{i & 255}: 8 X\n SG_ s : 0|8@1+ (1,0) [0|0] "" X\n' for i in (0x8CF00400, 0x98F00403)
    ]
    with pytest.raises(CodebookError, match="M0 and M3 cannot be told apart"):
        databases.load(databases.dbc(blocks), bus="j1939")
    assert len(databases.load(databases.dbc(blocks)).codebook.plan.length) == 2


def test_a_codebook_of_several_files_refuses_a_message_that_is_two() -> None:
    catalogue = Catalogue.from_toml(CATALOGUE)
    files = {"one.dbc": FILE, "two.dbc": FILE.replace("0.25", "0.5")}
    with pytest.raises(
        CodebookError, match=r"two\.dbc:5: message ENGINE stands in one\.dbc too, and differs"
    ):
        codebook.load("book", files, HEAD + SPEED, catalogue)
    twice = codebook.load("book", {"one.dbc": FILE, "two.dbc": FILE}, HEAD + SPEED, catalogue)
    assert [(one.name, one.file) for one in twice.warnings] == [("same-message-twice", "two.dbc")]


def assignment(*, built_from: date | None = None, built_until: date | None = None) -> Assignment:
    return Assignment("Odo City", "odo_petrol", built_from, built_until)


def test_a_model_may_have_an_extension_of_gbt32960_and_no_codebook() -> None:
    shipped = wiring.codebooks()
    assert shipped.extension_for("Odo Bus", None) is SHANGHAI_BUS
    assert shipped.for_model("Odo Bus", None) is None
    assert shipped.extension_for("Odo City", None) is None
    assert shipped.extension_for("nobody's", None) is None


def test_the_build_date_chooses_the_codebook() -> None:
    shipped = wiring.codebooks()
    change = date(2024, 7, 1)
    books = Codebooks(
        shipped.codebooks,
        (assignment(built_until=date(2024, 6, 30)), Assignment("Odo City", "j1939", built_from=change)),
    )
    assert books.for_model("Odo City", date(2024, 6, 30)) is shipped.by_name("odo_petrol")
    assert books.for_model("Odo City", change) is shipped.by_name("j1939")
    assert books.for_model("Odo City", None) is None
    assert books.for_model("Odo Trail", change) is None


def test_two_codebooks_for_one_build_date_are_refused() -> None:
    with pytest.raises(CodebookError, match="two codebooks for the same build date"):
        Codebooks(
            wiring.codebooks().codebooks,
            (assignment(built_until=date(2024, 7, 1)), assignment(built_from=date(2024, 7, 1))),
        )


def test_a_codebook_nobody_has_is_a_reason_to_refuse_a_message() -> None:
    with pytest.raises(UnknownCodebookError) as refused:
        wiring.codebooks().by_name("nobody")
    assert refused.value.reason == "unknown-codebook"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[codebook]]\nname = 3\nfiles = []\nmap = 'a'\n", "needs name as str, got 3"),
        ("[[codebook]]\nname = 'a'\nfiles = ['no.dbc']\nmap = 'j1939.toml'\n", "needs the file 'no.dbc'"),
        (
            "[[model]]\nmodel = 'a'\ncodebook = 'b'\nbuilt_form = 2024-01-01\n",
            "no key 'built_form'; did you mean 'built_from'?",
        ),
        ("[[model]]\nmodel = 'a'\ncodebook = 'b'\n", "uses codebook 'b', which is not there"),
        ("[[models]]\n", "unknown table 'models'; did you mean 'model'?"),
        ("[model]\n", "with two brackets"),
        ("codebook = [1]\n", "tables [[codebook]] with two brackets, got codebook = [1]"),
        ("diagnostics = 1\n", "tables [[diagnostics]] with two brackets, got diagnostics = 1"),
        ("model = " + "[" * 5000, "manifest.toml: maximum recursion"),
        ("model = " + "9" * 5000, "manifest.toml: Exceeds the limit"),
        ("[[model]]\nmodel = 'a'\n", "needs codebook as str, got None"),
        ("[[model]]\nmodel = 'a'\ngbt32960 = 'bus'\n", "extension 'bus'; there are shanghai-bus"),
        ("[[model]\n", "manifest.toml: "),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(text: str, says: str) -> None:
    texts = {"j1939.toml": dbc.read("j1939.toml"), "j1939.dbc": dbc.read("j1939.dbc")}
    with pytest.raises(CodebookError) as refused:
        manifest.load(text, texts, wiring.catalogue())
    assert says in str(refused.value)


def test_files_of_diagnostics_that_are_no_list_are_left_to_their_reader() -> None:
    assert manifest.files("[[diagnostics]]\nfiles = 1\n") == []

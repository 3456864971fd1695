"""What the manifest says about who is listened to, and by which files."""

from datetime import date
from pathlib import Path

import pytest

import dbc
from decoders import diagnostics
from decoders.addressing import EXTENDED
from decoders.diagnostics import STANDARD_FILES, DiagnosticBooks
from odocare import wiring
from tests.strategies import Frame, batch_of
from vehicle.errors import CodebookError

CATALOGUE = wiring.catalogue()
KONA = (Path(__file__).parents[1] / "golden/diag/kona.toml").read_text(encoding="utf-8")
TEXTS = {"kona.toml": KONA, **{name: dbc.read(name) for name in STANDARD_FILES}}
HEAD = '[[diagnostics]]\nname = "kona"\nfiles = ["kona.toml"]\n'


def load(manifest: str) -> DiagnosticBooks:
    return diagnostics.load(manifest, TEXTS, CATALOGUE)


def test_a_model_without_an_entry_is_read_by_the_standards() -> None:
    books = load(HEAD)
    assert books.of("Odo City", None) is books.standard
    assert books.own("Odo City", None) is None
    assert books.standard.book.size_bytes("7e8", 0xF40C) == 2


def test_a_model_s_own_files_hold_before_the_standards() -> None:
    books = load(HEAD + '[[model]]\nmodel = "Kona"\ndiagnostics = "kona"\nbuilt_from = 2020-01-01\n')
    mine = books.of("Kona", date(2021, 1, 1))
    assert mine.book.size_bytes("7ec", 0x0101) == 59
    assert mine.book.size_bytes("7ec", 0xF40C) == 2
    assert books.of("Kona", date(2019, 1, 1)) is books.standard


def test_conversations_are_told_by_their_identifiers_and_addresses() -> None:
    books = load(
        HEAD
        + "[[diagnostics.ecu]]\nanswer = 0x7BB\nrequest = 0x7B3\n"
        + "[[diagnostics.ecu]]\nanswer = 0x18DAF1D0\nname = 'wide'\n"
        + "[[diagnostics.ecu]]\nanswer = 0x612\nanswer_address = 0xF1\n"
        + "request = 0x6F1\nrequest_address = 0x12\n"
    )
    mine = books.by_name["kona"]
    assert mine.addressing.opposite((0x7BB, None)) == (0x7B3, None)
    assert mine.addressing.opposite((0x6F1, 0x12)) == (0x612, 0xF1)
    assert mine.addressing.has_address(0x612)
    assert mine.names == {(EXTENDED | 0x18DAF1D0, None): "wide"}
    carries = mine.addressing.carries(batch_of([Frame(0x7BB, b"\x01\x7f"), Frame(0x123, b"\x01\x7f")]))
    assert carries.tolist() == [True, False]


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (
            '[[diagnostics]]\nname = "a"\nfiles = ["no.toml"]\n',
            "needs the file 'no.toml'",
        ),
        (HEAD + HEAD, "'kona' stands twice"),
        (HEAD + "[[diagnostics.ecu]]\nanswers = 0x7BB\n", "unknown field `answers`"),
        (HEAD + "[[diagnostics.ecu]]\nanswer = 0x7BB\nanswer_address = 300\n", "<= 255"),
        (HEAD + '[[model]]\nmodel = "Kona"\ndiagnostics = "kone"\n', "did you mean 'kona'?"),
        ("[[diagnostics]]\nfiles = []\n", "`name`"),
        ("diagnostics = [", "manifest.toml: "),
    ],
)
def test_mistakes_are_named(manifest: str, said: str) -> None:
    with pytest.raises(CodebookError) as error:
        load(manifest)
    assert said in str(error.value).replace("required field ", "")


def test_without_files_codes_are_read_and_values_are_not() -> None:
    assert not diagnostics.without_files(CATALOGUE).standard.book.dids

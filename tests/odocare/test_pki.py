"""The development CA: what it signs, what it writes down, and its commands."""

import json
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from odocare import broker_tls
from odocare.cli import cli
from odocare.pki.authority import Authority, Credential, Kind, Revoked, serials
from odocare.pki.folder import PkiFolder
from odocare.pki.index import Index
from odocare.settings import Settings
from odocare.stack import local
from vehicle.errors import PkiError, SettingsError

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
A, B, C = "1G4AH59H45G118341", "LRW3E7FA7NC000001", "A0DH00000RA000001"


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority.make("a CA", now=NOW, days=3650)


@pytest.fixture
def folder(tmp_path: Path) -> PkiFolder:
    made = PkiFolder(tmp_path / "keys" / "pki")
    made.make(name="a CA", now=NOW)
    return made


def test_a_vehicles_certificate_is_named_after_its_vin_and_only_for_clients(authority: Authority) -> None:
    made = authority.issue(A, Kind.VEHICLE, now=NOW, days=730)
    one = x509.load_pem_x509_certificate(made.certificate_pem.encode())
    one.verify_directly_issued_by(authority.certificate)
    assert [each.value for each in one.subject.get_attributes_for_oid(NameOID.COMMON_NAME)] == [A]
    usage = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert not one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    key = one.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert made.not_before == one.not_valid_before_utc == NOW - timedelta(hours=1)
    assert made.not_after == one.not_valid_after_utc == NOW + timedelta(days=730)
    assert int(made.serial, 16) == one.serial_number


def test_no_certificate_outlives_its_authority(authority: Authority) -> None:
    with pytest.raises(PkiError, match=r"3651 days go beyond the authority, .* at most 3650"):
        authority.issue(A, Kind.VEHICLE, now=NOW, days=3651)
    assert authority.issue(A, Kind.VEHICLE, now=NOW, days=3650).not_after == authority.not_after


@pytest.mark.parametrize("host", ["", "a b", "x..y", "*.example", "-" * 64, "http://x", "x:8883", "örtlich"])
def test_what_is_no_name_of_a_server_is_refused(authority: Authority, host: str) -> None:
    with pytest.raises(PkiError, match="a server's name is a DNS name or an address"):
        authority.issue("x", Kind.SERVER, now=NOW, days=1, hosts=[host])


def test_an_authority_is_read_again_but_not_with_anothers_key(authority: Authority) -> None:
    assert Authority.load(authority.certificate_pem, authority.key_pem).certificate == authority.certificate
    other = Authority.make("a CA", now=NOW, days=1)
    with pytest.raises(PkiError, match="key is not that of its certificate"):
        Authority.load(authority.certificate_pem, other.key_pem)
    with pytest.raises(PkiError, match="cannot be read"):
        Authority.load("nothing", "nothing")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 2**159 - 1), unique=True, max_size=20))
def test_a_list_says_which_serial_numbers_are_revoked(authority: Authority, numbers: list[int]) -> None:
    revoked = [Revoked(f"{number:040X}", NOW) for number in numbers]
    assert serials(authority.revocation_list(revoked, now=NOW)) == {one.serial for one in revoked}


def test_a_later_list_is_newer_even_within_a_second_and_never_of_the_future(authority: Authority) -> None:
    moments, text = [], None
    for _ in range(3601):
        text = authority.revocation_list([], now=NOW, before=text)
        moments.append(x509.load_pem_x509_crl(text.encode()).last_update_utc)
    assert moments == sorted(set(moments))
    assert moments[-1] == NOW
    with pytest.raises(PkiError, match="more than 3600"):
        authority.revocation_list([], now=NOW, before=text)


NAMES = st.sampled_from([A, B, "ingest", "localhost"])
SERIALS = st.integers(1, 8).map("{:040X}".format)
STEPS = st.lists(st.one_of(st.tuples(SERIALS, NAMES, st.sampled_from(Kind)), SERIALS), max_size=12)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(0, 400))
def test_an_index_reads_what_was_written_and_goes_on_after_a_torn_line(
    steps: list[tuple[str, str, Kind] | str], lost_bytes: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "issued.jsonl"
        index, known, sizes = Index(path), dict[str, tuple[str, bool]](), [0]
        states = [dict(known)]
        for step in steps:
            if isinstance(step, tuple):
                serial, who, kind = step
                index.add_issued([Credential(who, kind, serial, NOW, NOW + timedelta(days=1), "", "")])
                known[serial] = (who, False)
            elif step in known:
                index.add_revoked([Revoked(step, NOW)])
                known[step] = (known[step][0], True)
            else:
                continue
            sizes.append(path.stat().st_size)
            states.append(dict(known))
        assert folded(index) == known
        if sizes[-1]:
            kept = max(0, sizes[-1] - lost_bytes)
            with path.open("r+b") as file:
                file.truncate(kept)
            known = states[max(number for number, size in enumerate(sizes) if size <= kept)]
            assert folded(index) == known
        index.add_issued([Credential(C, Kind.VEHICLE, "F" * 40, NOW, NOW, "", "")])
        assert folded(index) == known | {"F" * 40: (C, False)}


def folded(index: Index) -> dict[str, tuple[str, bool]]:
    return {one.serial: (one.name, one.revoked_at is not None) for one in index.read()}


def test_a_line_that_is_no_entry_is_named(folder: PkiFolder) -> None:
    (folder.root / "issued.jsonl").write_text('{"event": "issued"}\n')
    with pytest.raises(PkiError, match=r"issued\.jsonl, line 1: no entry"):
        folder.certificates()


def test_an_authority_is_made_once_and_private(folder: PkiFolder) -> None:
    before = (folder.root / "ca.key").read_bytes()
    with pytest.raises(PkiError, match="has an authority already; nothing was changed"):
        folder.make(name="another", now=NOW)
    assert (folder.root / "ca.key").read_bytes() == before
    assert stat.S_IMODE((folder.root / "ca.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.root.stat().st_mode) == 0o700
    assert [entry.name for entry in folder.root.parent.iterdir()] == ["pki"]


def test_a_vehicle_that_has_a_certificate_keeps_it_unless_another_is_wanted(folder: PkiFolder) -> None:
    first = folder.issue_clients([A, B, A], Kind.VEHICLE, now=NOW)
    assert [one.name for one in first.issued] == [A, B]
    pem = (folder.issued / f"{A}.pem").read_bytes()
    again = folder.issue_clients([A, C], Kind.VEHICLE, now=NOW)
    assert ([one.name for one in again.issued], again.kept) == ([C], first.issued[:1])
    assert (folder.issued / f"{A}.pem").read_bytes() == pem
    assert stat.S_IMODE((folder.issued / f"{A}.key").stat().st_mode) == 0o600
    assert len(folder.issue_clients([A], Kind.VEHICLE, now=NOW, again=True).issued) == 1
    assert (folder.issued / f"{A}.pem").read_bytes() != pem
    late = NOW + timedelta(days=731)
    assert len(folder.issue_clients([B], Kind.VEHICLE, now=late).issued) == 1


def test_of_many_who_issue_at_once_one_does(folder: PkiFolder) -> None:
    def issue(_: int) -> int:
        return len(PkiFolder(folder.root).issue_clients([A, B], Kind.VEHICLE, now=NOW).issued)

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(issue, range(8))) == [0] * 7 + [2]
    assert len(folder.certificates()) == 2


def test_revoking_a_name_takes_all_its_certificates_and_bars_it_until_it_has_a_new_one(
    folder: PkiFolder,
) -> None:
    for _ in range(2):
        folder.issue_clients([A], Kind.VEHICLE, now=NOW, again=True)
    other = folder.issue_clients([B], Kind.VEHICLE, now=NOW).issued[0]
    revoked = folder.revoke(A.lower(), now=NOW)
    trust = folder.trust(NOW)
    assert serials(trust.crl_pem) == {one.serial for one in revoked}
    assert (len(revoked), trust.barred) == (2, (A,))
    with pytest.raises(PkiError, match="was revoked 2026-11-22 03:00:00 UTC already"):
        folder.revoke(A, now=NOW)
    folder.issue_clients([A], Kind.VEHICLE, now=NOW)
    assert folder.trust(NOW).barred == ()
    assert folder.revoke(other.serial, now=NOW) == [other]
    assert folder.trust(NOW).barred == (B,)
    with pytest.raises(PkiError, match="has the name or the serial number 'nobody'"):
        folder.revoke("nobody", now=NOW)


def test_a_service_that_is_revoked_is_not_barred_from_its_password(folder: PkiFolder) -> None:
    folder.issue_clients(["ingest"], Kind.SERVICE, now=NOW)
    folder.revoke("ingest", now=NOW)
    assert folder.trust(NOW).barred == ()


def test_a_revocation_that_was_cut_off_before_the_list_is_made_up_for(folder: PkiFolder) -> None:
    before = (folder.broker / "crl.pem").read_text()
    folder.issue_clients([A], Kind.VEHICLE, now=NOW)
    revoked = folder.revoke(A, now=NOW)
    (folder.broker / "crl.pem").write_text(before)
    assert serials(folder.trust(NOW).crl_pem) == {one.serial for one in revoked}


def test_the_local_brokers_certificate_is_renewed_a_month_before_it_ends(folder: PkiFolder) -> None:
    first = folder.local_server(["127.0.0.1"], now=NOW)
    assert folder.local_server(["127.0.0.1"], now=NOW + timedelta(days=366)) == first
    assert folder.local_server(["127.0.0.1"], now=NOW + timedelta(days=368)) != first


def run(home: Path, *words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(cli, ["pki", *words, "--home", str(home)])
    error = f"{done.exception}" if done.exception and not isinstance(done.exception, SystemExit) else ""
    return done.exit_code, done.stdout, done.stderr + error


def test_the_commands_make_issue_revoke_and_list(tmp_path: Path) -> None:
    assert "no authority" in run(tmp_path, "issue", A)[2]
    code, out, _ = run(tmp_path, "init", "--json")
    assert (code, json.loads(out)["ca"]) == (0, str(tmp_path / "keys/pki/ca.pem"))
    assert "has an authority already" in run(tmp_path, "init")[2]
    code, out, _ = run(tmp_path, "issue", A, "--out", str(tmp_path / "out"), "--json")
    issued = json.loads(out)["issued"]
    assert (code, [one["name"] for one in issued]) == (0, [A])
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [f"{A}.key", f"{A}.pem"]
    code, _, said = run(tmp_path, "issue", A)
    assert (code, "--again issues another" in said) == (1, True)
    assert run(tmp_path, "issue", "--service", "ingest")[0] == 0
    assert run(tmp_path, "issue", "--server", "localhost", "--server", "127.0.0.1")[0] == 0
    assert (tmp_path / "keys/pki/broker/server.key").is_file()
    code, out, _ = run(tmp_path, "revoke", issued[0]["serial"], "--json")
    assert (code, json.loads(out)["broker_told"]) == (0, False)
    _, out, _ = run(tmp_path, "list", "--json")
    states = [(one["name"], one["kind"], one["in_force"]) for one in json.loads(out)["certificates"]]
    assert states == [(A, "vehicle", False), ("ingest", "service", True), ("localhost", "server", True)]
    assert "2 certificates" in run(tmp_path, "list", "--in-force")[1]


@pytest.mark.parametrize("words", [[], [A, "--server", "x"], ["--server", "x", "--out", "y"]])
def test_what_is_wanted_has_to_be_one_thing(tmp_path: Path, words: list[str]) -> None:
    assert run(tmp_path, "issue", *words)[0] == 2


def test_vins_come_from_a_table_or_a_plain_list_and_wrong_ones_stop_all(tmp_path: Path) -> None:
    run(tmp_path, "init")
    table, plain, wrong = (tmp_path / name for name in ("t.csv", "p.txt", "w.csv"))
    table.write_text(f"plate,VIN\nx,{A}\n\ny, {B.lower()} \n", encoding="utf-8-sig")
    plain.write_text(f"{C}\n{A}\n")
    wrong.write_text(f"vin\n{A}\ningest\n+\n")
    code, _, said = run(tmp_path, "issue", "--file", str(wrong), B)
    assert code == 1
    assert "nothing was issued: 2 of the names are no VIN" in said
    assert "w.csv, line 3: a VIN has 17" in said
    code, out, _ = run(tmp_path, "issue", "--file", str(table), "--file", str(plain), "--json")
    assert (code, [one["name"] for one in json.loads(out)["issued"]]) == (0, [A, B, C])


def test_a_service_is_one_that_the_access_list_knows(tmp_path: Path) -> None:
    run(tmp_path, "init")
    assert (
        "a service is one of ingest, simulator, got 'root'" in run(tmp_path, "issue", "--service", "root")[2]
    )


def test_files_that_are_no_certificates_are_named(folder: PkiFolder, tmp_path: Path) -> None:
    folder.issue_clients([A, B], Kind.VEHICLE, now=NOW)
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("x")
    pem, key = folder.issued / f"{A}.pem", folder.issued / f"{B}.key"
    with pytest.raises(SettingsError, match=r"wrong\.pem holds no PEM certificates"):
        broker_tls.context(broker_tls.Paths(ca=wrong))
    with pytest.raises(
        SettingsError, match=rf"{A}\.pem is no PEM certificate with its key: key values mismatch"
    ):
        broker_tls.context(broker_tls.Paths(certificate=pem, key=key))
    with pytest.raises(SettingsError, match=r"missing\.pem"):
        broker_tls.context(broker_tls.Paths(certificate=tmp_path / "missing.pem"))
    with pytest.raises(SettingsError, match="a key needs its certificate"):
        broker_tls.context(broker_tls.Paths(key=key))


def test_a_certificate_is_not_set_beside_an_address_that_would_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ODOCARE_MQTT_URL", "mqtt://127.0.0.1:1")
    monkeypatch.setenv("ODOCARE_MQTT_CA", str(tmp_path / "ca.pem"))
    with pytest.raises(SettingsError, match="need ODOCARE_MQTT_URL to be mqtts"):
        broker_tls.incoming(Settings(), "mqtt://127.0.0.1:1")


def test_a_vehicle_without_a_certificate_is_told_how_to_get_one(tmp_path: Path) -> None:
    given = Settings(home=tmp_path)
    with pytest.raises(SettingsError, match="no door for vehicles: run `odocare up`"):
        broker_tls.of_vehicle(given, A)
    assert not local.tell_broker(tmp_path)

"""Builds what the commands need out of the settings and the shipped data files."""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

import dbc
from odocare import codebook_folder
from odocare.settings import Settings
from odocare.stack import process
from odocare.stack.state import read_addresses
from vehicle.dtc_table import DtcTable
from vehicle.errors import CodebookError, SettingsError
from vehicle.signal import Catalogue

if TYPE_CHECKING:
    from decoders.codebook import Codebooks
    from decoders.diagnostics import DiagnosticBooks
    from decoders.dids import DidCodebook
    from decoders.kernel import Kernel
    from odocare.judgement import Judge
    from rules.rule import RuleBook


def database_url(settings: Settings) -> str:
    """Where PostgreSQL is: the setting, else the running local stack's. Raises `SettingsError`."""
    return _url(settings, "database_url", "database")


def mqtt_url(settings: Settings) -> str:
    """Where the broker is for ingest: the setting, else the running local stack's. Raises `SettingsError`."""
    return _url(settings, "mqtt_url", "broker")


def simulator_mqtt_url(settings: Settings) -> str:
    """Where the broker is for test fleets: the setting, else the running stack's. Raises `SettingsError`."""
    return _url(settings, "simulator_mqtt_url", "broker for test fleets")


def _url(settings: Settings, name: str, what: str) -> str:
    given: SecretStr | None = getattr(settings, name)
    if given is not None:
        return given.get_secret_value()
    running = read_addresses(settings.home)
    url: str | None = getattr(running, name) if running else None
    if url is None or process.is_free(urlsplit(url).port or 0):
        raise SettingsError(f"no {what}: run `odocare up`, or set ODOCARE_{name.upper()}")
    return url


def catalogue(folder: Path | None = None) -> Catalogue:
    """The signal catalogue that ships with this version, with the signals of a maker's folder."""
    shipped = Catalogue.from_toml(dbc.read("signals.toml"), where="dbc/signals.toml")
    return shipped if folder is None else codebook_folder.with_signals(shipped, folder)


def codebooks(kernel: "Kernel | None" = None, folder: Path | None = None) -> "Codebooks":
    """The codebooks that ship with this version, with those of a maker's folder, and which models use which.

    `odocare.kernels.decoding` gives the kernel that reads them; without one numpy does.
    """
    from decoders import manifest  # cantools takes a third of a second, which `--help` does not have

    texts = {name: dbc.read(name) for suffix in (".dbc", ".toml") for name in dbc.names(suffix)}
    shipped = manifest.load(dbc.read("manifest.toml"), texts, catalogue(), kernel)
    if folder is None:
        return shipped
    own = codebook_folder.read(folder)
    return manifest.load(
        own.manifest_toml, own.contents, catalogue(folder), kernel, where=own.where, beside=shipped
    )


def diagnostics(folder: Path | None = None) -> "DiagnosticBooks":
    """How ECUs are listened to and what data identifiers hold: what standards, makers and a folder say."""
    from decoders import diagnostics as books

    texts = {name: dbc.read(name) for name in dbc.names(".toml")}
    shipped = books.load(dbc.read("manifest.toml"), texts, catalogue())
    if folder is None:
        return shipped
    own = codebook_folder.read(folder)
    mine = books.load(own.manifest_toml, texts | own.texts, catalogue(folder))
    for name in shipped.by_name.keys() & mine.by_name.keys():
        raise CodebookError(f"{own.where}: diagnostics {name!r} stands twice")
    return books.DiagnosticBooks(
        shipped.standard, {**shipped.by_name, **mine.by_name}, (*shipped.assignments, *mine.assignments)
    )


def did_codebook() -> "DidCodebook":
    """What data identifiers hold as far as the standards say: the PIDs of OBD, and what identifies an ECU."""
    return diagnostics().standard.book


def dtc_table() -> DtcTable:
    """What the fault codes mean that this version knows."""
    from odocare import dtc_meanings

    return dtc_meanings.shipped()


def rule_texts(folder: Path | None = None) -> dict[str, str]:
    """The rules' files by name: those of a folder, or else the catalogue that ships with this version.

    Bytes that are not UTF-8 become lone surrogates, which `rules.book.load` refuses with the line.
    """
    where: Traversable = files("rules") / "catalogue" if folder is None else folder
    return {
        file.name: file.read_bytes().decode("utf-8", errors="surrogateescape").removeprefix("\ufeff")
        for file in sorted(where.iterdir(), key=lambda each: each.name)
        if file.name.endswith(".toml") and file.is_file()
    }


def rule_book(folder: Path | None = None) -> "RuleBook":
    """The rules that may run; `problems` says what is wrong with the others."""
    from rules import book  # Polars takes its time too

    return book.load(rule_texts(folder))


def judge(settings: Settings) -> "Judge":
    """What evaluations judge by: the rules that load, the models' constants, the words for codes."""
    from maintenance.parameters import DEFAULT
    from odocare import dtc_meanings
    from odocare.judgement import Judge
    from rules import book

    texts = rule_texts()
    rules = book.load(texts)
    return Judge(
        site=settings.site,
        book=rules,
        bodies={(rule.id, rule.version): texts[f"{rule.id}.toml"] for rule in rules.rules},
        parameters=DEFAULT,
        code_names=_code_names(dtc_meanings.table(database_url(settings))),
    )


def _code_names(table: DtcTable) -> dict[str, dict[str, str]]:
    """Language, then fault code as `Dtc.code` spells it, to the code with its meaning."""
    codes = {
        key[0] if len(key) == 1 else f"SPN {key[0]} FMI {key[1]}": meaning
        for key, meaning in table.by_key.items()
    }
    return {
        "zh": {code: f"{code} {meaning.zh}" for code, meaning in codes.items()},
        "en": {code: f"{code} {meaning.en}" for code, meaning in codes.items()},
    }

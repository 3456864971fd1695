"""The codebook of the ingest benchmark, as a maker's folder: 60 messages of about 12 signals, all mapped."""

from pathlib import Path
from typing import Final

import numpy as np
from cantools.database import load_string
from cantools.database.can import Database

from bench._fleet import MODEL
from bench._workloads import signal_file

FIRST_NUMBER: Final = 16_384
LATEST_N: Final = 20
"""So many of its signals are kept in the vehicles' latest state."""


def write(folder: Path) -> Path:
    """Write manifest, signal file, map and the signals that the map needs; returns the folder."""
    folder.mkdir()
    text = signal_file("mixed", np.random.default_rng(1))
    database = load_string(text, database_format="dbc", sort_signals=None)
    assert isinstance(database, Database)
    names = [(message.name, signal.name) for message in database.messages for signal in message.signals]
    mapping = '[codebook]\nname = "bench"\nbus = "can"\n' + "".join(
        f'[[map]]\nmessage = "{message}"\nsignal = "{signal}"\npath = "{_path(k)}"\nunit = ""\n'
        for k, (message, signal) in enumerate(names)
    )
    signals = "".join(
        f'[[signal]]\nnumber = {FIRST_NUMBER + k}\npath = "{_path(k)}"\nunit = ""\nkind = "gauge"\n'
        f"latest = {'true' if k < LATEST_N else 'false'}\n"
        for k in range(len(names))
    )
    manifest = '[[codebook]]\nname = "bench"\nfiles = ["bench.dbc"]\nmap = "bench.toml"\n'
    models = f'[[model]]\nmodel = "{MODEL}"\ncodebook = "bench"\n'
    for name, content in {
        "bench.dbc": text,
        "bench.toml": mapping,
        "signals.toml": signals,
        "manifest.toml": manifest + models,
    }.items():
        (folder / name).write_text(content, encoding="utf-8")
    return folder


def _path(number: int) -> str:
    return f"Vehicle.X-Bench.S{number}"

"""`odocare ingest` with the codebook of the benchmark: `python -m bench._ingest_process PORT READY_FILE`."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from decoders import manifest
from ingest.lexicon import Lexicon
from ingest.pipeline import Line
from odocare import codebook_folder, ingesting, kernels, logs, wiring
from odocare.settings import Settings
from vehicle.signal import Catalogue


def main() -> None:
    """Ingest until told to stop."""
    port, ready = int(sys.argv[1]), Path(sys.argv[2])
    settings = Settings()
    logs.configure()
    assert settings.codebooks is not None
    own = codebook_folder.read(settings.codebooks)
    shipped = wiring.catalogue()
    signals = Catalogue.from_toml((settings.codebooks / "signals.toml").read_text())
    catalogue = Catalogue(
        shipped.signals + signals.signals,
        shipped.by_path | signals.by_path,
        shipped.by_number | signals.by_number,
    )
    kernel = kernels.decoding(settings)
    books = manifest.load(own.manifest_toml, own.contents, catalogue, kernel, beside=wiring.codebooks(kernel))
    line = ingesting.line(Settings(codebooks=None))
    lexicon = Lexicon.of(catalogue, books, line.lexicon.dtc_table, line.lexicon.diagnostics)

    def subscribed() -> None:
        ready.write_text("subscribed\n", encoding="utf-8")

    total = asyncio.run(
        ingesting.serve(
            ingesting.options(settings, "odocare-ingest"),
            Line(lexicon, line.seal),
            home=settings.home,
            metrics_port=port,
            on_ready=subscribed,
        )
    )
    sys.stdout.write(json.dumps(asdict(total)) + "\n")


if __name__ == "__main__":
    main()

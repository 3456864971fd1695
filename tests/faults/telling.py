"""A broker that writes into its log what its clients acknowledge."""

from pathlib import Path

from tests.ingest.broker import OwnBroker


class TellingBroker(OwnBroker):
    """Mosquitto with every packet in its log."""

    def __init__(self, program: Path, folder: Path) -> None:
        super().__init__(program, folder)
        self._log = folder / "log"
        with (folder / "mosquitto.conf").open("a", encoding="utf-8") as file:
            file.write("log_type debug\n")

    def acknowledged_by(self, client_id: str) -> int:
        """How many PUBACKs it has got from a client so far."""
        return self._log.read_text(encoding="utf-8").count(f"Received PUBACK from {client_id} ")

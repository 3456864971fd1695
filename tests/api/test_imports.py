import subprocess
import sys


def test_the_application_stands_on_the_store_alone() -> None:
    unwanted = ("polars", "scipy", "crm", "ingest", "simulator", "rules", "maintenance", "decoders")
    code = f"import sys, api.main; print([name for name in {unwanted!r} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"

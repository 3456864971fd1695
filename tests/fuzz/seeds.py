"""Cases that are kept in the repository: hexadecimal with comments, one file each."""

from hashlib import blake2b
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "seeds"
_LINE_BYTES: Final = 32


def read(path: Path) -> bytes:
    """The bytes of a seed; what stands behind # is a comment."""
    lines = path.read_text(encoding="ascii").splitlines()
    return bytes.fromhex(" ".join(line.partition("#")[0] for line in lines))


def of(target: str, folder: Path = FOLDER) -> dict[str, bytes]:
    """The kept cases of a target, by name."""
    return {path.stem: read(path) for path in sorted((folder / target).glob("*.hex"))}


def write(target: str, data: bytes, comment: str, folder: Path = FOLDER) -> Path:
    """Keep a case; the same bytes again are the same file."""
    name = f"found-{blake2b(data, digest_size=6).hexdigest()}.hex"
    path = folder / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    plain = comment.encode("ascii", errors="replace").decode()
    lines = [f"# {line}" for line in plain.splitlines()]
    lines += [data[at : at + _LINE_BYTES].hex(" ") for at in range(0, len(data), _LINE_BYTES)]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path

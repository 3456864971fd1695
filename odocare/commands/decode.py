"""`odocare decode`: captures to tables of values."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from decoders.verbatim import FileBook, Options
    from odocare.decoded import Output
    from odocare.decoding import Done
    from odocare.settings import Settings

CUT_OFF = 3
"""Exit code where a capture ended early."""
_STANDARD_INPUT = Path("-")


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    cli.command()(decode)


def decode(
    files: Annotated[
        list[Path],
        typer.Argument(help="captures of one vehicle, in order of time; - is standard input"),
    ],
    out: Annotated[
        Path,
        typer.Option(help="OUT.parquet, .csv or .jsonl: a row per value; with {message} in it: tables"),
    ],
    codebook: Annotated[str | None, typer.Option(help="a codebook of this installation")] = None,
    dbc: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True, dir_okay=False, help="signal file: DBC, KCD, SYM or ARXML; may be repeated"
        ),
    ] = None,
    map_file: Annotated[
        Path | None,
        typer.Option("--map", exists=True, dir_okay=False, help="gives signals of --dbc VSS paths and units"),
    ] = None,
    j1939: Annotated[
        bool | None, typer.Option("--j1939/--no-j1939", help="match 29-bit ids by PGN; else as the file says")
    ] = None,
    isotp: Annotated[
        bool | None,
        typer.Option("--isotp/--no-isotp", help="put messages of more than 8 bytes together by ISO-TP"),
    ] = None,
    all_values: Annotated[
        bool, typer.Option(help="keep values outside the signal file's range, and J1939 indicators")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print the summary as one JSON object")] = False,
) -> None:
    """Decode candump, ASC, BLF, TRC and MF4 captures into tables; exit 3 where one ends early.

    Times are UTC; units those of the signal file, with a map of VSS. docs/decoding-files.md says more.
    """
    _check_files(files)
    _check(out, codebook, dbc, map_file)
    _check_reading(
        codebook, map_file, {"--j1939": j1939, "--all-values": all_values or None, "--isotp": isotp}
    )
    from decoders.verbatim import Options
    from odocare import decoding, progress

    try:
        book = _book(codebook, dbc or [], map_file, Options(j1939, isotp, all_values))
        output = _output(book, out)
        with _ended_in_order(), progress.bar("decoding", _size(files), in_bytes=True) as advance:
            done = decoding.decode(files, book, output, advance)
    except OSError as error:
        typer.echo(f"decode: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        typer.echo("decode: interrupted, nothing was written", err=True)
        raise
    by_pgn = book.codebook.matches_pgn
    typer.echo(json.dumps(done.summary(), ensure_ascii=False) if as_json else _told(done, by_pgn=by_pgn))
    if not done.is_whole:
        raise typer.Exit(CUT_OFF)


def _size(files: list[Path]) -> int | None:
    """Bytes of the captures; None where a pipe is among them."""
    is_known = all(path != _STANDARD_INPUT and path.is_file() for path in files)
    return sum(path.stat().st_size for path in files) if is_known else None


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM is taken like Ctrl-C: no unfinished file is left."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_files(files: list[Path]) -> None:
    if files.count(_STANDARD_INPUT) > 1:
        raise typer.BadParameter("-, standard input, can be read once")
    for path in files:
        if path != _STANDARD_INPUT and not path.exists():
            raise typer.BadParameter(f"there is no file {path}")
        if path.is_dir():
            raise typer.BadParameter(f"a capture is a file; {path} is a folder")


def _check(out: Path, codebook: str | None, dbc: list[Path] | None, map_file: Path | None) -> None:
    suffixes = (".parquet", ".csv", ".jsonl")
    if out.suffix not in suffixes:
        raise typer.BadParameter(f"--out ends in {', '.join(suffixes)}; got {out.name!r}")
    if out.is_dir():
        raise typer.BadParameter(f"--out is a file to write; {out} is a folder")
    if "{" in str(out).replace("{message}", ""):
        raise typer.BadParameter(f"--out: {{message}} is the only word in braces; got {str(out)!r}")
    if "{message}" not in str(out) and not out.parent.is_dir():
        raise typer.BadParameter(f"--out: there is no folder {out.parent}")
    if (codebook is None) == (not dbc):
        raise typer.BadParameter("give --codebook NAME, or --dbc FILE")
    if map_file is not None and not dbc:
        raise typer.BadParameter("--map goes with --dbc")


def _check_reading(codebook: str | None, map_file: Path | None, said: dict[str, bool | None]) -> None:
    """What a codebook or a map has decided, an option cannot."""
    decided = list(said) if codebook is not None else ["--j1939", "--all-values"] if map_file else []
    vain = [option for option in decided if said[option] is not None]
    if vain:
        who = "--codebook" if codebook is not None else "--map"
        raise typer.BadParameter(f"{', '.join(vain)} does nothing beside {who}: its map says how it is read")


def _book(
    codebook: str | None, signal_files: list[Path], map_file: Path | None, options: "Options"
) -> "FileBook":
    from decoders import verbatim
    from odocare import decoding, kernels, wiring

    settings = _settings()
    kernel = kernels.decoding(settings)
    if codebook is None:
        return decoding.book_of(signal_files, map_file, options, kernel, wiring.catalogue(settings.codebooks))
    books = wiring.codebooks(kernel, settings.codebooks)
    return verbatim.mapped(books.by_name(codebook), wiring.catalogue(settings.codebooks))


def _settings() -> "Settings":
    """Captures lie anywhere: compiled code is kept for the user, and none is taken from beside them."""
    from odocare.settings import Settings

    settings = Settings()
    if settings.cache is not None or "home" in settings.model_fields_set:
        return settings
    try:
        kept = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "odocare"
    except RuntimeError:  # a user without a home
        return settings.model_copy(update={"decode_kernel": False})
    return settings.model_copy(update={"cache": kept})


def _output(book: "FileBook", out: Path) -> "Output":
    from odocare import decoded, decoded_tables

    if decoded_tables.PLACEHOLDER in str(out):
        return decoded_tables.MessageTables(book, out)
    return decoded.RowFile(decoded.Rows(book), out)


def _told(done: "Done", *, by_pgn: bool) -> str:
    """The summary for people."""
    tally, lines = done.tally, []
    for one in done.files:
        left_out = {
            "broken": one.findings.broken_n,
            "error frames": one.findings.error_frames_n,
            "remote frames": one.findings.remote_frames_n,
        }
        said = "".join(f", {n} {what}" for what, n in left_out.items() if n)
        lines.append(f"{one.file}: {one.frames} frames{said}")
        lines += [f"  {problem.where}: {problem.what}" for problem in one.findings.problems[:5]]
        if one.findings.cut_off is not None:
            lines.append(f"  ends early, {one.findings.cut_off}")
    lines += [f"{remark}" for remark in done.remarks]
    summary = done.summary()
    lines.append(f"{summary['first_at']} to {summary['last_at']}")
    if tally.unknown_ids:
        first = ", ".join(
            f"{one}{_group(one) if by_pgn else ''} ({n})"
            for one, n in list(summary["unknown_ids"].items())[:8]
        )
        more = ", ..." if len(tally.unknown_ids) > 8 else ""
        unknown, ids = tally.unknown_ids.total(), len(tally.unknown_ids)
        lines.append(f"{unknown} frames of {ids} ids that are in no message: {first}{more}")
    if tally.payloads:
        lines.append(f"{tally.payloads} payloads put together from several frames")
    if tally.lost:
        lines.append("transport: " + ", ".join(f"{n} {why}" for why, n in tally.lost.items()))
    for what, n in (
        ("frames shorter than their message", tally.short_frames),
        ("values not available or in error", tally.no_measurement),
        ("values outside the signal file's range", tally.out_of_range),
    ):
        if n:
            lines.append(f"{n} {what}")
    for (ecu, codes, mil), n in done.faults.said.items():
        named = ", ".join(code if count is None else f"{code} x{count}" for code, count in codes) or "no code"
        lamp = {True: ", lamp on", False: ", lamp off", None: ""}[mil]
        lines.append(f"DM1 of {ecu}{lamp}: {named} ({n} times)")
    lines.append(_outcome(done, by_pgn=by_pgn))
    return "\n".join(lines)


def _outcome(done: "Done", *, by_pgn: bool) -> str:
    where = "no file"
    if done.out:
        where = done.out[0] if len(done.out) == 1 else f"{len(done.out)} files in {Path(done.out[0]).parent}"
    told = f"{done.values} values of {done.signals} signals in {where}, {done.took_s:.2f} s"
    if done.values:
        return told
    is_29_bits = any(len(spelt) > 3 for spelt in done.summary()["unknown_ids"])
    hint = " --j1939 tells 29-bit identifiers by their parameter group" if is_29_bits and not by_pgn else ""
    return f"{told}\nno value came of any frame: is this the signal file of that bus?{hint}"


def _group(spelt: str) -> str:
    """The parameter group of a 29-bit identifier."""
    from decoders import j1939

    return f" PGN {j1939.pgn(int(spelt, 16))}" if len(spelt) > 3 else ""

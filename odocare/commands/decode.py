"""`odocare decode`: captures to tables of values."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from decoders.verbatim import FileBook
    from odocare.decoded import Output
    from odocare.decoding import Done

CUT_OFF = 3
"""Exit code where a capture ended early."""


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    cli.command()(decode)


def decode(
    files: Annotated[
        list[Path],
        typer.Argument(exists=True, dir_okay=False, help="captures of one vehicle, in order of time"),
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
    """Decode candump, ASC, BLF, TRC and MF4 captures into tables; exit 3 where one ends early."""
    _check(out, codebook, dbc, map_file)
    from decoders.verbatim import Options
    from odocare import decoding, kernels, progress
    from odocare.settings import Settings

    kernel = kernels.decoding(Settings())
    if codebook is not None:
        book = decoding.shipped_book(codebook, kernel)
    else:
        book = decoding.book_of(
            dbc or [], map_file, Options(by_pgn=j1939, isotp=isotp, everything=all_values), kernel
        )
    try:
        output = _output(book, out)
        with progress.bar("decoding", sum(path.stat().st_size for path in files)) as advance:
            done = decoding.decode(files, book, output, advance)
    except OSError as error:
        typer.echo(f"decode: {error}", err=True)
        raise typer.Exit(1) from error
    typer.echo(json.dumps(done.summary(), ensure_ascii=False) if as_json else _told(done))
    if not done.is_whole:
        raise typer.Exit(CUT_OFF)


def _check(out: Path, codebook: str | None, dbc: list[Path] | None, map_file: Path | None) -> None:
    suffixes = (".parquet", ".csv", ".jsonl")
    if out.suffix not in suffixes:
        raise typer.BadParameter(f"--out ends in {', '.join(suffixes)}; got {out.name!r}")
    if (codebook is None) == (not dbc):
        raise typer.BadParameter("give --codebook NAME, or --dbc FILE")
    if map_file is not None and not dbc:
        raise typer.BadParameter("--map goes with --dbc")


def _output(book: "FileBook", out: Path) -> "Output":
    from odocare import decoded, decoded_tables

    if decoded_tables.PLACEHOLDER in str(out):
        return decoded_tables.MessageTables(book, out)
    return decoded.RowFile(decoded.Rows(book), out)


def _told(done: "Done") -> str:
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
        first = ", ".join(f"{one} ({n})" for one, n in list(summary["unknown_ids"].items())[:8])
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
    where = done.out[0] if len(done.out) == 1 else f"{len(done.out)} files in {Path(done.out[0]).parent}"
    lines.append(f"{done.values} values of {done.signals} signals in {where}, {done.took_s:.2f} s")
    return "\n".join(lines)

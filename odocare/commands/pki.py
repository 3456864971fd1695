"""`odocare pki`: a development CA with a certificate per vehicle, and what the broker knows of it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # heavy
    from odocare.pki.folder import Made, PkiFolder
    from odocare.pki.index import Issued

Json = Annotated[bool, typer.Option("--json", help="print one JSON object")]
Home = Annotated[
    Path | None, typer.Option("--home", file_okay=False, help="default: the setting ODOCARE_HOME")
]


def register(cli: typer.Typer) -> None:
    """Add this family's subcommands."""
    family = typer.Typer(
        name="pki", help="Certificates of vehicles: a CA for development.", no_args_is_help=True
    )
    family.command()(init)
    family.command()(issue)
    family.command()(revoke)
    family.command("list")(list_certificates)
    cli.add_typer(family)


def init(
    days: Annotated[int, typer.Option(min=1, max=36_500, help="how long it is valid")] = 3650,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Make the CA; one that is there stays as it is. `odocare up` makes one where there is none."""
    from datetime import UTC, datetime

    from odocare.stack.local import PKI_NAME

    with _folder(home) as folder:
        authority = folder.make(name=PKI_NAME, now=datetime.now(UTC), days=days)
    if as_json:
        said = {"ca": str(folder.certificate), "not_after": authority.not_after.isoformat()}
        typer.echo(json.dumps(said | {"broker": str(folder.broker)}))
        return
    typer.echo(f"{folder.certificate}: valid until {authority.not_after:%Y-%m-%d}; its key is beside it")
    typer.echo(f"{folder.broker}: what a broker needs, once `odocare pki issue --server NAME` was run")


def issue(
    vins: Annotated[list[str] | None, typer.Argument(metavar="VIN", help="vehicles")] = None,
    files: Annotated[
        list[Path] | None,
        typer.Option(
            "--file", exists=True, dir_okay=False, help="more VINs: one a line, or a CSV with `vin`"
        ),
    ] = None,
    servers: Annotated[
        list[str] | None,
        typer.Option("--server", help="instead: the broker, by the name or address vehicles use; repeatable"),
    ] = None,
    service: Annotated[
        str | None, typer.Option(help="instead: `ingest` or `simulator`, which then need no password")
    ] = None,
    days: Annotated[int | None, typer.Option(min=1, max=36_500, help="default: 730, of a server 397")] = None,
    out: Annotated[
        Path | None, typer.Option(file_okay=False, help="folder of NAME.pem and NAME.key; default: the CA's")
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="another one beside the one that is in force")
    ] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Issue certificates with their keys. Exit 1 where a name has one in force already, which it keeps."""
    from datetime import UTC, datetime

    from odocare import progress
    from odocare.pki import names
    from odocare.pki.authority import Kind
    from odocare.pki.folder import CLIENT_DAYS, SERVER_DAYS

    asked = [bool(vins or files), bool(servers), service is not None]
    if sum(asked) != 1:
        raise typer.BadParameter("give VINs, or --server, or --service")
    if servers and out is not None:
        raise typer.BadParameter("a server's certificate goes to the CA's folder `broker`: no --out")
    now = datetime.now(UTC)
    with _folder(home) as folder:
        if servers:
            made = folder.issue_server(servers, now=now, days=days or SERVER_DAYS, again=again)
            target = folder.broker
        else:
            kind = Kind.VEHICLE if service is None else Kind.SERVICE
            wanted = names.vins(vins or [], files or []) if service is None else [names.service(service)]
            with progress.bar("issuing", len(wanted)) as advance:
                made = folder.issue_clients(
                    wanted, kind, now=now, days=days or CLIENT_DAYS, again=again, out=out, advance=advance
                )
            target = out or folder.issued
    if made.issued:
        _tell_broker(home)  # a vehicle that was barred is let in again
    _print_made(made, target, as_json=as_json)
    if made.kept:
        raise typer.Exit(1)


def revoke(
    word: Annotated[str, typer.Argument(metavar="VIN|SERIAL", help="all of a name, or one by its number")],
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Revoke certificates: the list is replaced and the local broker reads it at once."""
    from datetime import UTC, datetime

    with _folder(home) as folder:
        revoked = folder.revoke(word, now=datetime.now(UTC))
    told = _tell_broker(home)
    crl = folder.broker / "crl.pem"
    if as_json:
        found = [_plain(one) for one in revoked]
        typer.echo(json.dumps({"revoked": found, "crl": str(crl), "broker_told": told}))
        return
    for one in revoked:
        typer.echo(f"revoked {one.name} {one.serial}, valid until {one.not_after:%Y-%m-%d}")
    typer.echo("the local broker knows" if told else f"no local broker runs; the list is {crl}")


def list_certificates(
    in_force: Annotated[bool, typer.Option("--in-force", help="only those the broker takes now")] = False,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Show what was issued, oldest first."""
    from datetime import UTC, datetime

    now = datetime.now(UTC)
    with _folder(home) as folder:
        found = [one for one in folder.certificates() if one.is_in_force(now) or not in_force]
    if as_json:
        rows = [{**_plain(one), "in_force": one.is_in_force(now)} for one in found]
        typer.echo(json.dumps({"certificates": rows}))
        return
    for one in found:
        end = f"until {one.not_after:%Y-%m-%d}" if now <= one.not_after else f"ended {one.not_after:%Y-%m-%d}"
        state = f"revoked {one.revoked_at:%Y-%m-%d}" if one.revoked_at else end
        typer.echo(f"{one.name:17}  {one.kind.value:7}  {one.serial}  {state}")
    typer.echo(f"{len(found)} certificates" if found else "none was issued")


def _home(home: Path | None) -> Path:
    from odocare.settings import Settings

    return home or Settings().home


@contextmanager
def _folder(home: Path | None) -> Iterator["PkiFolder"]:
    """The CA's folder; one that belongs to another user is refused in words."""
    from odocare.stack.local import pki_folder
    from vehicle.errors import PkiError

    try:
        yield pki_folder(_home(home))
    except PermissionError as error:
        raise PkiError(f"no permission for {error.filename}: it is another user's") from error


def _tell_broker(home: Path | None) -> bool:
    from odocare.stack.local import tell_broker

    return tell_broker(_home(home))


def _print_made(made: "Made", target: Path, *, as_json: bool) -> None:
    if as_json:
        said = {"issued": [_plain(one) for one in made.issued], "kept": [_plain(one) for one in made.kept]}
        typer.echo(json.dumps({**said, "folder": str(target)}))
        return
    for one in made.issued[:10]:
        typer.echo(f"{one.name} {one.serial}, valid until {one.not_after:%Y-%m-%d}")
    typer.echo(f"{len(made.issued)} issued, with their keys in {target}")
    for one in made.kept[:10]:
        typer.echo(f"{one.name} has one until {one.not_after:%Y-%m-%d}: --again issues another", err=True)
    if len(made.kept) > 10:
        typer.echo(f"{len(made.kept)} in all have one in force", err=True)


def _plain(one: "Issued") -> dict[str, Any]:
    """A certificate as JSON takes it."""
    return {
        "name": one.name,
        "kind": one.kind.value,
        "serial": one.serial,
        "not_before": one.not_before.isoformat(),
        "not_after": one.not_after.isoformat(),
        "revoked_at": one.revoked_at and one.revoked_at.isoformat(),
    }

"""`crossmarket db`: the tables."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import typer

from crossmarket.cli.output import NO, Json, print_facts, print_json, progress, reports_errors

if TYPE_CHECKING:
    from crossmarket.store.sql import SqlStore

database = typer.Typer(help="Look at the tables, make them, bring them to this version.", no_args_is_help=True)


@database.command("status")
@reports_errors
def database_status(as_json: Json = False) -> None:
    """Compare the tables with what this version needs.

    Ends with 3 where they differ.
    """
    with _configured() as store:
        present, needed = store.revision()
    if as_json:
        print_json({"present": present, "needed": needed, "current": present == needed})
    else:
        print_facts({"present": present or "no tables", "needed": needed, "current": present == needed})
    if present != needed:
        raise typer.Exit(NO)


@database.command("upgrade")
@reports_errors
def database_upgrade(as_json: Json = False) -> None:
    """Make the tables, or bring them to this version.

    Doing it again changes nothing.
    """
    with _configured() as store:
        before, _ = store.revision()
        with progress("Upgrading"):
            store.prepare(upgrade=True)
        after, _ = store.revision()
    if as_json:
        print_json({"before": before, "after": after})
    else:
        was = "already" if before == after else f"(before: {before or 'none'})"
        typer.echo(f"The tables are at {after} {was}.")


def _configured() -> contextlib.closing[SqlStore]:
    """Return the database that the settings name, as it is."""
    from crossmarket import settings
    from crossmarket.store.sql import SqlStore

    return contextlib.closing(SqlStore(settings.load().database_url.get_secret_value()))

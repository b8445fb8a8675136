"""Whether the tables are there and of this version; making and upgrading them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sqlalchemy import column, func, inspect, select, table

from crossmarket.errors import StoreError
from crossmarket.store.database import MIGRATE

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from crossmarket.store.database import Database

REVISIONS = ("0001",)
"""Every revision that this version knows, the oldest first. It saves importing Alembic where nothing is to do."""

VERSION_TABLE = "crossmarket_alembic_version"
"""Ours alone, so that the application may keep Alembic migrations of its own in the same database."""

_LOCK = int.from_bytes(b"crossmkt", "big")
_upgrading = threading.Lock()


def prepare(database: Database, *, upgrade: bool | None) -> None:
    """Check that the tables are of this version; see `Store.prepare`."""
    found, needed = revision(database)
    if found == needed:
        return
    _refuse_newer(database, found)
    if upgrade or (upgrade is None and database.dialect == "sqlite"):
        bring_up(database)
        return
    state = "has no crossmarket tables" if found is None else f"has tables of revision {found}, not {needed}"
    raise StoreError(f"The database {database.name} {state}.", remedy=MIGRATE)


def revision(database: Database) -> tuple[str | None, str]:
    """Return the revision that the database has (None: no tables) and the one that this version needs."""
    if database.missing:  # to look must not make it
        return None, REVISIONS[-1]
    with database.reading() as connection:
        return _found(connection), REVISIONS[-1]


def bring_up(database: Database) -> None:
    """Make the tables or bring them to this version, in one transaction; of several processes one does it.

    Raises:
        StoreError: They are of a newer version; nothing has been changed.
    """
    from alembic import command  # noqa: PLC0415 - takes 0.7 s, and only an upgrade needs it
    from alembic.config import Config  # noqa: PLC0415

    # Alembic speaks to its migrations by way of one global object, so that threads have to queue.
    with _upgrading, database.writing() as connection:  # SQLite: this is the only writer from here on
        if database.dialect == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        found = _found(connection)
        _refuse_newer(database, found)
        if found == REVISIONS[-1]:
            return
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", "crossmarket:store/migrations")
        command.upgrade(config, REVISIONS[-1])


def _found(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found: str | None = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    return found


def _refuse_newer(database: Database, found: str | None) -> None:
    if found is not None and found not in REVISIONS:
        raise StoreError(
            f"The tables of {database.name} (revision {found}) were made by a newer crossmarket.",
            remedy="Install that version of crossmarket, or a newer one.",
        )

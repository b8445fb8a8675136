"""One database: its URL, its connections, its transactions, and its errors in our words."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from crossmarket.errors import ConfigurationError, StoreError
from crossmarket.store.contract import VersionConflictError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from sqlite3 import Connection as SQLiteConnection

    from sqlalchemy import URL, Connection, Engine

LOCK_TIMEOUT = 15
"""Seconds that a SQLite connection waits for another one's lock, unless the URL has `?timeout=`."""

POSTGRES_OPTIONS = {
    "application_name": "crossmarket",
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""What libpq is told unless the URL says otherwise in its query: who we are, and bounds of its waiting (seconds,
the last in milliseconds)."""

MIGRATE = "Run: crossmarket db upgrade"
_DRIVERS = {
    "sqlite": "sqlite",
    "sqlite+pysqlite": "sqlite",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}
# SQLSTATE: unique_violation; serialization_failure and deadlock_detected, which reading again repairs too.
_CONFLICTS = {"23505", "40001", "40P01", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}
# SQLSTATE: undefined_table, undefined_column, invalid_schema_name.
_MISFITS = {"42P01", "42703", "3F000"}
_WRITE = "crossmarket_write"


class Database:
    """A SQLite file (or memory), or a PostgreSQL database.

    Nothing is opened before the first transaction. A process that is forked opens connections of its own and
    leaves those of its parent alone.

    Args:
        url: `sqlite:///file.db`, `sqlite://` (memory), or `postgresql://user:password@host/name`.

    Raises:
        ConfigurationError: The URL is not one of these.
    """

    def __init__(self, url: str) -> None:
        self._url = parse(url)
        self._memory = _in_memory(self._url)
        self._engine: Engine | None = None
        self._abandoned: list[Engine] = []
        self._opening = threading.Lock()
        self._turn = threading.Lock()
        _databases.add(self)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._url.get_backend_name()

    @property
    def name(self) -> str:
        """The URL without its secrets, for people."""
        host = {key: value for key, value in self._url.query.items() if key == "host"}
        return self._url.set(drivername=self.dialect, query=host).render_as_string(hide_password=True)

    @property
    def missing(self) -> bool:
        """Whether it is a SQLite file that is not there, which a first connection would make."""
        if self._memory or self.dialect != "sqlite" or self._url.query.get("uri"):
            return False
        return not Path(self._url.database or "").exists()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection for one transaction that changes nothing.

        Raises:
            StoreError: The database is out of reach, or its tables do not fit.
        """
        # The one connection of a database in memory is everybody's, so that one thread at a time may have it.
        turn = self._turn if self._memory else contextlib.nullcontext()
        with turn, self._explained(), self._connected().begin() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """Yield a connection for one transaction, which is committed at the end of the block.

        Raises:
            StoreError: The database is out of reach, or its tables do not fit.
            VersionConflictError: A row of that key is there already.
        """
        # SQLite has one writer. The lock is the fair way to wait for one's turn among threads; SQLite's own,
        # which polls, is left to settle between processes.
        turn = self._turn if self.dialect == "sqlite" else contextlib.nullcontext()
        with turn, self._explained():
            writer = self._connected().execution_options(**{_WRITE: True})  # the same pool
            with writer.begin() as connection:
                yield connection

    def close(self) -> None:
        """Close the connections. The next transaction opens new ones."""
        with self._opening:
            engine, self._engine = self._engine, None
        if engine is not None:
            engine.dispose()

    def forget(self) -> None:
        """Take no notice of the parent's connections and locks; called in a process that was just forked."""
        if self._engine is not None:
            # Kept, so that nobody closes in the child what the parent goes on using.
            self._abandoned.append(self._engine)
            self._engine = None
        self._opening = threading.Lock()
        self._turn = threading.Lock()

    def _connected(self) -> Engine:
        engine = self._engine
        if engine is None:
            with self._opening:
                engine = self._engine = self._engine or _engine(self._url)
        return engine

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            if _code(error) in _CONFLICTS:
                raise VersionConflictError from None
            # What a statement was given is personal data, and these two errors may quote it.
            quoting = isinstance(error, DataError | IntegrityError)
            raise self._error(error) from (None if quoting else error)
        except SQLAlchemyError as error:
            raise self._error(error) from error

    def _error(self, error: SQLAlchemyError) -> StoreError:
        reason, remedy = _reason(error), "Check CROSSMARKET_DATABASE_URL, and that the database can be reached."
        if _code(error) in _MISFITS or reason.startswith(("no such table", "no such column")):
            return StoreError(f"The tables of {self.name} are missing or do not fit ({reason}).", remedy=MIGRATE)
        if self.dialect == "sqlite" and not self._memory:
            directory = Path(self._url.database or "").absolute().parent
            if not str(self._url.database).startswith("file:") and not directory.is_dir():
                remedy = f"Create the directory {directory}, or set CROSSMARKET_DATABASE_URL."
            elif "locked" in reason:
                remedy = "Another process is writing for long; end it, or try again."
        return StoreError(f"The database {self.name} cannot be used: {reason}.", remedy=remedy)


_databases: weakref.WeakSet[Database] = weakref.WeakSet()


def _forget() -> None:
    for database in _databases:
        database.forget()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_forget)


def parse(url: str) -> URL:
    """Return a URL with the driver that we use.

    Raises:
        ConfigurationError: It is no URL, or one of another kind of database.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        parsed = None  # outside of the handler, so that an error with the password in it is nobody's context
    if parsed is None or parsed.drivername not in _DRIVERS:
        kind = "it is no URL" if parsed is None else f"{parsed.drivername} is not supported"
        raise ConfigurationError(
            f"The database URL cannot be used: {kind}.",
            field="CROSSMARKET_DATABASE_URL",
            remedy="Write sqlite:///file.db or postgresql://user:password@host/name.",
        )
    return parsed.set(drivername=_DRIVERS[parsed.drivername])


def _in_memory(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and (
        url.database in {None, "", ":memory:"} or url.query.get("mode") == "memory"
    )


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        options: dict[str, Any] = {"connect_args": {} if "timeout" in url.query else {"timeout": LOCK_TIMEOUT}}
        if _in_memory(url):
            options["poolclass"] = StaticPool
            options["connect_args"]["check_same_thread"] = False
    else:
        defaults = {key: value for key, value in POSTGRES_OPTIONS.items() if key not in url.query}
        options = {"connect_args": defaults, "pool_pre_ping": True}
    try:
        engine = create_engine(url, hide_parameters=True, **options)
    except ImportError as error:
        raise ConfigurationError(
            "The driver of PostgreSQL is not installed.",
            field="CROSSMARKET_DATABASE_URL",
            remedy='Run: pip install "crossmarket[postgres]"',
        ) from error
    if url.get_backend_name() == "sqlite":
        event.listen(engine, "connect", _set_up)
        event.listen(engine, "begin", _begin)
    return engine


def _set_up(connection: SQLiteConnection, _record: object) -> None:
    connection.isolation_level = None  # sqlite3 begins nothing by itself: `_begin` does
    connection.execute("PRAGMA foreign_keys = ON")
    with contextlib.suppress(connection.OperationalError):  # another process is just doing it, or it cannot be had
        connection.execute("PRAGMA journal_mode = WAL")


def _begin(connection: Connection) -> None:
    # A writer takes its lock at once: one that began as a reader cannot wait for it later (SQLITE_BUSY_SNAPSHOT).
    write = connection.get_execution_options().get(_WRITE, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _code(error: SQLAlchemyError) -> str | None:
    """Return the SQLSTATE of PostgreSQL, or the name that SQLite gives an error."""
    original = getattr(error, "orig", None)
    return cast("str | None", getattr(original, "sqlstate", None) or getattr(original, "sqlite_errorname", None))


def _reason(error: SQLAlchemyError) -> str:
    """Return the first line: the next ones may show values."""
    original = getattr(error, "orig", None)
    primary = getattr(getattr(original, "diag", None), "message_primary", None)
    lines = str(primary or original or error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")

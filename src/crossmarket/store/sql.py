"""The store on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossmarket.errors import InvalidArgumentError
from crossmarket.models import Subscription
from crossmarket.store import records, schema, statements
from crossmarket.store.contract import AuditEntry, VersionConflictError
from crossmarket.store.database import Database

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from sqlalchemy import Connection

    from crossmarket.models import Alias, Status

BATCH = 500
"""How many aliases one query asks for; databases bound the number of parameters."""


class SqlStore:
    """The `Store` of a database that SQLAlchemy reaches.

    It may be made before a process forks, and be used on both sides: nothing is opened before first use.

    Args:
        url: `sqlite:///file.db`, `sqlite://` (in memory, gone with the object), or
            `postgresql://user:password@host/name` (or `postgres://`), with libpq's own options as its query.

    Raises:
        ConfigurationError: The URL is not one of these; or, at first use, PostgreSQL's driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self._database = Database(url)
        self._upserts = statements.Upserts(self._database.dialect)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._database.name!r})"

    def prepare(self, *, upgrade: bool | None) -> None:
        """See `Store.prepare`."""
        schema.prepare(self._database, upgrade=upgrade)

    def upgrade(self) -> None:
        """See `Store.upgrade`; of several processes that call it at once, one does the work.

        Raises:
            StoreError: The tables are of a newer version; they have not been changed.
        """
        schema.bring_up(self._database)

    def revision(self) -> tuple[str | None, str]:
        """See `Store.revision`."""
        return schema.revision(self._database)

    def get(self, subscription_id: str) -> Subscription | None:
        """See `Store.get`."""
        with self._database.reading() as connection:
            row = connection.execute(statements.GET, {"id": subscription_id}).one_or_none()
        return row and records.subscription(row.data, row.observed_at, row.stale_since)

    def find(self, marketplace: str, aliases: Sequence[Alias]) -> list[Subscription]:
        """See `Store.find`."""
        pairs = sorted({(alias.kind, alias.value) for alias in aliases})
        found = {}
        with self._database.reading() as connection:
            for start in range(0, len(pairs), BATCH):
                asked = {"marketplace": marketplace, "pairs": pairs[start : start + BATCH]}
                found.update({row.id: row for row in connection.execute(statements.FIND, asked)})
        rows = (found[key] for key in sorted(found))
        return [records.subscription(row.data, row.observed_at, row.stale_since) for row in rows]

    def save(self, subscription: Subscription, audit: AuditEntry, *, expected: int) -> None:
        """See `Store.save`.

        Raises:
            InvalidArgumentError: The subscription's version is not `expected + 1`.
        """
        if expected < 0 or subscription.version != expected + 1:
            raise InvalidArgumentError(
                f"Version {subscription.version} cannot follow version {expected}.", field="subscription.version"
            )
        text = records.to_text(subscription)
        snapshot = {
            "subscription_id": subscription.id,
            "version": subscription.version,
            "recorded_at": subscription.updated_at,
            "data": text,
        }
        with self._database.writing() as connection:
            _put(connection, subscription, text, expected)
            connection.execute(statements.ADD_SNAPSHOT, snapshot)
            if known := _aliases(subscription):
                connection.execute(self._upserts.alias, known)
            connection.execute(statements.CLEAR_HOLDERS, {"id": subscription.id})
            if subscription.accounts:
                connection.execute(statements.ADD_HOLDERS, _holders(subscription))
            connection.execute(statements.ADD_AUDIT, _audit(audit))

    def seen(self, subscription: Subscription) -> None:
        """See `Store.seen`; an `observed_at` that is earlier than the stored one changes nothing at all."""
        values = {
            "of": subscription.id,
            "seen_at": subscription.observed_at,
            "failed_at": subscription.stale_since,
        }
        with self._database.writing() as connection:
            connection.execute(statements.SEEN, values)

    def audit(self, entry: AuditEntry) -> None:
        """See `Store.audit`."""
        with self._database.writing() as connection:
            connection.execute(statements.ADD_AUDIT, _audit(entry))

    def history(self, subscription_id: str) -> list[Subscription]:
        """See `Store.history`."""
        with self._database.reading() as connection:
            texts = connection.scalars(statements.HISTORY, {"id": subscription_id}).all()
        return [records.from_text(Subscription, text) for text in texts]

    def audit_of(self, subscription_id: str) -> list[AuditEntry]:
        """See `Store.audit_of`."""
        with self._database.reading() as connection:
            texts = connection.scalars(statements.AUDIT_OF, {"id": subscription_id}).all()
        return [records.from_text(AuditEntry, text) for text in texts]

    def remember_landing(self, fingerprint: str, subscription_id: str, at: datetime) -> None:
        """See `Store.remember_landing`; the first subscription, and the first moment, stay."""
        values = {"fingerprint": fingerprint, "subscription_id": subscription_id, "at": at}
        with self._database.writing() as connection:
            connection.execute(self._upserts.landing, values)

    def recall_landing(self, fingerprint: str, *, since: datetime) -> str | None:
        """See `Store.recall_landing`."""
        values = {"fingerprint": fingerprint, "since": since}
        with self._database.reading() as connection:
            found: str | None = connection.scalar(statements.RECALL_LANDING, values)
        return found

    def constant(self, name: str, make: Callable[[], str]) -> str:
        """See `Store.constant`; `make` may be called although another process wins."""
        found = self._constant(name)
        if found is None:
            values = {"name": name, "value": make()}
            with self._database.writing() as connection:
                connection.execute(self._upserts.constant, values)
            found = self._constant(name)
        assert found is not None  # noqa: S101 - constants are never taken away
        return found

    def close(self) -> None:
        """See `Store.close`. A database in memory is gone with its connection."""
        self._database.close()

    # Below this name, `list` is the method also to type checkers: keep it the last one that is annotated.
    def list(
        self,
        *,
        account: str | None = None,
        marketplace: str | None = None,
        status: Status | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Subscription]:
        """See `Store.list`."""
        asked = {
            "account": account,
            "marketplace": marketplace,
            "status": status,
            "after": after,
            "limit": limit,
        }
        given = {key: value for key, value in asked.items() if value is not None}
        with self._database.reading() as connection:
            rows = connection.execute(statements.listing(frozenset(given)), given).all()
        return [records.subscription(row.data, row.observed_at, row.stale_since) for row in rows]

    def _constant(self, name: str) -> str | None:
        with self._database.reading() as connection:
            found: str | None = connection.scalar(statements.CONSTANT, {"name": name})
        return found


def _put(connection: Connection, subscription: Subscription, text: str, expected: int) -> None:
    """Write the newest state where the version `expected` stands; the row stays locked for the transaction."""
    columns: dict[str, Any] = {
        "marketplace": subscription.marketplace,
        "account": subscription.account,
        "status": subscription.status,
        "version": subscription.version,
        "observed_at": subscription.observed_at,
        "stale_since": subscription.stale_since,
        "created_at": subscription.created_at,
        "updated_at": subscription.updated_at,
        "data": text,
    }
    if expected == 0:
        connection.execute(statements.ADD, {"id": subscription.id, **columns})
    else:
        stored = connection.execute(
            statements.REPLACE, {"of": subscription.id, "expected": expected, **columns}
        ).rowcount
        if stored != 1:
            raise VersionConflictError


def _aliases(subscription: Subscription) -> list[dict[str, Any]]:
    """Return the rows of the aliases, in one order for all, so that two writers never wait for one another."""
    rows = sorted((alias.kind, alias.value, alias.exact) for alias in subscription.aliases)
    return [
        {
            "marketplace": subscription.marketplace,
            "kind": kind,
            "value": value,
            "subscription_id": subscription.id,
            "exact": exact,
            "created_at": subscription.updated_at,
        }
        for kind, value, exact in rows
    ]


def _holders(subscription: Subscription) -> list[dict[str, str]]:
    accounts = dict.fromkeys(subscription.accounts)
    return [{"account": account, "subscription_id": subscription.id} for account in accounts]


def _audit(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": entry.at,
        "action": entry.action,
        "subscription_id": entry.subscription,
        "account": entry.account,
        "data": records.to_text(entry),
    }


def open_store(url: str, *, upgrade: bool | None) -> SqlStore:
    """Open a database, and check its tables or make them; see `Store.prepare` for `upgrade`.

    Raises:
        ConfigurationError: The URL is not one of a database that is supported.
        StoreError: The database is out of reach, or its tables are missing, older or newer.
    """
    store = SqlStore(url)
    try:
        store.prepare(upgrade=upgrade)
    except BaseException:
        store.close()
        raise
    return store

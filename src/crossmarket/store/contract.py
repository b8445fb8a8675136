"""What the library needs of a database; `crossmarket.store.sql` does it on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pydantic import Field, JsonValue

from crossmarket.models import Alias, Frozen, Moment, Status, Subscription


class AuditEntry(Frozen):
    """Why something was stored.

    Attributes:
        action: What was done: `landed`, `activated`, `claim_refused`, `reconciled`, `changed` and so on.
        at: When (UTC).
        origin: Who or what caused it: `landing`, `activation`, `reconcile`, `operator`.
        subscription: The subscription's id, where there is one.
        account: The account concerned, where there is one.
        version: The version that came of it; None where none did.
        detail: Whatever else explains it; no secrets, no tokens.
    """

    action: str
    at: Moment
    origin: str
    subscription: str | None = None
    account: str | None = None
    version: int | None = None
    detail: dict[str, JsonValue] = Field(default_factory=dict)


class VersionConflictError(Exception):
    """Another version, or the same purchase, has been stored in the meantime: read again and decide again.

    It is caught inside the library and never reaches an application.
    """


class Store(Protocol):
    """The durable state. Every method is one transaction, may be called from several threads, and raises
    `StoreError` when the database is out of reach or its tables do not fit.
    """  # noqa: D205

    def prepare(self, *, upgrade: bool | None) -> None:
        """Check that the tables are there and of this version, before anything else.

        Args:
            upgrade: Make or upgrade them: True does, False does not, None does on SQLite only where there are
                no tables yet or they are older, and on PostgreSQL never.

        Raises:
            StoreError: They are missing, older or newer; the message says what to do.
        """

    def upgrade(self) -> None:
        """Make the tables, or bring them to this version. Doing it again changes nothing."""

    def revision(self) -> tuple[str | None, str]:
        """Return the revision that the database has (None: no tables) and the one that this version needs."""

    def get(self, subscription_id: str) -> Subscription | None:
        """Return the newest version of a subscription."""

    def find(self, marketplace: str, aliases: Sequence[Alias]) -> list[Subscription]:
        """Return the subscriptions that have any of these aliases (kind and value), oldest first.

        The `exact` of the arguments is not compared, so that a shared id finds all that share it.
        """

    def save(self, subscription: Subscription, audit: AuditEntry, *, expected: int) -> None:
        """Store one version: the newest state, the history row, new aliases, the holders and the audit.

        Aliases that were stored before stay: old ids of a subscription keep finding it.

        Args:
            subscription: What to store; its version is `expected + 1`.
            audit: Why.
            expected: The version that is stored now; 0 for a new subscription.

        Raises:
            VersionConflictError: Another version is stored, or an exact alias belongs to another subscription.
        """

    def seen(self, subscription: Subscription) -> None:
        """Store only `observed_at` and `stale_since`, which make no version. Keeps the later `observed_at`."""

    def audit(self, entry: AuditEntry) -> None:
        """Store an audit entry by itself."""

    def history(self, subscription_id: str) -> Sequence[Subscription]:
        """Return all versions of a subscription, the first one first."""

    def audit_of(self, subscription_id: str) -> Sequence[AuditEntry]:
        """Return the audit entries of a subscription, the first one first."""

    def remember_landing(self, fingerprint: str, subscription_id: str, at: Moment) -> None:
        """Keep which subscription a landing token (known by its digest only) stood for. Repeating is safe."""

    def recall_landing(self, fingerprint: str, *, since: Moment) -> str | None:
        """Return the id of the subscription that a landing token stood for, if it was seen since that moment."""

    def constant(self, name: str, make: Callable[[], str]) -> str:
        """Return a value that is made once and then the same for every process of this database."""

    def close(self) -> None:
        """Close connections. The object may be used again afterwards."""

    # After this one, `list` is the method also to type checkers, so it stays the last.
    def list(
        self,
        *,
        account: str | None = None,
        marketplace: str | None = None,
        status: Status | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Subscription]:
        """Return subscriptions, oldest first (ids are time-ordered), that match every argument given.

        Args:
            account: Held by this account, as its first holder or shared.
            marketplace: On this marketplace.
            status: Standing so in the newest version.
            after: Only ids greater than this one, for paging.
            limit: At most so many.
        """

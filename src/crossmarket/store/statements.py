"""The SQL that is written: built once, because building takes longer than running."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from sqlalchemy import Table, bindparam, case, delete, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from crossmarket.store.tables import aliases, audit, constants, holders, landings, snapshots, subscriptions

if TYPE_CHECKING:
    from sqlalchemy import Select

_NEWEST = select(subscriptions.c.data, subscriptions.c.observed_at, subscriptions.c.stale_since)

GET = _NEWEST.where(subscriptions.c.id == bindparam("id"))
FIND = _NEWEST.add_columns(subscriptions.c.id).where(
    subscriptions.c.id.in_(
        select(aliases.c.subscription_id).where(
            aliases.c.marketplace == bindparam("marketplace"),
            tuple_(aliases.c.kind, aliases.c.value).in_(bindparam("pairs", expanding=True)),
        )
    )
)
HISTORY = select(snapshots.c.data).where(snapshots.c.subscription_id == bindparam("id")).order_by(snapshots.c.version)
AUDIT_OF = select(audit.c.data).where(audit.c.subscription_id == bindparam("id")).order_by(audit.c.id)
RECALL_LANDING = select(landings.c.subscription_id).where(
    landings.c.fingerprint == bindparam("fingerprint"), landings.c.at >= bindparam("since")
)
CONSTANT = select(constants.c.value).where(constants.c.name == bindparam("name"))

ADD = insert(subscriptions)
# The parameters of an UPDATE that are no columns may not be named like one.
REPLACE = update(subscriptions).where(
    subscriptions.c.id == bindparam("of"), subscriptions.c.version == bindparam("expected")
)
ADD_SNAPSHOT = insert(snapshots)
ADD_AUDIT = insert(audit)
ADD_HOLDERS = insert(holders)
CLEAR_HOLDERS = delete(holders).where(holders.c.subscription_id == bindparam("id"))

# A look at the marketplace that is older than the stored one says nothing. Of two failures since the same look the
# earlier tells since when the marketplace could not be read.
SEEN = (
    update(subscriptions)
    .where(subscriptions.c.id == bindparam("of"), subscriptions.c.observed_at <= bindparam("seen_at"))
    .values(
        observed_at=bindparam("seen_at"),
        stale_since=case(
            (
                (subscriptions.c.observed_at == bindparam("seen_at"))
                & (subscriptions.c.stale_since < bindparam("failed_at", type_=subscriptions.c.stale_since.type)),
                subscriptions.c.stale_since,
            ),
            else_=bindparam("failed_at", type_=subscriptions.c.stale_since.type),
        ),
    )
)


class Upserts:
    """The statements that SQLite and PostgreSQL spell alike, but SQLAlchemy keeps apart.

    Args:
        dialect: `sqlite` or `postgresql`.
    """

    def __init__(self, dialect: str) -> None:
        insert = postgresql.insert if dialect == "postgresql" else sqlite.insert

        def add(table: Table) -> postgresql.Insert | sqlite.Insert:
            return insert(table)

        alias = add(aliases)
        # Only the same alias of the same subscription passes. An exact one of another breaks the unique index.
        self.alias = alias.on_conflict_do_update(
            index_elements=[aliases.c[name] for name in ("marketplace", "kind", "value", "subscription_id")],
            set_={"exact": True},
            where=alias.excluded.exact & ~aliases.c.exact,
        )
        self.landing = add(landings).on_conflict_do_nothing()
        self.constant = add(constants).on_conflict_do_nothing()


@functools.cache
def listing(given: frozenset[str]) -> Select[Any]:
    """Return the query of `Store.list` that has a parameter for each of the arguments given."""
    conditions = {
        "account": subscriptions.c.id.in_(
            select(holders.c.subscription_id).where(holders.c.account == bindparam("account"))
        ),
        "marketplace": subscriptions.c.marketplace == bindparam("marketplace"),
        "status": subscriptions.c.status == bindparam("status"),
        "after": subscriptions.c.id > bindparam("after"),
    }
    query = _NEWEST.where(*(condition for name, condition in conditions.items() if name in given))
    query = query.order_by(subscriptions.c.id)
    return query.limit(bindparam("limit")) if "limit" in given else query

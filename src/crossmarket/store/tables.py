"""The tables, as the newest migration leaves them.

Whole models are kept as JSON in `data`; further columns repeat only what rows are found or compared by. JSON is
`text`, not PostgreSQL's `jsonb`, because that refuses NUL and would not keep numbers as they came.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from crossmarket.store.columns import Instant, Key

metadata = MetaData()

subscriptions = Table(
    "crossmarket_subscriptions",
    metadata,
    Column("id", Key, nullable=False),
    Column("marketplace", Key, nullable=False),
    Column("account", Key),
    Column("status", Key, nullable=False),
    Column("version", Integer, nullable=False),
    Column("observed_at", Instant, nullable=False),
    Column("stale_since", Instant),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("id", name="crossmarket_subscriptions_pkey"),
    Index("crossmarket_subscriptions_standing", "marketplace", "status", "id"),
)
"""The newest version of each. `observed_at` and `stale_since` hold here, and not in `data`: they may move alone."""

snapshots = Table(
    "crossmarket_snapshots",
    metadata,
    Column("subscription_id", Key, nullable=False),
    Column("version", Integer, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("subscription_id", "version", name="crossmarket_snapshots_pkey"),
    ForeignKeyConstraint(
        ["subscription_id"],
        ["crossmarket_subscriptions.id"],
        name="crossmarket_snapshots_subscription",
        ondelete="CASCADE",
    ),
)
"""Every version of each subscription, as it was stored."""

aliases = Table(
    "crossmarket_aliases",
    metadata,
    Column("marketplace", Key, nullable=False),
    Column("kind", Key, nullable=False),
    Column("value", Key, nullable=False),
    Column("subscription_id", Key, nullable=False),
    Column("exact", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("marketplace", "kind", "value", "subscription_id", name="crossmarket_aliases_pkey"),
    ForeignKeyConstraint(
        ["subscription_id"],
        ["crossmarket_subscriptions.id"],
        name="crossmarket_aliases_subscription",
        ondelete="CASCADE",
    ),
)
"""Under which ids a marketplace knows a subscription; the primary key serves the lookups."""

Index(
    "crossmarket_aliases_exact",
    aliases.c.marketplace,
    aliases.c.kind,
    aliases.c.value,
    unique=True,
    sqlite_where=aliases.c.exact,
    postgresql_where=aliases.c.exact,
)

holders = Table(
    "crossmarket_holders",
    metadata,
    Column("account", Key, nullable=False),
    Column("subscription_id", Key, nullable=False),
    PrimaryKeyConstraint("account", "subscription_id", name="crossmarket_holders_pkey"),
    ForeignKeyConstraint(
        ["subscription_id"],
        ["crossmarket_subscriptions.id"],
        name="crossmarket_holders_subscription",
        ondelete="CASCADE",
    ),
    Index("crossmarket_holders_subscriptions", "subscription_id"),
)
"""Which accounts hold which subscriptions now, first holders and shared ones alike."""

audit = Table(
    "crossmarket_audit",
    metadata,
    Column("id", BigInteger().with_variant(Integer(), "sqlite"), autoincrement=True, nullable=False),
    Column("at", Instant, nullable=False),
    Column("action", Key, nullable=False),
    Column("subscription_id", Key),
    Column("account", Key),
    Column("data", Text, nullable=False),
    PrimaryKeyConstraint("id", name="crossmarket_audit_pkey"),
    Index("crossmarket_audit_subscription", "subscription_id", "id"),
)
"""Why something was stored, or was not. It outlives what it speaks of, so it refers to nothing."""

landings = Table(
    "crossmarket_landings",
    metadata,
    Column("fingerprint", Key, nullable=False),
    Column("subscription_id", Key, nullable=False),
    Column("at", Instant, nullable=False),
    PrimaryKeyConstraint("fingerprint", name="crossmarket_landings_pkey"),
)
"""Which subscription a landing token stood for, by the token's digest."""

constants = Table(
    "crossmarket_constants",
    metadata,
    Column("name", Key, nullable=False),
    Column("value", Text, nullable=False),
    PrimaryKeyConstraint("name", name="crossmarket_constants_pkey"),
)
"""Values that are made once for all processes."""

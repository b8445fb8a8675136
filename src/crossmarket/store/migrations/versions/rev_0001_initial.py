"""The first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

moment = sa.DateTime(timezone=True).with_variant(sa.Text(), "sqlite")
key = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "crossmarket_subscriptions",
        sa.Column("id", key, nullable=False),
        sa.Column("marketplace", key, nullable=False),
        sa.Column("account", key),
        sa.Column("status", key, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("observed_at", moment, nullable=False),
        sa.Column("stale_since", moment),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="crossmarket_subscriptions_pkey"),
    )
    op.create_index("crossmarket_subscriptions_standing", "crossmarket_subscriptions", ["marketplace", "status", "id"])
    op.create_table(
        "crossmarket_snapshots",
        sa.Column("subscription_id", key, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("recorded_at", moment, nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", "version", name="crossmarket_snapshots_pkey"),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["crossmarket_subscriptions.id"],
            name="crossmarket_snapshots_subscription",
            ondelete="CASCADE",
        ),
    )
    op.create_table(
        "crossmarket_aliases",
        sa.Column("marketplace", key, nullable=False),
        sa.Column("kind", key, nullable=False),
        sa.Column("value", key, nullable=False),
        sa.Column("subscription_id", key, nullable=False),
        sa.Column("exact", sa.Boolean(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("marketplace", "kind", "value", "subscription_id", name="crossmarket_aliases_pkey"),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["crossmarket_subscriptions.id"],
            name="crossmarket_aliases_subscription",
            ondelete="CASCADE",
        ),
    )
    op.create_index(
        "crossmarket_aliases_exact",
        "crossmarket_aliases",
        ["marketplace", "kind", "value"],
        unique=True,
        sqlite_where=sa.text("exact"),
        postgresql_where=sa.text("exact"),
    )
    op.create_table(
        "crossmarket_holders",
        sa.Column("account", key, nullable=False),
        sa.Column("subscription_id", key, nullable=False),
        sa.PrimaryKeyConstraint("account", "subscription_id", name="crossmarket_holders_pkey"),
        sa.ForeignKeyConstraint(
            ["subscription_id"],
            ["crossmarket_subscriptions.id"],
            name="crossmarket_holders_subscription",
            ondelete="CASCADE",
        ),
    )
    op.create_index("crossmarket_holders_subscriptions", "crossmarket_holders", ["subscription_id"])
    op.create_table(
        "crossmarket_audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("action", key, nullable=False),
        sa.Column("subscription_id", key),
        sa.Column("account", key),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="crossmarket_audit_pkey"),
    )
    op.create_index("crossmarket_audit_subscription", "crossmarket_audit", ["subscription_id", "id"])
    op.create_table(
        "crossmarket_landings",
        sa.Column("fingerprint", key, nullable=False),
        sa.Column("subscription_id", key, nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="crossmarket_landings_pkey"),
    )
    op.create_table(
        "crossmarket_constants",
        sa.Column("name", key, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="crossmarket_constants_pkey"),
    )


def downgrade() -> None:
    """Take them away, with all that is in them."""
    for name in ("constants", "landings", "audit", "holders", "aliases", "snapshots", "subscriptions"):
        op.drop_table(f"crossmarket_{name}")

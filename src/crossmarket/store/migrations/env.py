"""Run by Alembic for `crossmarket.store.schema`, which hands over the connection inside its transaction."""

from alembic import context

from crossmarket.store.schema import VERSION_TABLE
from crossmarket.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
with context.begin_transaction():
    context.run_migrations()

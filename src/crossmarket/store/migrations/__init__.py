"""Alembic's environment and the migrations, shipped with the library.

To add one: write `versions/rev_<number>_<what>.py` by hand, in terms of SQLAlchemy alone (never of the tables of
today), name its revision in `crossmarket.store.schema.REVISIONS`, and change `crossmarket.store.tables` to match.
A test compares the two on both databases. Processes of the version before have to work on the new tables while
a release is being rolled out: columns are added nullable, and taken away one release later than their last use.
"""

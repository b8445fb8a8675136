"""Where subscriptions, their versions and the audit are kept: SQLite by default, PostgreSQL by URL."""

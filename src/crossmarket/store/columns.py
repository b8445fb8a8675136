"""Column types that hold the same thing on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from sqlalchemy import DateTime, Text
from sqlalchemy.types import TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

LONGEST_KEY = 400
"""Bytes of UTF-8 that a key may have: PostgreSQL refuses index rows of more than 2704, and one has up to four."""


class Instant(TypeDecorator[datetime]):
    """A moment: an aware `datetime` in UTC goes in and comes out.

    PostgreSQL keeps it as `timestamp with time zone`. SQLite, which has no such type, keeps it as text of one
    width, `2026-03-01T12:00:00.000000Z`, so that comparing the text compares the moments.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return what the database has for it."""
        return Text() if dialect.name == "sqlite" else DateTime(timezone=True)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Turn a moment into what the driver takes; a naive one is a `ValueError`."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        value = value.astimezone(UTC)
        if dialect.name != "sqlite":
            return value
        return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Turn what the driver gives into a moment in UTC."""
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if dialect.name == "sqlite" else value
        return moment.astimezone(UTC)


class Key(TypeDecorator[str]):
    r"""Text that rows are found and ordered by, whatever a marketplace has put into it.

    Ordinary text is stored as it is. Two sorts are rewritten, each to a text of its own, because a database
    would refuse them: NUL and lone surrogates are escaped with a backslash (and so is the backslash), and a
    text longer than `LONGEST_KEY` is cut and ends in its SHA-256. What was rewritten is not turned back: the
    truth is in the column `data`, keys only lead to it. The order is that of the code points on both databases.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Return what the database has for it."""
        return Text(collation="C") if dialect.name == "postgresql" else Text()

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - given by SQLAlchemy
        """Rewrite what a database would refuse."""
        return None if value is None else storable(value)


def storable(key: str) -> str:
    """Return a text that any database takes as a key; different texts stay different."""
    encoded = key.replace("\\", "\\\\").replace("\0", "\\0").encode("utf-8", "backslashreplace")
    if len(encoded) > LONGEST_KEY:
        start = encoded[: LONGEST_KEY // 2].decode("utf-8", "ignore")
        return f"{start}...sha256:{sha256(encoded).hexdigest()}"
    return encoded.decode("utf-8")

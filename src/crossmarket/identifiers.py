"""Our own ids: UUIDs of version 7, so that later ones sort after earlier ones."""

from __future__ import annotations

from datetime import datetime


def new_id(now: datetime) -> str:
    """Return a new id whose leading part is this moment (RFC 9562, version 7)."""
    from uuid_utils import uuid7  # noqa: PLC0415 - a compiled module that reading does not need

    return str(uuid7(nanoseconds=int(now.timestamp() * 1_000_000) * 1000))

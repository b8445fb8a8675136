"""Pure: what is peculiar to single values in Microsoft's JSON; the rest is in `crossmarket.tolerant`.

Seen on the wire: keys with trailing blanks and in another case, padded words, numbers as text, `""` for none,
seven-digit fractions of seconds, `0001-01-01` for no date, times without a zone (which are UTC).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from pydantic import JsonValue

from crossmarket.tolerant import moment


def tidy(value: object) -> dict[str, JsonValue]:
    """Return an object with its keys stripped and in lower case; anything but an object is an empty one."""
    return {key.strip().lower(): item for key, item in value.items()} if isinstance(value, dict) else {}


def day_after(value: object) -> datetime | None:
    """Return the midnight (UTC) after a last valid day: Microsoft's `endDate` is inclusive."""
    last = moment(value)
    if last is None:
        return None
    try:
        return last.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    except OverflowError:
        return None

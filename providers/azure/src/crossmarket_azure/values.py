"""Pure: single values out of Microsoft's JSON, whatever form they come in. Nothing here raises.

Seen on the wire: keys with trailing blanks and in another case, padded words, numbers as text, `""` for none,
seven-digit fractions of seconds, `0001-01-01` for no date, times without a zone (which are UTC).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

Object = Mapping[str, JsonValue]


def tidy(value: JsonValue) -> dict[str, JsonValue]:
    """Return an object with its keys stripped and in lower case; anything but an object is an empty one."""
    return {key.strip().lower(): item for key, item in value.items()} if isinstance(value, dict) else {}


def objects(value: JsonValue) -> list[dict[str, JsonValue]]:
    """Return the objects of a list, leaving out whatever else is in it; anything but a list is an empty one."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def text(value: JsonValue) -> str | None:
    """Return a word without padding; numbers as text; None for nothing, blanks and structures."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip() or None


def flag(value: JsonValue) -> bool | None:
    """Return a truth value, also from `"true"` and `"false"`; None for anything else."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def whole(value: JsonValue) -> int | None:
    """Return a number without fraction, also from digits as text; None for `""`, null and anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    digits = value.strip() if isinstance(value, str) else ""
    # The bound keeps the conversion of absurdly long digits from raising.
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 20 else None  # noqa: PLR2004


def moment(value: JsonValue) -> datetime | None:
    """Return a time (UTC), cut to microseconds; None for `0001-01-01` and for what is no time."""
    word = text(value)
    if word is None:
        return None
    try:
        read = datetime.fromisoformat(word)
        aware = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None if aware.year <= 1 else aware


def day_after(value: JsonValue) -> datetime | None:
    """Return the midnight (UTC) after a last valid day: Microsoft's `endDate` is inclusive."""
    last = moment(value)
    if last is None:
        return None
    try:
        return last.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    except OverflowError:
        return None

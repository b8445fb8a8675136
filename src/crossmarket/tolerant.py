"""Single values out of a marketplace's JSON, whatever form they come in. Nothing here raises.

A missing field, one of another type and one that makes no sense are all None (or empty): providers keep the
answer itself verbatim, so that nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

DEEPEST = 100
"""Levels of nesting that are kept; beyond about 255 neither pydantic nor a later reader could take it."""

CUT = "(nested too deeply)"

LONGEST_NUMBER = 19
"""Digits of the greatest 64-bit number; the bound also keeps `int()` from refusing absurdly long texts."""


def text(value: object) -> str | None:
    """Return a word without padding; numbers as text; None for nothing, blanks and structures."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return str(value).strip() or None


def flag(value: object) -> bool | None:
    """Return a truth value, also from `"true"` and `"false"` in any case; None for anything else."""
    if isinstance(value, bool):
        return value
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def whole(value: object) -> int | None:
    """Return a number without fraction, also from digits as text; None for `""`, null and anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    digits = value.strip() if isinstance(value, str) else ""
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) <= LONGEST_NUMBER else None


def moment(value: object) -> datetime | None:
    """Return a time in UTC, cut to microseconds, from ISO text or a `datetime`; without a zone it is UTC.

    `0001-01-01`, which .NET writes for "no date", is None.
    """
    try:
        parsed = datetime.fromisoformat(value.strip()) if isinstance(value, str) else value
        if not isinstance(parsed, datetime):
            return None
        aware = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None if aware.year <= 1 else aware


def epoch(value: object) -> datetime | None:
    """Return a time in UTC from seconds since 1970, as a number or as digits."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else whole(value)
    try:
        return None if number is None else datetime.fromtimestamp(number, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def verbatim(value: object, levels: int = DEEPEST) -> object:
    """Return an answer as it can be kept: what is nested deeper than that many levels is cut off."""
    if isinstance(value, Mapping):
        return {key: verbatim(item, levels - 1) for key, item in value.items()} if levels else CUT
    if isinstance(value, list | tuple):
        return [verbatim(item, levels - 1) for item in value] if levels else CUT
    return value


def mapping(value: object) -> dict[str, Any]:
    """Return an object; anything else is an empty one."""
    return dict(value) if isinstance(value, Mapping) else {}


def objects(value: object) -> list[dict[str, Any]]:
    """Return the objects of a list, leaving out whatever else is in it; anything but a list is an empty one."""
    return [dict(item) for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []

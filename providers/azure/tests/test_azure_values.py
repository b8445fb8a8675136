"""Single values out of Microsoft's JSON."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, strategies as st

from crossmarket.tolerant import flag, moment, text, whole
from crossmarket_azure.values import day_after, tidy

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (5, 5),
        ("5", 5),
        (" 20 ", 20),
        (0, 0),
        (5.0, 5),
        ("", None),
        (None, None),
        (5.5, None),
        (True, None),
        ("five", None),
        ("٣", None),
        ("9" * 5000, None),
        ({}, None),
    ],
)
def test_a_quantity_comes_in_many_forms(raw: Any, expected: int | None) -> None:
    assert whole(raw) == expected


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2022-03-04T00:00:00Z", datetime(2022, 3, 4, tzinfo=UTC)),
        ("2019-05-31", datetime(2019, 5, 31, tzinfo=UTC)),
        ("2021-09-01T12:34:56.1234567Z", datetime(2021, 9, 1, 12, 34, 56, 123456, tzinfo=UTC)),
        ("2021-09-01T12:34:56", datetime(2021, 9, 1, 12, 34, 56, tzinfo=UTC)),
        ("2021-09-01T01:00:00+02:00", datetime(2021, 8, 31, 23, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
        ("0001-01-01T00:00:00+02:00", None),
        ("soon", None),
        ("", None),
        (None, None),
        (20210901, None),
        ([], None),
    ],
)
def test_a_time_comes_in_many_forms(raw: Any, expected: datetime | None) -> None:
    assert moment(raw) == expected


def test_the_last_valid_day_ends_at_the_midnight_after_it() -> None:
    assert day_after("2022-03-04T00:00:00Z") == datetime(2022, 3, 5, tzinfo=UTC)
    assert day_after("2019-05-31") == datetime(2019, 6, 1, tzinfo=UTC)
    assert day_after("2022-03-04T15:30:00Z") == datetime(2022, 3, 5, tzinfo=UTC)
    assert day_after("9999-12-31") is None
    assert day_after("0001-01-01T00:00:00") is None


def test_keys_lose_blanks_and_case() -> None:
    assert tidy({"id  ": 1, "OfferId": 2}) == {"id": 1, "offerid": 2}
    assert tidy([1]) == {}
    assert tidy("text") == {}


def test_words_and_flags() -> None:
    assert text("  Subscribed ") == "Subscribed"
    assert text("  ") is None
    assert text({"a": 1}) is None
    assert text(7) == "7"
    assert flag("True") is True
    assert flag("no") is None
    assert flag(1) is None


@given(JSON)
def test_nothing_raises(raw: Any) -> None:
    for read in (whole, moment, day_after, text, flag, tidy):
        read(raw)

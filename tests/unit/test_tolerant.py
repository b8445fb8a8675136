from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from crossmarket import tolerant

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(ANYTHING)
def test_nothing_raises(value: object) -> None:
    for read in (tolerant.text, tolerant.flag, tolerant.whole, tolerant.moment, tolerant.epoch):
        read(value)
    assert isinstance(tolerant.objects(value), list)
    tolerant.mapping(value)


@pytest.mark.parametrize(
    ("value", "word"), [(" gold ", "gold"), ("", None), ("  ", None), (7, "7"), (True, None), ([], None), (None, None)]
)
def test_text(value: object, word: str | None) -> None:
    assert tolerant.text(value) == word


@pytest.mark.parametrize(
    ("value", "truth"), [(True, True), (False, False), ("True", True), (" false", False), ("yes", None), (1, None)]
)
def test_flag(value: object, truth: bool | None) -> None:
    assert tolerant.flag(value) is truth


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5),
        (5.0, 5),
        (5.5, None),
        (" 12 ", 12),
        ("", None),
        ("1e3", None),
        ("²", None),
        ("9" * 5000, None),
        (True, None),
    ],
)
def test_whole(value: object, number: int | None) -> None:
    assert tolerant.whole(value) == number


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2022-03-04T00:00:00Z", datetime(2022, 3, 4, tzinfo=UTC)),
        ("2022-03-04T01:02:03.1234567Z", datetime(2022, 3, 4, 1, 2, 3, 123456, tzinfo=UTC)),
        ("2022-03-04T02:00:00+02:00", datetime(2022, 3, 4, tzinfo=UTC)),
        ("2019-05-31", datetime(2019, 5, 31, tzinfo=UTC)),
        (" 2019-05-31T10:00:00 ", datetime(2019, 5, 31, 10, tzinfo=UTC)),
        (datetime(2019, 5, 31, 2, tzinfo=timezone(timedelta(hours=2))), datetime(2019, 5, 31, tzinfo=UTC)),
        ("0001-01-01T00:00:00", None),
        ("soon", None),
        (20190531, None),
    ],
)
def test_moment(value: object, at: datetime | None) -> None:
    assert tolerant.moment(value) == at


@pytest.mark.parametrize(
    ("value", "at"),
    [(0, datetime(1970, 1, 1, tzinfo=UTC)), ("60", datetime(1970, 1, 1, 0, 1, tzinfo=UTC)), (1e300, None), ("x", None)],
)
def test_epoch(value: object, at: datetime | None) -> None:
    assert tolerant.epoch(value) == at


def test_structures() -> None:
    assert tolerant.mapping({"a": 1}) == {"a": 1}
    assert tolerant.mapping([1]) == {}
    assert tolerant.objects([{"a": 1}, 2, None]) == [{"a": 1}]
    assert tolerant.objects({"a": 1}) == []

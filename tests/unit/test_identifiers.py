from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from bazaar import NOW
from hypothesis import given, strategies as st

from crossmarket.identifiers import new_id

moments = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments, st.integers(1, 10**9))
def test_later_ones_sort_after_earlier_ones(moment: datetime, milliseconds: int) -> None:
    assert new_id(moment) < new_id(moment + timedelta(milliseconds=milliseconds))


def test_an_id_is_a_uuid_of_version_7_with_its_moment_in_front() -> None:
    made = new_id(NOW)
    assert UUID(made).version == 7
    assert made == str(UUID(made))
    assert UUID(made).int >> 80 == int(NOW.timestamp() * 1000)


def test_ids_of_one_moment_differ() -> None:
    assert len({new_id(NOW) for _ in range(1000)}) == 1000

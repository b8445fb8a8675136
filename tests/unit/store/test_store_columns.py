from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st
from sqlalchemy.dialects import postgresql, sqlite

from crossmarket.store.columns import Instant, storable

SQLITE = sqlite.dialect()
POSTGRESQL = postgresql.dialect()
MOMENTS = st.datetimes(timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("key", "stored"),
    [
        ("acct_42", "acct_42"),
        ("", ""),
        ("подписка", "подписка"),
        ("a\0b", r"a\0b"),
        (r"a\0b", r"a\\0b"),
        ("\ud800", r"\ud800"),
        (r"\ud800", r"\\ud800"),
        ("v" * 400, "v" * 400),
    ],
)
def test_a_key_stays_as_it_is_unless_a_database_would_refuse_it(key, stored):
    assert storable(key) == stored


def test_a_long_key_is_cut_and_ends_in_its_digest():
    assert storable("v" * 401) == (
        "v" * 200 + "...sha256:b4785c5bb0e53fc46edf20d2ba63729118cacb8ad66920ac000ccf25a87ee3fa"
    )


@given(st.text(st.characters(codec=None), max_size=600))
def test_every_key_can_be_stored(key):
    stored = storable(key)
    assert "\0" not in stored
    assert len(stored.encode()) <= 400


@given(st.text(st.sampled_from("a\\0ud8\0\ud800"), max_size=8), st.text(st.sampled_from("a\\0ud8\0\ud800"), max_size=8))
def test_different_keys_stay_different(one, other):
    assert (storable(one) == storable(other)) == (one == other)


def test_sqlite_keeps_a_moment_as_text_in_utc():
    moment = datetime(2026, 3, 1, 15, 0, 0, 7, tzinfo=timezone(timedelta(hours=3)))
    assert Instant().process_bind_param(moment, SQLITE) == "2026-03-01T12:00:00.000007Z"


def test_postgresql_gives_a_moment_back_in_utc():
    moment = datetime(2026, 3, 1, 15, tzinfo=timezone(timedelta(hours=3)))
    back = Instant().process_result_value(moment, POSTGRESQL)
    assert (back, back.tzinfo) == (datetime(2026, 3, 1, 12, tzinfo=UTC), UTC)


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=["sqlite", "postgresql"])
def test_a_naive_moment_is_refused(dialect):
    with pytest.raises(ValueError, match="without a time zone"):
        Instant().process_bind_param(datetime(2026, 3, 1), dialect)  # noqa: DTZ001 - the wrong one


@given(MOMENTS, MOMENTS)
def test_moments_in_sqlite_sort_as_text(one, other):
    instant = Instant()
    texts = [instant.process_bind_param(moment, SQLITE) for moment in (one, other)]
    assert (texts[0] < texts[1]) == (one < other)
    assert instant.process_result_value(texts[0], SQLITE) == one

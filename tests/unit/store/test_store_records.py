import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from crossmarket.errors import StoreError
from crossmarket.models import Buyer, Subscription
from crossmarket.store import records

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2026, 3, 1, 13, tzinfo=UTC)
TEXT = st.text(st.characters(codec=None), max_size=20)
NUMBERS = st.integers(-(10**40), 10**40) | st.floats(allow_nan=False)
KEYS = st.text(max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def purchase(**changes) -> Subscription:
    facts = {
        "id": "0190-1",
        "marketplace": "azure",
        "status": "active",
        "observed_at": NOON,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Subscription.model_validate({**facts, **changes})


@given(st.dictionaries(KEYS, JSON, max_size=4), st.dictionaries(KEYS, st.booleans() | NUMBERS | TEXT, max_size=4))
def test_what_a_marketplace_says_comes_back_verbatim(state, quantities):
    stored = purchase(provider_state=state, quantities=quantities)
    back = records.from_text(Subscription, records.to_text(stored))
    assert back == stored
    assert [type(value) for value in back.quantities.values()] == [type(value) for value in quantities.values()]


def test_not_a_number_comes_back():
    back = records.from_text(Subscription, records.to_text(purchase(quantities={"seats": math.nan})))
    assert math.isnan(back.quantities["seats"])


def test_access_is_not_stored():
    text = records.to_text(purchase(access=True))
    assert '"access"' not in text
    assert records.from_text(Subscription, text).access is False


def test_fields_of_a_newer_version_are_left_out():
    text = records.to_text(purchase(buyer=Buyer(id="123456789012")))
    newer = text.replace('"id":"123456789012"', '"id":"123456789012","tier":"gold"').replace("{", '{"x":[1],', 1)
    assert records.from_text(Subscription, newer).buyer == Buyer(id="123456789012")


@pytest.mark.parametrize("text", ["", "null", "[]", '{"id":"0190-1"}', '{"id":'])
def test_what_cannot_be_understood_is_a_store_error(text):
    with pytest.raises(StoreError, match=r"stored Subscription cannot be read.*Install the version that stored it"):
        records.from_text(Subscription, text)


def test_the_last_observation_goes_over_the_stored_one():
    newest = records.subscription(records.to_text(purchase()), LATER, LATER)
    assert newest == purchase(observed_at=LATER, stale_since=LATER)

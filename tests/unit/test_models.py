from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from bazaar import NOW, alias, held
from hypothesis import given, settings, strategies as st
from pydantic import SecretStr, TypeAdapter, ValidationError

from crossmarket import models
from crossmarket.errors import ConfigurationError
from crossmarket.models import (
    Alias,
    Buyer,
    Decision,
    DecisionReason,
    Facts,
    Frozen,
    Landing,
    Lineage,
    Link,
    Moment,
    Reason,
    Status,
    Subscription,
)

BUYER = Buyer(id="tenant-1", user="hush-user", email="hush@example.com", name="hush Ltd", details={"puid": "hush"})
MODELS = [cls for cls in vars(models).values() if isinstance(cls, type) and issubclass(cls, Frozen)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_models_are_frozen_closed_and_documented(model: type[Frozen]) -> None:
    assert model.model_config["frozen"]
    assert model.model_config["extra"] == "forbid"
    assert model.model_config["hide_input_in_errors"]
    for name in model.__annotations__:
        if not name.startswith("_") and name != "model_config" and model not in {Frozen, Link}:
            assert f"{name}: " in (model.__doc__ or ""), f"{model.__name__}.{name} is not documented"


def test_a_model_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        held().account = "thief"
    with pytest.raises(ValidationError):
        Facts(status="active", acess=True)


def test_a_buyer_shows_only_its_id() -> None:
    shown = repr(BUYER) + str(BUYER) + repr(held(buyer=BUYER)) + repr(Facts(status="active", buyer=BUYER))
    assert "tenant-1" in shown
    assert "hush" not in shown


def test_the_words_of_the_marketplace_are_not_shown() -> None:
    assert "hush" not in repr(Facts(status="active", provider_state={"beneficiary": {"emailId": "hush"}}))


def test_a_landing_shows_no_token() -> None:
    landing = Landing(marketplace="azure", token=SecretStr("hush"), subscription=held(buyer=BUYER))
    assert "hush" not in repr(landing) + str(landing) + landing.model_dump_json(exclude={"subscription"})


def test_errors_show_no_input() -> None:
    with pytest.raises(ValidationError) as caught:
        Buyer(id=["hush"], email={"a": "hush"})
    assert "hush" not in str(caught.value)


def test_a_landing_of_nobody_cannot_be_sealed() -> None:
    with pytest.raises(ConfigurationError, match=r"Market\.land"):
        Landing(marketplace="azure").seal()


def test_returning() -> None:
    assert Landing(marketplace="azure", subscription=held()).returning
    assert not Landing(marketplace="azure", subscription=held(account=None)).returning
    assert not Landing(marketplace="azure").returning


def test_accounts() -> None:
    assert held(account=None).accounts == ()
    assert held(account="a").accounts == ("a",)
    assert held(account="a", shared_with=("b", "c")).accounts == ("a", "b", "c")


def test_stale() -> None:
    assert held(stale_since=NOW).stale
    assert not held().stale


@pytest.mark.parametrize("allowed", [True, False])
def test_a_decision_is_its_answer(*, allowed: bool) -> None:
    assert bool(Decision(allowed=allowed, reason=DecisionReason.PENDING, account="a", feature="f")) is allowed


moment = TypeAdapter(Moment)


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-03-01T12:00:00Z", NOW),
        ("2026-03-01T15:00:00+03:00", NOW),
        ("2026-03-01T12:00:00.1234567Z", NOW + timedelta(microseconds=123456)),
        ("9999-12-31T23:59:59-08:00", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00+03:00", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_moments_are_kept_in_utc(text: str, utc: datetime) -> None:
    assert moment.validate_python(text) == utc
    assert moment.validate_python(text).tzinfo is UTC


def test_a_moment_without_zone_is_refused() -> None:
    with pytest.raises(ValidationError):
        moment.validate_python("2026-03-01T12:00:00")
    with pytest.raises(ValidationError):
        held(ends_at=datetime(2026, 3, 1))  # noqa: DTZ001 - that is the mistake


text = st.text(st.characters(codec="utf-8"), max_size=8)
quantities = st.dictionaries(
    text, st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
)
times = st.none() | st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-8))]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=5,
)


@st.composite
def subscriptions(draw: st.DrawFn) -> Subscription:
    return held(
        status=draw(st.sampled_from([status.value for status in Status])),
        reason=draw(st.none() | st.sampled_from(list(Reason))),
        will_renew=draw(st.none() | st.booleans()),
        ends_at=draw(times),
        stale_since=draw(times),
        quantities=draw(quantities),
        marketplace_ids=draw(st.dictionaries(text, text, max_size=2)),
        aliases=tuple(draw(st.lists(st.builds(Alias, kind=text, value=text, exact=st.booleans()), max_size=2))),
        follows=draw(st.none() | st.just(Lineage(alias=alias("p0"), certainty="guessed"))),
        buyer=draw(st.none() | st.builds(Buyer, id=st.none() | text, email=st.none() | text)),
        provider_state=draw(st.dictionaries(text, json_values, max_size=2)),
        replaces=draw(st.none() | st.just(Link(subscription="s0", certainty="stated"))),
        shared_with=tuple(draw(st.lists(text, max_size=2))),
    )


def typed(value: Any) -> Any:
    return {key: (type(item), item) for key, item in value.items()}


@given(subscriptions())
@settings(max_examples=100, deadline=None)
def test_a_subscription_survives_json(subscription: Subscription) -> None:
    again = Subscription.model_validate_json(subscription.model_dump_json())
    assert again == subscription
    assert typed(again.quantities) == typed(subscription.quantities)


@pytest.mark.parametrize("value", [True, False, 0, 1, 0.0, 1.0, 1.5, "1", "true", "", 2**70])
def test_a_quantity_keeps_its_type(value: Any) -> None:
    facts = Facts.model_validate_json(Facts(status="active", quantities={"d": value}).model_dump_json())
    assert (type(facts.quantities["d"]), facts.quantities["d"]) == (type(value), value)


def test_an_answer_that_is_nested_without_end_is_kept_as_far_as_it_can_be() -> None:
    deep: Any = "bottom"
    for _ in range(5000):
        deep = {"a": [deep]}
    facts = Facts(status=Status.ACTIVE, provider_state={"odd": deep, "plain": {"b": [1, None]}})
    assert facts.provider_state["plain"] == {"b": [1, None]}
    text = facts.model_dump_json()
    assert "(nested too deeply)" in text
    assert Facts.model_validate_json(text) == facts

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from hypothesis import given, strategies as st

from crossmarket.models import Alias, Buyer, Reason, Status
from crossmarket_yandex import wire

NOW = datetime(2026, 3, 15, tzinfo=UTC)
LATER = "2026-04-01T00:00:00Z"
PAST = "2026-03-01T00:00:00Z"
KNOWN = {"resource_id": "acct_1", "lock_id": "lock1", "product_instance_id": "pin1", "product_id": "prod1"}

INSTANCE: dict[str, Any] = {
    "id": "lic1",
    "cloudId": "b1gcloud",
    "folderId": "b1gfolder",
    "templateId": "tmpl1",
    "startTime": "2026-03-01T00:00:00.123456789Z",
    "endTime": LATER,
    "state": "ACTIVE",
    "licenseTemplate": {"id": "tmpl1", "productId": "prod1", "period": "P1M"},
    "prolongation": True,
}
LOCK: dict[str, Any] = {
    "id": "lock1",
    "instanceId": "lic1",
    "resourceId": "acct_1",
    "endTime": LATER,
    "state": "LOCKED",
    "templateId": "tmpl1",
}


def read(instance: dict[str, Any] | None = None, lock: dict[str, Any] | None = LOCK, **options: Any) -> Any:
    return wire.facts_of_instance(KNOWN, INSTANCE | (instance or {}), lock, now=NOW, **options)


def test_a_linked_subscription_is_read_whole() -> None:
    facts = read()
    assert facts.status is Status.ACTIVE
    assert facts.reason is None
    assert facts.will_renew is True
    assert facts.cancels_at is None
    assert facts.starts_at == datetime(2026, 3, 1, 0, 0, 0, 123456, tzinfo=UTC)
    assert facts.ends_at == datetime(2026, 4, 1, tzinfo=UTC)
    assert facts.term == "P1M"
    assert facts.product == "prod1"
    assert facts.plan == "tmpl1"
    assert facts.quantities == {}
    assert facts.marketplace_ids == {
        "license_instance_id": "lic1",
        "lock_id": "lock1",
        "product_instance_id": "pin1",
        "product_id": "prod1",
        "template_id": "tmpl1",
        "folder_id": "b1gfolder",
        "cloud_id": "b1gcloud",
        "resource_id": "acct_1",
    }
    assert facts.aliases == (
        Alias(kind="instance", value="lic1", exact=True),
        Alias(kind="lock", value="lock1", exact=True),
        Alias(kind="product_instance", value="pin1", exact=False),
    )
    assert facts.buyer == Buyer(id="b1gcloud", details={"folder_id": "b1gfolder"})
    assert facts.provider_state == {"instance": INSTANCE, "lock": LOCK}


@pytest.mark.parametrize(
    ("instance", "lock", "status", "reason"),
    [
        ({"state": "CANCELLED", "prolongation": False}, LOCK, Status.ACTIVE, Reason.CUSTOMER_CANCELLED),
        ({"state": "PENDING"}, None, Status.PENDING, None),
        ({"state": "EXPIRED"}, LOCK, Status.ENDED, Reason.EXPIRED),
        ({"state": "DELETED"}, LOCK, Status.ENDED, Reason.UNKNOWN),
        ({"state": "HIBERNATING"}, LOCK, Status.UNKNOWN, None),
        ({"state": 99}, LOCK, Status.UNKNOWN, None),
        ({"state": "STATE_UNSPECIFIED"}, LOCK, Status.UNKNOWN, None),
        ({"state": None}, LOCK, Status.UNKNOWN, None),
        ({"state": ["ACTIVE"]}, LOCK, Status.UNKNOWN, None),
        ({"state": 2}, LOCK, Status.ACTIVE, None),
        ({"state": 3}, LOCK, Status.ACTIVE, Reason.CUSTOMER_CANCELLED),
        ({}, None, Status.SUSPENDED, Reason.UNLINKED),
        ({}, LOCK | {"state": "UNLOCKED"}, Status.SUSPENDED, Reason.UNLINKED),
        ({}, LOCK | {"state": "DELETED"}, Status.SUSPENDED, Reason.UNLINKED),
        ({}, LOCK | {"state": 1}, Status.SUSPENDED, Reason.UNLINKED),
        ({}, LOCK | {"state": 2}, Status.ACTIVE, None),
        ({}, LOCK | {"state": "FROZEN"}, Status.UNKNOWN, None),
        ({}, {"id": "lock1"}, Status.UNKNOWN, None),
        ({}, LOCK | {"resourceId": "acct_2"}, Status.SUSPENDED, Reason.UNLINKED),
        ({}, LOCK | {"instanceId": "lic2"}, Status.SUSPENDED, Reason.UNLINKED),
        ({"state": "CANCELLED"}, None, Status.SUSPENDED, Reason.UNLINKED),
        # The end of the lock may lag behind the subscription's, and the other way round.
        ({}, LOCK | {"endTime": PAST}, Status.ACTIVE, None),
        ({"endTime": PAST}, LOCK, Status.ACTIVE, None),
        ({"endTime": PAST}, LOCK | {"endTime": PAST}, Status.ENDED, Reason.EXPIRED),
        ({"endTime": PAST}, None, Status.ENDED, Reason.EXPIRED),
        ({"endTime": PAST, "state": "CANCELLED"}, LOCK | {"endTime": PAST}, Status.ENDED, Reason.EXPIRED),
        # The meaning of DEPRECATED is not documented: end and lock decide.
        ({"state": "DEPRECATED"}, LOCK, Status.ACTIVE, None),
        ({"state": "DEPRECATED"}, None, Status.SUSPENDED, Reason.UNLINKED),
        ({"state": "DEPRECATED", "endTime": PAST}, None, Status.ENDED, Reason.EXPIRED),
        ({"state": "DEPRECATED", "endTime": None}, LOCK, Status.UNKNOWN, None),
    ],
)
def test_instance_and_lock_decide(
    instance: dict[str, Any], lock: dict[str, Any] | None, status: Status, reason: Reason | None
) -> None:
    facts = read(instance, lock)
    assert (facts.status, facts.reason) == (status, reason)


def test_cancelled_is_active_until_its_end() -> None:
    facts = read({"state": "CANCELLED", "prolongation": False})
    assert facts.will_renew is False
    assert facts.cancels_at == facts.ends_at == datetime(2026, 4, 1, tzinfo=UTC)


def test_the_end_of_a_subscription_that_only_the_lock_keeps_alive_is_the_locks() -> None:
    assert read({"endTime": PAST}).ends_at == datetime(2026, 4, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("instance", "renews"),
    [({"prolongation": None}, False), ({"prolongation": "yes"}, None), ({"state": "EXPIRED"}, False)],
)
def test_a_flag_that_is_not_printed_is_false(instance: dict[str, Any], *, renews: bool | None) -> None:
    assert read(instance).will_renew is renews


def test_a_lock_that_cannot_be_seen_yet_after_the_claim_is_pending() -> None:
    assert read(lock=None, just_claimed=True).status is Status.PENDING
    assert read(lock=LOCK, just_claimed=True).status is Status.ACTIVE
    assert read({"state": "EXPIRED"}, None, just_claimed=True).status is Status.ENDED


def test_snake_case_is_read_too() -> None:
    instance: dict[str, Any] = {
        "id": "lic1",
        "state": "ACTIVE",
        "cloud_id": "b1gcloud",
        "end_time": LATER,
        "template_id": "tmpl1",
        "license_template": {"product_id": "prod1", "period": 30},
    }
    lock = {"id": "lock2", "state": "LOCKED", "resource_id": "acct_1", "instance_id": "lic1"}
    facts = wire.facts_of_instance({"resource_id": "acct_1"}, instance, lock, now=NOW)
    assert facts.status is Status.ACTIVE
    assert facts.marketplace_ids["lock_id"] == "lock2"
    assert (facts.product, facts.plan, facts.term) == ("prod1", "tmpl1", "30")


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("ACTIVATED", Status.ACTIVE),
        (1, Status.ACTIVE),
        ("PENDING_ACTIVATION", Status.PENDING),
        ("DEACTIVATED", Status.ENDED),
        ("DELETED", Status.ENDED),
        ("DEPRECATED", Status.UNKNOWN),
        ("NEW_WORD", Status.UNKNOWN),
        (None, Status.UNKNOWN),
    ],
)
def test_a_product_without_a_subscription(state: object, status: Status) -> None:
    known = {"product_instance_id": "pin1", "product_id": "prod1", "resource_id": "acct_1"}
    facts = wire.facts_of_product_instance(known, {"id": "pin1", "state": state})  # type: ignore[dict-item]
    assert facts.status is status
    assert facts.ends_at is None
    assert facts.plan is None
    assert facts.product == "prod1"
    assert facts.aliases == (Alias(kind="product_instance", value="pin1", exact=True),)


@pytest.mark.parametrize(
    ("raw", "moment"),
    [
        ("2026-03-01T12:00:00Z", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00.5Z", datetime(2026, 3, 1, 12, 0, 0, 500000, tzinfo=UTC)),
        ("2026-03-01T12:00:00.123456789Z", datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)),
        ("2026-03-01T15:00:00+03:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("2026-03-01T12:00:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("9999-12-31T23:59:59-23:00", None),
        ("0001-01-01T00:00:00+23:00", None),
        ("soon", None),
        ("", None),
        (None, None),
        (12.5, None),
        ({}, None),
    ],
)
def test_moments(raw: Any, moment: datetime | None) -> None:
    assert wire.moment({"endTime": raw}, "end_time") == moment


def test_hints_are_read_without_a_key() -> None:
    claims = {
        "license_instance_id": "lic1",
        "license_template_id": "tmpl1",
        "product_instance_id": "pin1",
        "exp": 1772366400.9,
        "sub": "somebody",
    }
    token = jwt.encode(claims, "k" * 32)
    assert wire.hints(token) == {
        "license_instance_id": "lic1",
        "license_template_id": "tmpl1",
        "product_instance_id": "pin1",
        "exp": "1772366400",
    }
    assert wire.expiry(wire.hints(token)) == datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("exp", ["tomorrow", True, 10**30, -5, None, [1]])
def test_an_expiry_that_makes_no_sense_is_none(exp: object) -> None:
    assert wire.expiry(wire.hints(jwt.encode({"x": 1, "exp": exp} if exp is not None else {}, "k" * 32))) is None


def test_hints_that_no_id_can_be_are_left_out() -> None:
    token = jwt.encode({"license_instance_id": "x" * 51, "product_instance_id": {"a": 1}}, "k" * 32)
    assert wire.hints(token) == {}


@given(st.text(max_size=1000))
def test_no_token_makes_the_hints_fail(token: str) -> None:
    assert isinstance(wire.hints(token), dict)


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ({"id": "op1"}, "pending"),
        ({"id": "op1", "done": False, "metadata": {"lockId": "lock1"}}, "pending"),
        ({"id": "op1", "done": True}, "succeeded"),
        ({"id": "op1", "done": True, "response": {}}, "succeeded"),
        ({"id": "op1", "done": True, "error": {"code": 9, "message": "locked"}}, "failed"),
        ({"id": "op1", "done": False, "error": {"code": 13, "message": "rolling back"}}, "failed"),
        ({"id": "op1", "done": "true"}, "pending"),
    ],
)
def test_done_is_success_only_without_an_error(message: dict[str, Any], status: str) -> None:
    operation = wire.operation(message)
    assert operation.status == status
    assert operation.id == "op1"
    assert operation.provider_state == message


@pytest.mark.parametrize("extra", [{}, {"@type": "type.googleapis.com/x.ClaimProductInstanceMetadata"}])
def test_the_ids_of_a_claim_stand_in_its_metadata(extra: dict[str, str]) -> None:
    metadata: dict[str, Any] = {
        "productId": "prod1",
        "product_instance_id": "pin1",
        "licenseInstanceId": "lic1",
        "lockId": "",
        **extra,
    }
    # The response has an `id` too: that of the product instance, not of the lock.
    assert wire.claimed_ids({"metadata": metadata, "response": {"id": "pin1", **extra}}) == {
        "product_id": "prod1",
        "product_instance_id": "pin1",
        "license_instance_id": "lic1",
    }


def test_the_subscription_of_an_ensured_lock_stands_in_the_response() -> None:
    message: dict[str, Any] = {"metadata": {"lockId": "lock1"}, "response": LOCK}
    assert wire.claimed_ids(message) == {"lock_id": "lock1", "license_instance_id": "lic1"}


def test_a_lock_of_somebody_else_is_seen() -> None:
    other = LOCK | {"resourceId": "acct_2"}
    assert wire.held_elsewhere({"locks": [LOCK, other]}, "acct_1")
    assert not wire.held_elsewhere({"locks": [LOCK]}, "acct_1")
    assert not wire.held_elsewhere({"locks": [other | {"state": "UNLOCKED"}]}, "acct_1")
    assert not wire.held_elsewhere({"locks": "odd"}, "acct_1")
    assert not wire.held_elsewhere({}, "acct_1")


def test_the_buyer_is_named_for_russian_legal_persons() -> None:
    told = wire.buyer({"name": "OOO Romashka", "inn": "7700000000", "kpp": "770001001"}, "b1gcloud")
    assert told == Buyer(id="b1gcloud", name="OOO Romashka", details={"inn": "7700000000", "kpp": "770001001"})
    assert wire.buyer({}, None) == Buyer()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
dates = ["startTime", "endTime", "end_time"]
ids = ["id", "cloudId", "folderId", "templateId", "instanceId", "resourceId"]
parts = ["state", "licenseTemplate", "prolongation", "locks", "done", "error", "metadata", "response"]
names = st.sampled_from([*dates, *ids, *parts])
messages = st.dictionaries(names, json_values, max_size=10)


@given(messages, st.none() | messages)
def test_no_answer_makes_reading_fail(instance: dict[str, Any], lock: dict[str, Any] | None) -> None:
    facts = wire.facts_of_instance({}, instance, lock, now=NOW)
    assert facts.status in Status
    wire.facts_of_product_instance({}, instance)
    wire.claimed_ids(instance)
    wire.operation(instance)
    wire.held_elsewhere(instance, "acct_1")

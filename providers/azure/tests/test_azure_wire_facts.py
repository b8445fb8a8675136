"""Subscription objects of both generations, turned into facts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from crossmarket.models import Alias, Facts, Reason, Status
from crossmarket_azure.wire import (
    continuation_token,
    parse_facts,
    parse_next_link,
    parse_plans,
    parse_private_offer,
    parse_resolved,
    parse_subscriptions,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)

NAMES = st.sampled_from(
    [
        "id", "offerId", "planId", "quantity", "saasSubscriptionStatus", "beneficiary", "purchaser", "term",
        "autoRenew", "isFreeTrial", "isTest", "sandboxType", "sessionMode", "subscription", "subscriptions", "plans",
    ]
)  # fmt: skip


def wire(**changed: Any) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": "37f9dea2-4345-438f-b0bd-03d40d28c7e0",
        "name": "Contoso Cloud Solution",
        "publisherId": "contoso",
        "offerId": "offer1",
        "planId": "gold",
        "quantity": 10,
        "beneficiary": {
            "emailId": "user@customer.example",
            "objectId": "73c3ca8a-1f2d-4c0e-8b9a-111111111111",
            "tenantId": "82ca5bc3-1f2d-4c0e-8b9a-222222222222",
            "puid": "1003",
        },
        "purchaser": {
            "emailId": "payer@partner.example",
            "objectId": "99c3ca8a-1f2d-4c0e-8b9a-333333333333",
            "tenantId": "77ca5bc3-1f2d-4c0e-8b9a-444444444444",
        },
        "term": {
            "startDate": "2026-02-10T00:00:00Z",
            "endDate": "2026-03-09T00:00:00Z",
            "termUnit": "P1M",
            "chargeDuration": None,
        },
        "autoRenew": True,
        "isTest": False,
        "isFreeTrial": False,
        "allowedCustomerOperations": ["Read"],
        "sandboxType": "None",
        "sessionMode": "None",
        "saasSubscriptionStatus": "Subscribed",
        "created": "2026-02-10T08:15:30.1234567Z",
        "lastModified": "0001-01-01T00:00:00",
    }
    return told | changed


def known(**changed: Any) -> Facts:
    return parse_facts(wire(), now=NOW).model_copy(update=changed)


def test_a_full_object() -> None:
    facts = parse_facts(wire(), now=NOW)
    assert facts.status is Status.ACTIVE
    assert facts.reason is None
    assert facts.will_renew is True
    assert facts.cancels_at is None
    assert facts.starts_at == datetime(2026, 2, 10, tzinfo=UTC)
    assert facts.ends_at == datetime(2026, 3, 10, tzinfo=UTC)
    assert facts.term == "P1M"
    assert facts.product == "offer1"
    assert facts.plan == "gold"
    assert facts.quantities == {"quantity": 10}
    assert facts.trial is False
    assert facts.sandbox is False
    assert facts.aliases == (Alias(kind="subscription", value="37f9dea2-4345-438f-b0bd-03d40d28c7e0", exact=True),)
    assert facts.marketplace_ids == {
        "subscription": "37f9dea2-4345-438f-b0bd-03d40d28c7e0",
        "tenant": "82ca5bc3-1f2d-4c0e-8b9a-222222222222",
    }
    assert facts.buyer is not None
    assert facts.buyer.id == "82ca5bc3-1f2d-4c0e-8b9a-222222222222"
    assert facts.buyer.user == "73c3ca8a-1f2d-4c0e-8b9a-111111111111"
    assert facts.buyer.email == "user@customer.example"
    assert facts.buyer.details == {
        "beneficiary.puid": "1003",
        "purchaser.tenantId": "77ca5bc3-1f2d-4c0e-8b9a-444444444444",
        "purchaser.objectId": "99c3ca8a-1f2d-4c0e-8b9a-333333333333",
        "purchaser.emailId": "payer@partner.example",
    }
    assert facts.provider_state == wire()


@pytest.mark.parametrize(
    ("word", "status", "reason"),
    [
        ("PendingFulfillmentStart", Status.PENDING, None),
        ("NotStarted", Status.PENDING, None),
        ("Pending", Status.PENDING, None),
        ("Subscribed", Status.ACTIVE, None),
        ("  Subscribed  ", Status.ACTIVE, None),
        ("Suspended", Status.SUSPENDED, Reason.PAYMENT_FAILED),
        ("Deactivated", Status.SUSPENDED, Reason.PAYMENT_FAILED),
        ("Unsubscribed", Status.ENDED, None),
        ("Hibernated", Status.UNKNOWN, None),
        ("", Status.UNKNOWN, None),
        (None, Status.UNKNOWN, None),
        (3, Status.UNKNOWN, None),
    ],
)
def test_status_words(word: Any, status: Status, reason: Reason | None) -> None:
    facts = parse_facts(wire(saasSubscriptionStatus=word), now=NOW)
    assert (facts.status, facts.reason) == (status, reason)


def test_renewal_switched_off_ends_with_the_term() -> None:
    facts = parse_facts(wire(autoRenew=False), now=NOW)
    assert facts.status is Status.ACTIVE
    assert facts.will_renew is False
    assert facts.cancels_at == facts.ends_at == datetime(2026, 3, 10, tzinfo=UTC)


def test_a_running_subscription_does_not_start_in_the_future() -> None:
    term = {"startDate": "2026-03-02T00:00:00Z", "endDate": "2026-04-01T00:00:00Z", "termUnit": "P1M"}
    assert parse_facts(wire(term=term), now=NOW).starts_at is None
    pending = parse_facts(wire(term=term, saasSubscriptionStatus="PendingFulfillmentStart"), now=NOW)
    assert pending.starts_at == datetime(2026, 3, 2, tzinfo=UTC)


def test_an_object_without_renewal_says_nothing_about_it() -> None:
    told = wire()
    del told["autoRenew"]
    facts = parse_facts(told, now=NOW)
    assert facts.will_renew is None
    assert facts.cancels_at is None


@pytest.mark.parametrize("term", [{"termUnit": "PAY"}, {"termUnit": "P18M", "startDate": None, "endDate": ""}])
def test_an_open_term_without_dates(term: dict[str, Any]) -> None:
    facts = parse_facts(wire(term=term), now=NOW)
    assert facts.term == term["termUnit"]
    assert facts.starts_at is None
    assert facts.ends_at is None


@pytest.mark.parametrize("quantity", ["", None])
def test_no_quantity(quantity: Any) -> None:
    assert parse_facts(wire(quantity=quantity), now=NOW).quantities == {}


def test_a_quantity_of_nought_is_one() -> None:
    assert parse_facts(wire(quantity=0), now=NOW).quantities == {"quantity": 0}


def test_a_trial() -> None:
    assert parse_facts(wire(isFreeTrial=True), now=NOW).trial is True


@pytest.mark.parametrize(
    "mark",
    [{"isTest": True}, {"sessionMode": "DryRun"}, {"sandboxType": "Csp"}, {"offerId": "offer1-preview"}],
)
def test_test_purchases(mark: dict[str, Any]) -> None:
    assert parse_facts(wire(**mark), now=NOW).sandbox is True


def test_people_may_be_missing() -> None:
    facts = parse_facts(wire(beneficiary=None, purchaser=None), now=NOW)
    assert facts.buyer is None
    assert facts.marketplace_ids == {"subscription": "37f9dea2-4345-438f-b0bd-03d40d28c7e0"}


def test_what_the_api_leaves_out_is_carried_on() -> None:
    before = known(offer="private-offer-1", marketplace_ids={"subscription": "old", "tenant": "t1", "other": "x"})
    told = {"id": "37f9dea2-4345-438f-b0bd-03d40d28c7e0", "saasSubscriptionStatus": "Subscribed", "planId": "gold"}
    facts = parse_facts(told, now=NOW, known=before)
    assert facts.offer == "private-offer-1"
    assert facts.buyer == before.buyer
    assert facts.marketplace_ids == {
        "subscription": "37f9dea2-4345-438f-b0bd-03d40d28c7e0",
        "tenant": "t1",
        "other": "x",
    }


def test_grace_is_known_only_where_its_beginning_is() -> None:
    since = datetime(2026, 2, 20, tzinfo=UTC)
    suspended = wire(saasSubscriptionStatus="Suspended")
    assert parse_facts(suspended, now=NOW).grace_until is None
    assert parse_facts(suspended, now=NOW, known=known(status=Status.SUSPENDED)).grace_until is None
    seen = parse_facts(suspended, now=NOW, known=known(status=Status.ACTIVE))
    assert (seen.billing_issue_since, seen.grace_until) == (NOW, NOW + timedelta(days=30))
    assert parse_facts(suspended, now=NOW + timedelta(days=3), known=seen).billing_issue_since == NOW
    facts = parse_facts(suspended, now=NOW, known=known(billing_issue_since=since))
    assert facts.billing_issue_since == since
    assert facts.grace_until == datetime(2026, 3, 22, tzinfo=UTC)
    assert parse_facts(wire(), now=NOW, known=known(billing_issue_since=since)).billing_issue_since is None


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        ({}, NOW, None),
        ({}, NOW + timedelta(days=9), Reason.EXPIRED),
        ({"status": Status.SUSPENDED}, NOW, Reason.PAYMENT_FAILED),
        (
            {"status": Status.SUSPENDED, "grace_until": datetime(2026, 2, 28, tzinfo=UTC)},
            NOW,
            Reason.MARKETPLACE_CANCELLED,
        ),
        ({"status": Status.ENDED, "reason": Reason.SELLER_CANCELLED}, NOW, Reason.SELLER_CANCELLED),
    ],
)
def test_why_it_has_ended(before: dict[str, Any], now: datetime, reason: Reason | None) -> None:
    facts = parse_facts(wire(saasSubscriptionStatus="Unsubscribed"), now=now, known=known(**before))
    assert facts.status is Status.ENDED
    assert facts.reason == reason
    assert facts.will_renew is False
    assert facts.cancels_at is None


def test_the_first_generation() -> None:
    told = {
        "id": "37f9dea2-4345-438f-b0bd-03d40d28c7e0",
        "saasSubscriptionName": "Contoso",
        "OfferId": "offer1",
        "planId": "silver",
        "saasSubscriptionStatus": "Pending",
        "created": "2016-05-01T00:00:00Z",
        "lastModified": "2016-05-01T00:00:00Z",
    }
    facts = parse_facts(told, now=NOW)
    assert (facts.status, facts.product, facts.plan) == (Status.PENDING, "offer1", "silver")
    assert facts.will_renew is None


def test_people_are_not_shown() -> None:
    shown = repr(parse_facts(wire(), now=NOW))
    for personal in ("user@customer.example", "payer@partner.example", "73c3ca8a", "99c3ca8a", "1003"):
        assert personal not in shown


def test_a_resolved_token_with_a_nested_subscription() -> None:
    answer = {
        "id": "37f9dea2-4345-438f-b0bd-03d40d28c7e0",
        "subscriptionName": "Contoso",
        "offerId": "offer1",
        "planId": "gold",
        "quantity": "20",
        "subscription": wire(quantity="", saasSubscriptionStatus="PendingFulfillmentStart"),
    }
    facts = parse_resolved(answer, now=NOW)
    assert facts.status is Status.PENDING
    assert facts.quantities == {"quantity": 20}
    assert facts.buyer is not None


def test_a_resolved_token_of_the_first_generation() -> None:
    facts = parse_resolved({"id": "x1", "subscriptionName": "n", "OfferId": "o", "planId": "p"}, now=NOW)
    assert (facts.status, facts.product, facts.plan) == (Status.UNKNOWN, "o", "p")
    assert facts.marketplace_ids == {"subscription": "x1"}


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({"subscriptions": [{"id": "a"}, {"id": "b"}]}, 2),
        ({"subscriptions": []}, 0),
        ({"subscriptions": None}, 0),
        ({}, 0),
        (None, 0),
        ([], 0),
        ([{"id": "a"}, "odd"], 1),
        ({"id": "a", "planId": "p"}, 1),
    ],
)
def test_the_forms_of_a_list(body: Any, count: int) -> None:
    assert len(parse_subscriptions(body)) == count


@pytest.mark.parametrize(
    ("link", "token"),
    [
        (
            "https://host/?continuationToken=%5b%7b%22token%22%3anull%2c%22range%22%3a%7b%22min%22%3a%2205C1%22%7d%7d%5d&api-version=x",
            '[{"token":null,"range":{"min":"05C1"}}]',
        ),
        ("https:// https://host/x?api-version=2018-08-31&continuationToken=a%2Bb%253D", "a+b%3D"),
        ("?CONTINUATIONTOKEN=a+b", "a+b"),
        ("https://host/x?continuationToken=", None),
        ("https://host/x", None),
        ("", None),
    ],
)
def test_the_continuation_token_is_decoded_once(link: str, token: str | None) -> None:
    assert continuation_token(link) == token


def test_the_last_page_has_no_link() -> None:
    assert parse_next_link({"subscriptions": []}) is None
    assert parse_next_link({"@nextLink": ""}) is None
    assert parse_next_link({"@nextLink ": "https://x"}) == "https://x"
    assert parse_next_link([]) is None


def test_plans() -> None:
    answer = {
        "plans": [
            {"planId": "gold", "displayName": "Gold", "isPrivate": True, "minQuantity": 1, "maxQuantity": "50"},
            {"planId": "flat", "sourceOffers": [{}, {"externalId": "po-1"}]},
            {"displayName": "without an id"},
        ]
    }
    gold, flat = parse_plans(answer)
    assert (gold.id, gold.name, gold.private, gold.minimum, gold.maximum) == ("gold", "Gold", True, 1, 50)
    assert (flat.id, flat.name, flat.private, flat.minimum, flat.maximum) == ("flat", None, False, None, None)
    assert parse_private_offer(answer) == "po-1"
    assert parse_plans([]) == parse_plans(None) == []


@given(st.dictionaries(NAMES | st.text(), JSON))
def test_nothing_raises(raw: dict[str, Any]) -> None:
    facts = parse_facts(raw, now=NOW)
    assert facts.provider_state == raw
    parse_resolved(raw, now=NOW)
    parse_subscriptions(raw)
    parse_plans(raw)
    parse_private_offer(raw)


def test_offer_and_plan_that_the_api_leaves_out_are_carried_on() -> None:
    told = {"id": "37f9dea2-4345-438f-b0bd-03d40d28c7e0", "saasSubscriptionStatus": "Subscribed"}
    facts = parse_facts(told, now=NOW, known=known(product="offer1", plan="gold"))
    assert (facts.product, facts.plan, facts.quantities) == ("offer1", "gold", {})

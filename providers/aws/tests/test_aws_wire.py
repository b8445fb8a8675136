"""Reading the objects of AWS: literals, and whatever else may come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st

from crossmarket.models import Facts, Status
from crossmarket_aws.facts import Identity, build
from crossmarket_aws.wire import (
    agreement_of,
    cancellation_of,
    customer_of,
    entitlement_of,
    license_id,
    moment,
    sells_contract,
)

ARN = "arn:aws:license-manager::123456789012:license:l-0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_resolve_customer() -> None:
    customer = customer_of(
        {
            "CustomerIdentifier": " ifAPi5AcF3",  # AWS's own samples have the blank
            "ProductCode": "4w1vgsrkqdkypbz43g7qkk4uz",
            "CustomerAWSAccountId": "123456789012",
            "LicenseArn": ARN,
            "Metadata": {"AgreementId": "agmt-1"},
            "Later": {"unknown": True},
        }
    )
    assert (customer.customer, customer.account) == ("ifAPi5AcF3", "123456789012")
    assert (customer.license_arn, customer.agreement) == (ARN, "agmt-1")
    assert customer.product == "4w1vgsrkqdkypbz43g7qkk4uz"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"IntegerValue": 0}, 0),
        ({"BooleanValue": False}, False),
        ({"DoubleValue": 1.5}, 1.5),
        ({"StringValue": ""}, ""),
        ({"IntegerValue": None, "StringValue": "Enabled"}, "Enabled"),
        ({}, None),
        ({"FractionValue": "1/2"}, None),
        ("ten", None),
        (None, None),
    ],
)
def test_entitlement_values_go_by_presence(value: object, expected: object) -> None:
    held = entitlement_of({"Dimension": "seats", "Value": value}).value
    assert held == expected
    assert type(held) is type(expected)


def test_an_entitlement_keeps_its_words() -> None:
    entry = {"Dimension": "seats", "Value": {"IntegerValue": 3}, "ExpirationDate": 1803902400.25, "New": [1, None]}
    read = entitlement_of(entry)
    assert read.expires_at == datetime(2027, 3, 1, 12, 0, 0, 250000, tzinfo=UTC)
    assert read.raw == entry


def test_both_spellings_of_an_agreement_are_one() -> None:
    common = {
        "agreementId": "agmt-2",
        "initialAgreementId": "agmt-1",
        "acceptor": {"accountId": "123456789012"},
        "startTime": 1772366400,
        "endTime": 1803902400,
        "proposalSummary": {"resources": [{"id": "prod-1", "type": "SaaSProduct"}], "offerId": "offer-1"},
        "status": "ACTIVE",
        "somethingNew": "kept",
    }
    behaviour = {"type": "EXPIRE", "reasonCode": "ACCEPTOR_RENEW_OPTED_OUT"}
    described = agreement_of(
        common
        | {"endTimeBehavior": behaviour, "freeTrialSummary": {"trialEndTime": 1774958400}}
        | {"estimatedCharges": {"currencyCode": "USD", "agreementValue": "12"}}
    )
    summary = agreement_of(
        common
        | {"endTimeBehaviorType": "EXPIRE", "endTimeBehaviorReasonCode": "ACCEPTOR_RENEW_OPTED_OUT"}
        | {"freeTrialEndTime": 1774958400, "lastUpdateTime": 1772366401, "entitlements": [{"licenseArn": ARN}]}
    )
    assert summary.licenses == (ARN,)
    assert described.raw == summary.raw
    assert described.raw["somethingNew"] == "kept"
    assert described.behaviour == summary.behaviour == "EXPIRE"
    assert described.trial_ends_at == summary.trial_ends_at == datetime(2026, 3, 31, 12, tzinfo=UTC)
    assert (described.id, described.initial, described.account) == ("agmt-2", "agmt-1", "123456789012")
    assert (described.starts_at, described.ends_at) == (NOW, datetime(2027, 3, 1, 12, tzinfo=UTC))
    assert (described.products, described.offer, described.saas) == (("prod-1",), "offer-1", True)


def test_the_year_9999_means_no_end() -> None:
    assert agreement_of({"endTime": 253370764800}).ends_at is None
    assert agreement_of({"endTime": 99999999999999}).ends_at is None
    assert agreement_of({}).ends_at is None


def test_agreements_of_other_kinds_of_product_are_told_apart() -> None:
    assert not agreement_of({"proposalSummary": {"resources": [{"id": "p", "type": "AmiProduct"}]}}).saas
    assert agreement_of({"proposalSummary": {"resources": [{"id": "p"}]}}).saas


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ARN, "l-0123456789abcdef0123456789abcdef"),
        ("aws:license-manager:us-east-1:123456789012:license:l-abc123", "l-abc123"),
        ("arn:aws:license-manager::123456789012:license/l-abc123", "l-abc123"),
        ("l-abc123", "l-abc123"),
        ("something else", "something else"),
        ("", None),
        (None, None),
    ],
)
def test_licences_are_compared_by_their_own_id(text: str | None, expected: str | None) -> None:
    assert license_id(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1772366400, NOW),
        (1772366400.0, NOW),
        ("2026-03-01T12:00:00Z", NOW),
        ("2026-03-01T13:00:00+01:00", NOW),
        (datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2))), NOW),
        (datetime(2026, 3, 1, 12), NOW),  # noqa: DTZ001 - botocore takes naive times for UTC, and so do we
        (True, None),
        ("tomorrow", None),
        (float("nan"), None),
        (-1e300, None),
        ([], None),
    ],
)
def test_times(value: object, expected: datetime | None) -> None:
    assert moment(value) == expected


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("PENDING_APPROVAL", "pending"),
        ("APPROVED", "succeeded"),
        ("REJECTED", "failed"),
        ("CANCELLED", "failed"),
        ("VALIDATION_FAILED", "failed"),
        ("ESCALATED", "pending"),
        (None, "pending"),
    ],
)
def test_cancellation_requests(word: str | None, status: str) -> None:
    operation = cancellation_of({"agreementCancellationRequestId": "acr-1", "status": word}, "agmt-1")
    assert (operation.id, operation.action, operation.status) == ("acr-1", "cancel", status)


def test_terms_tell_contracts_from_pay_as_you_go() -> None:
    assert sells_contract([{"legalTerm": {}}, {"configurableUpfrontPricingTerm": {}}]) is True
    assert sells_contract([{"fixedUpfrontPricingTerm": {}}, {"usageBasedPricingTerm": {}}]) is True
    assert sells_contract([{"usageBasedPricingTerm": {}}]) is False
    assert sells_contract([{"legalTerm": {}}, {"SDK_UNKNOWN_MEMBER": {"name": "x"}}]) is None
    assert sells_contract([]) is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
AGREEMENT = (
    "agreementId", "initialAgreementId", "acceptor", "startTime", "endTime", "status", "endTimeBehavior",
    "endTimeBehaviorType", "freeTrialSummary", "freeTrialEndTime", "proposalSummary", "entitlements",
)  # fmt: skip
ENTITLEMENT = (
    "ProductCode", "Dimension", "CustomerIdentifier", "CustomerAWSAccountId", "Value", "ExpirationDate", "LicenseArn"
)  # fmt: skip


@given(
    customer=st.dictionaries(st.sampled_from(("ProductCode", "LicenseArn", "Metadata")), anything),
    agreement=st.dictionaries(st.sampled_from(AGREEMENT), anything),
    entries=st.lists(st.dictionaries(st.sampled_from(ENTITLEMENT), anything), max_size=3),
)
def test_nothing_that_aws_could_say_raises(
    customer: dict[str, object], agreement: dict[str, object], entries: list[dict[str, object]]
) -> None:
    facts = build(
        Identity.of_customer(customer_of(customer)),
        [entitlement_of(entry) for entry in entries],
        agreement_of(agreement),
        known=None,
        contract=None,
        now=NOW,
    )
    # What was read can be stored and read again.
    assert Facts.model_validate_json(facts.model_dump_json()).status is facts.status
    assert facts.status in Status

"""The objects that the emulated services answer with. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crossmarket.models import Quantity
from crossmarket_aws.emulator_state import SELLER_ACCOUNT, AgreementState, Purchase

Json = dict[str, Any]


def license_arn(agreement: AgreementState) -> str:
    """Return the licence of an agreement, in the form that real traffic shows."""
    return f"arn:aws:license-manager::{SELLER_ACCOUNT}:license:{agreement.license}"


def product_id(code: str) -> str:
    """Return the product id of a product code; agreements tell only the id."""
    return f"prod-{code[-12:]}"


def entitlements_of(purchase: Purchase) -> Iterable[Json]:
    """Yield what GetEntitlements tells of a purchase."""
    agreement = purchase.current
    for dimension, value in agreement.dimensions.items():
        entry: Json = {
            "ProductCode": purchase.product,
            "Dimension": dimension,
            "CustomerIdentifier": purchase.customer,
            "CustomerAWSAccountId": purchase.account,
            "Value": {_member(value): value},
        }
        if agreement.ends_at:
            entry["ExpirationDate"] = agreement.ends_at.timestamp()
        if purchase.generation == "concurrent":
            entry["LicenseArn"] = license_arn(agreement)
        yield entry


def _member(value: Quantity) -> str:
    match value:
        case bool():
            return "BooleanValue"
        case int():
            return "IntegerValue"
        case float():
            return "DoubleValue"
        case _:
            return "StringValue"


def matches(entry: Json, filters: Mapping[str, Sequence[str]]) -> bool:
    """Return whether an entitlement passes the filters: keys are and-ed, values of one key or-ed."""
    names = {
        "CUSTOMER_IDENTIFIER": "CustomerIdentifier",
        "CUSTOMER_AWS_ACCOUNT_ID": "CustomerAWSAccountId",
        "DIMENSION": "Dimension",
        "LICENSE_ARN": "LicenseArn",
    }
    return all(entry.get(names[key]) in values for key, values in filters.items())


def common_members(purchase: Purchase, agreement: AgreementState) -> Json:
    """Return the members that DescribeAgreement and SearchAgreements have in common."""
    answer: Json = {
        "agreementId": agreement.id,
        "acceptor": {"accountId": purchase.account},
        "proposer": {"accountId": SELLER_ACCOUNT},
        "acceptanceTime": agreement.starts_at.timestamp(),
        "startTime": agreement.starts_at.timestamp(),
        "agreementType": "PurchaseAgreement",
        "proposalSummary": {
            "resources": [{"id": product_id(purchase.product), "type": "SaaSProduct"}],
            "offerId": agreement.offer,
        },
        "status": agreement.status,
    }
    return answer | ({"endTime": agreement.ends_at.timestamp()} if agreement.ends_at else {})


def end_behaviour(agreement: AgreementState) -> Json | None:
    """Return what happens at the end; AWS tells it only of active agreements that have one."""
    if agreement.status != "ACTIVE" or agreement.ends_at is None:
        return None
    if agreement.auto_renew:
        return {"type": "RENEW"}
    return {"type": "EXPIRE", "reasonCode": agreement.opted_out}


def terms_of(purchase: Purchase, agreement: AgreementState) -> list[Json]:
    """Return the accepted terms, as far as prices and renewal go."""
    card = [{"dimensionKey": name, "price": "1.00"} for name in agreement.dimensions or {"requests": 1}]
    terms: list[Json] = [
        {
            "usageBasedPricingTerm": {
                "type": "UsageBasedPricingTerm",
                "currencyCode": "USD",
                "rateCards": [{"rateCard": card}],
            }
        }
    ]
    if purchase.model == "contract":
        bought = [
            {"dimensionKey": name, "dimensionValue": value if type(value) is int else 1}
            for name, value in agreement.dimensions.items()
        ]
        terms = [
            {
                "configurableUpfrontPricingTerm": {
                    "type": "ConfigurableUpfrontPricingTerm",
                    "currencyCode": "USD",
                    "rateCards": [
                        {"selector": {"type": "Duration", "value": "P12M"}, "rateCard": card},
                    ],
                    "configuration": {"selectorValue": "P12M", "dimensions": bought},
                }
            },
            {
                "renewalTerm": {
                    "type": "RenewalTerm",
                    "configuration": {"enableAutoRenew": agreement.auto_renew},
                }
            },
        ]
    return terms

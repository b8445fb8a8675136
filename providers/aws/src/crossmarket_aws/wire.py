"""The objects of AWS Marketplace, read tolerantly. Pure: JSON in, frozen values out, nothing raised.

Every member is optional, in both spellings of its value: as the wire has it (times as epoch seconds) and as
botocore parses it (times as `datetime`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import JsonValue

from crossmarket import tolerant
from crossmarket.models import Operation, Quantity
from crossmarket.tolerant import mapping, objects, text

NEVER = datetime(9000, 1, 1, tzinfo=UTC)
"""AWS writes the year 9999 where an agreement has no end; whatever lies after this means the same."""

_LICENSE = re.compile(r"(?:^|[:/])(l-[0-9A-Za-z]+)$")
_VALUE_MEMBERS = ("IntegerValue", "DoubleValue", "BooleanValue", "StringValue")
_ONE_SIDED = frozenset({"estimatedCharges", "lastUpdateTime", "entitlements", "includesContactOfType"})
_CONTRACT_TERMS = {"configurableUpfrontPricingTerm", "fixedUpfrontPricingTerm"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Customer:
    """What ResolveCustomer tells."""

    product: str | None = None
    account: str | None = None
    customer: str | None = None
    license_arn: str | None = None
    agreement: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entitlement:
    """One dimension that a customer has; `value` is None where AWS gave none."""

    product: str | None = None
    dimension: str | None = None
    value: Quantity | None = None
    account: str | None = None
    customer: str | None = None
    license_arn: str | None = None
    expires_at: datetime | None = None
    raw: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Agreement:
    """One agreement, from DescribeAgreement or SearchAgreements.

    Attributes:
        id: Its own id.
        initial: The first agreement of its chain; its own id where there is no predecessor.
        status: AWS's word, in capitals; empty where there is none.
        account: The buyer's AWS account.
        offer: The offer accepted.
        products: The ids (not codes) of the products sold.
        saas: Whether one of them is SaaS, or their types are not told.
        starts_at: When it begins (UTC).
        ends_at: When it ends (UTC); None for pay-as-you-go, which has no end.
        behaviour: What happens at the end: RENEW, REPLACE, EXPIRE, another word, or None.
        trial_ends_at: When the free trial ends (UTC); None where there is no trial.
        licenses: The licence ARNs, which only SearchAgreements tells.
        raw: The object, in the spelling of DescribeAgreement, so that both calls give the same; members that only
            one of them has are left out, unknown ones kept.
    """

    id: str | None = None
    initial: str | None = None
    status: str = ""
    account: str | None = None
    offer: str | None = None
    products: tuple[str, ...] = ()
    saas: bool = True
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    behaviour: str | None = None
    trial_ends_at: datetime | None = None
    licenses: tuple[str, ...] = ()
    raw: Mapping[str, JsonValue] = field(default_factory=dict)


def customer_of(answer: Mapping[str, Any]) -> Customer:
    """Read the answer of ResolveCustomer."""
    return Customer(
        product=text(answer.get("ProductCode")),
        account=text(answer.get("CustomerAWSAccountId")),
        customer=text(answer.get("CustomerIdentifier")),
        license_arn=text(answer.get("LicenseArn")),
        agreement=text(mapping(answer.get("Metadata")).get("AgreementId")),
    )


def entitlement_of(entry: Mapping[str, Any]) -> Entitlement:
    """Read one entry of GetEntitlements. Values go by presence: `0` and `False` are values."""
    held = mapping(entry.get("Value"))
    given = [held[name] for name in _VALUE_MEMBERS if held.get(name) is not None]
    value = given[0] if given and isinstance(given[0], (bool, int, float, str)) else None
    return Entitlement(
        product=text(entry.get("ProductCode")),
        dimension=text(entry.get("Dimension")),
        value=None if isinstance(value, float) and not math.isfinite(value) else value,
        account=text(entry.get("CustomerAWSAccountId")),
        customer=text(entry.get("CustomerIdentifier")),
        license_arn=text(entry.get("LicenseArn")),
        expires_at=moment(entry.get("ExpirationDate")),
        raw=jsonable(entry),
    )


def agreement_of(answer: Mapping[str, Any]) -> Agreement:
    """Read an answer of DescribeAgreement or a summary of SearchAgreements, which spell some members apart."""
    proposal = mapping(answer.get("proposalSummary"))
    resources = objects(proposal.get("resources"))
    types = {kind for item in resources if (kind := text(item.get("type")))}
    ends_at = moment(answer.get("endTime"))
    behaviour = mapping(answer.get("endTimeBehavior")).get("type") or answer.get("endTimeBehaviorType")
    trial = mapping(answer.get("freeTrialSummary")).get("trialEndTime")
    licenses = (text(item.get("licenseArn")) for item in objects(answer.get("entitlements")))
    return Agreement(
        id=text(answer.get("agreementId")),
        initial=text(answer.get("initialAgreementId")),
        status=(text(answer.get("status")) or "").upper(),
        account=text(mapping(answer.get("acceptor")).get("accountId")),
        offer=text(proposal.get("offerId")),
        products=tuple(key for item in resources if (key := text(item.get("id")))),
        saas=not types or "SaaSProduct" in types,
        starts_at=moment(answer.get("startTime")),
        ends_at=None if ends_at is None or ends_at >= NEVER else ends_at,
        behaviour=(text(behaviour) or "").upper() or None,
        trial_ends_at=moment(trial if trial is not None else answer.get("freeTrialEndTime")),
        licenses=tuple(arn for arn in licenses if arn),
        raw=_described(answer),
    )


def _described(answer: Mapping[str, Any]) -> dict[str, JsonValue]:
    plain = jsonable(answer)
    behaviour: dict[str, JsonValue] = {
        name: value
        for name, member in (("type", "endTimeBehaviorType"), ("reasonCode", "endTimeBehaviorReasonCode"))
        if (value := plain.pop(member, None)) is not None
    }
    trial = plain.pop("freeTrialEndTime", None)
    if behaviour:
        plain["endTimeBehavior"] = behaviour
    if trial is not None:
        plain["freeTrialSummary"] = {"trialEndTime": trial}
    return {name: value for name, value in plain.items() if name not in _ONE_SIDED}


def sells_contract(terms: Iterable[Mapping[str, Any]]) -> bool | None:
    """Return whether accepted terms buy entitlements in advance; None where they tell nothing about the price."""
    kinds = {name for term in terms for name in term}
    if kinds & _CONTRACT_TERMS:
        return True
    return False if "usageBasedPricingTerm" in kinds else None


def cancellation_of(answer: Mapping[str, Any], agreement: str) -> Operation:
    """Read the answer of SendAgreementCancellationRequest; a word that we do not know is pending."""
    word = (text(answer.get("status")) or "").upper()
    failed = word in {"REJECTED", "CANCELLED", "VALIDATION_FAILED"}
    return Operation(
        id=text(answer.get("agreementCancellationRequestId")) or agreement,
        action="cancel",
        status="succeeded" if word == "APPROVED" else "failed" if failed else "pending",
        requested_by="seller",
        message=text(answer.get("statusMessage")) if failed else None,
        code=word if failed else None,
        provider_state=jsonable(answer),
    )


def license_id(arn: str | None) -> str | None:
    """Return the `l-...` of a licence, by which licences are compared: documents print the rest in several forms.

    Of a text without one the text itself, so that an unfamiliar form still compares with itself.
    """
    if not arn:
        return None
    match = _LICENSE.search(arn)
    return match[1] if match else arn


def moment(value: object) -> datetime | None:
    """Return a time in UTC, from epoch seconds, an ISO text or a `datetime`; None for anything else."""
    return tolerant.moment(value) or tolerant.epoch(value)


def jsonable(value: Mapping[str, Any]) -> dict[str, JsonValue]:
    """Return an object that can be stored: times as ISO text, everything else as it is."""
    return {str(name): _plain(member) for name, member in value.items()}


def _plain(value: Any) -> JsonValue:
    match value:
        case Mapping():
            return jsonable(value)
        case list() | tuple():
            return [_plain(member) for member in value]
        case datetime():
            return value.astimezone(UTC).isoformat()
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)

"""The operations of the emulated services: checked request in, answer out, AWS's errors raised."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, TypeVar

from crossmarket_aws.emulator_shapes import (
    Json,
    common_members,
    end_behaviour,
    entitlements_of,
    license_arn,
    matches,
    product_id,
    terms_of,
)
from crossmarket_aws.emulator_state import AgreementState, Ledger, Modes, Purchase

T = TypeVar("T")

FILTERS = frozenset({"CUSTOMER_IDENTIFIER", "CUSTOMER_AWS_ACCOUNT_ID", "DIMENSION", "LICENSE_ARN"})
SEARCH_FILTERS = frozenset(
    {
        "AgreementType", "PartyType", "ResourceIdentifier", "ResourceType", "AcceptorAccountId", "OfferId",
        "OfferSetId", "Status", "BeforeEndTime", "AfterEndTime", "BeforeStartTime", "AfterStartTime",
        "BeforeLastUpdateTime", "AfterLastUpdateTime", "EndTimeBehaviorType", "EndTimeBehaviorReasonCode",
        "InitialAgreementId", "LicenseArn", "IncludesContactOfType",
    }
)  # fmt: skip
SUPPORTED_SEARCH_FILTERS = frozenset(
    {
        "AgreementType", "PartyType", "ResourceIdentifier", "ResourceType", "AcceptorAccountId", "OfferId",
        "Status", "AfterLastUpdateTime", "InitialAgreementId", "LicenseArn",
    }
)  # fmt: skip
REASON_CODES = frozenset(
    {
        "INCORRECT_TERMS_ACCEPTED", "REPLACING_AGREEMENT", "TEST_AGREEMENT", "ALTERNATIVE_PROCUREMENT_CHANNEL",
        "PRODUCT_DISCONTINUED", "UNINTENDED_RENEWAL", "BUYER_DISSATISFACTION", "OTHER",
    }
)  # fmt: skip


class Refusal(Exception):  # noqa: N818 - it is an answer, not a failure of the emulator
    """An error answer of AWS: its code, HTTP status, text and further members."""

    def __init__(self, code: str, message: str, *, status: int = 400, **members: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.members = members


@dataclass(slots=True)
class Api:
    """The operations, over one ledger.

    Attributes:
        ledger: The purchases.
        modes: The quirks to show.
        now: Tells the emulated time.
        token_life: How long a landing token is good for.
        products: The product codes of the seller.
    """

    ledger: Ledger
    modes: Modes
    now: Callable[[], datetime]
    token_life: timedelta
    products: set[str] = field(default_factory=set)

    @property
    def operations(self) -> Mapping[str, tuple[str, Callable[[Json], Json]]]:
        """The content type and the function of every `X-Amz-Target`."""
        agreement = "AWSMPCommerceService_v20200301"
        return {
            "AWSMPMeteringService.ResolveCustomer": ("application/x-amz-json-1.1", self.resolve_customer),
            "AWSMPEntitlementService.GetEntitlements": ("application/x-amz-json-1.1", self.get_entitlements),
            f"{agreement}.DescribeAgreement": ("application/x-amz-json-1.0", self.describe_agreement),
            f"{agreement}.SearchAgreements": ("application/x-amz-json-1.0", self.search_agreements),
            f"{agreement}.GetAgreementTerms": ("application/x-amz-json-1.0", self.get_agreement_terms),
            f"{agreement}.SendAgreementCancellationRequest": (
                "application/x-amz-json-1.0",
                self.send_agreement_cancellation_request,
            ),
        }

    def resolve_customer(self, request: Json) -> Json:
        """Answer ResolveCustomer. The same token gives the same answer while it is good."""
        _only(request, {"RegistrationToken"}, "InvalidTokenException")
        token = self.ledger.tokens.get(str(request.get("RegistrationToken", "")))
        if token is None:
            raise Refusal("InvalidTokenException", "Registration token is invalid.")
        if self.now() >= token.issued_at + self.token_life:
            raise Refusal("ExpiredTokenException", "Registration token has expired.")
        purchase = self.ledger.purchases[token.purchase]
        answer: Json = {
            "CustomerIdentifier": purchase.customer,
            "ProductCode": token.product or purchase.product,
            "CustomerAWSAccountId": purchase.account,
        }
        if purchase.generation == "concurrent":
            answer["LicenseArn"] = license_arn(purchase.current)
            if self.modes.newer_members:
                answer["Metadata"] = {"AgreementId": purchase.current.id}
        return answer

    def get_entitlements(self, request: Json) -> Json:
        """Answer GetEntitlements."""
        invalid = "InvalidParameterException"
        _only(request, {"ProductCode", "Filter", "NextToken", "MaxResults"}, invalid)
        product = request.get("ProductCode")
        filters = request.get("Filter", {})
        if not isinstance(product, str) or not product:
            raise Refusal(invalid, "ProductCode is required.")
        if self.modes.product_codes_checked and product not in self.products:
            raise Refusal(invalid, "ProductCode is unknown.")
        if not isinstance(filters, dict) or not set(filters) <= FILTERS:
            raise Refusal(invalid, "Filter has an unknown key.")
        if not all(isinstance(values, list) and values for values in filters.values()):
            raise Refusal(invalid, "Filter values must not be empty.")
        if set(filters) == {"DIMENSION"}:
            raise Refusal(invalid, "DIMENSION needs another filter beside it.")
        if {"CUSTOMER_IDENTIFIER", "CUSTOMER_AWS_ACCOUNT_ID"} <= set(filters):
            raise Refusal(invalid, "CUSTOMER_IDENTIFIER and CUSTOMER_AWS_ACCOUNT_ID exclude each other.")
        limit = _limit(request.get("MaxResults", 25), 25, invalid)
        found = [
            entry
            for purchase in self.ledger.purchases.values()
            if purchase.product == product and purchase.live
            for entry in entitlements_of(purchase)
            if matches(entry, filters)
        ]
        if self.modes.empty_page and "NextToken" not in request:
            return {"Entitlements": [], "NextToken": _token(0)}
        page, following = _page(found, request.get("NextToken"), min(limit, self.modes.page_size), invalid)
        answer: Json = {"Entitlements": page} if page or not self.modes.omit_entitlements else {}
        return answer | ({"NextToken": following} if following else {})

    def describe_agreement(self, request: Json) -> Json:
        """Answer DescribeAgreement."""
        _only(request, {"agreementId"}, "ValidationException")
        purchase, agreement = self._agreement(request)
        answer = common_members(purchase, agreement) | {
            "estimatedCharges": {"currencyCode": "USD", "agreementValue": "0"},
        }
        if self.modes.newer_members:
            answer["initialAgreementId"] = agreement.initial
            if behaviour := end_behaviour(agreement):
                answer["endTimeBehavior"] = behaviour
            if agreement.trial_ends_at:
                answer["freeTrialSummary"] = {"trialEndTime": agreement.trial_ends_at.timestamp()}
        return answer

    def search_agreements(self, request: Json) -> Json:
        """Answer SearchAgreements, newest change first where it is sorted so."""
        invalid = "ValidationException"
        _only(request, {"catalog", "filters", "sort", "maxResults", "nextToken"}, invalid)
        self._allowed()
        if request.get("catalog") != "AWSMarketplace":
            raise Refusal(invalid, "The catalog is unknown.", reason="INVALID_CATALOG")
        wanted = _search_filters(request.get("filters"))
        limit = _limit(request.get("maxResults", 50), 50, invalid)
        found = [
            self._summary(purchase, agreement)
            for purchase, agreement in self._visible()
            if wanted["PartyType"] == "Proposer" and _found(purchase, agreement, wanted)
        ]
        _sort(found, request.get("sort") or {})
        page, following = _page(found, request.get("nextToken"), min(limit, self.modes.page_size), invalid)
        return {"agreementViewSummaries": page} | ({"nextToken": following} if following else {})

    def get_agreement_terms(self, request: Json) -> Json:
        """Answer GetAgreementTerms, as far as prices and times go."""
        _only(request, {"agreementId", "maxResults", "nextToken"}, "ValidationException")
        purchase, agreement = self._agreement(request)
        limit = _limit(request.get("maxResults", 50), 50, "ValidationException")
        page, following = _page(terms_of(purchase, agreement), request.get("nextToken"), limit, "ValidationException")
        return {"acceptedTerms": page} | ({"nextToken": following} if following else {})

    def send_agreement_cancellation_request(self, request: Json) -> Json:
        """Answer SendAgreementCancellationRequest: it waits for the buyer, at most 7 days."""
        invalid = "ValidationException"
        _only(request, {"agreementId", "reasonCode", "clientToken", "description"}, invalid)
        if request.get("reasonCode") not in REASON_CODES:
            raise Refusal(invalid, "The reason code is unknown.", reason="INVALID_REASON_CODE")
        if request["reasonCode"] == "OTHER" and not request.get("description"):
            raise Refusal(invalid, "OTHER needs a description.", reason="MISSING_DESCRIPTION")
        _, agreement = self._agreement(request)
        if agreement.status != "ACTIVE" or agreement.request:
            raise Refusal(
                "ConflictException",
                "The agreement is not active, or a request is pending.",
                status=409,
                resourceId=agreement.id,
                resourceType="Agreement",
            )
        agreement.request, agreement.requested_at = f"acr-{self.ledger.number():012x}", self.now()
        answer: Json = {
            "agreementId": agreement.id,
            "agreementCancellationRequestId": agreement.request,
            "status": "PENDING_APPROVAL",
            "reasonCode": request["reasonCode"],
            "createdAt": self.now().timestamp(),
            "updatedAt": self.now().timestamp(),
        }
        return answer | ({"description": request["description"]} if request.get("description") else {})

    def _agreement(self, request: Json) -> tuple[Purchase, AgreementState]:
        self._allowed()
        wanted = request.get("agreementId")
        if not isinstance(wanted, str) or not re.fullmatch(r"[A-Za-z0-9_/-]{1,64}", wanted):
            raise Refusal("ValidationException", "agreementId is malformed.", reason="INVALID_AGREEMENT_ID")
        for purchase, agreement in self._visible():
            if agreement.id == wanted:
                return purchase, agreement
        raise Refusal(
            "ResourceNotFoundException",
            "The agreement does not exist.",
            status=404,
            resourceId=wanted,
            resourceType="Agreement",
        )

    def _visible(self) -> Iterable[tuple[Purchase, AgreementState]]:
        """Yield the agreements that the service shows.

        None for the legacy form, which had none; none of a pay-as-you-go purchase before its payment is
        arranged (what AWS shows then is not documented). An unpaid contract is shown, without entitlements.
        """
        for purchase in self.ledger.purchases.values():
            if purchase.generation == "concurrent" and (purchase.paid or purchase.model == "contract"):
                yield from ((purchase, agreement) for agreement in purchase.agreements)

    def _summary(self, purchase: Purchase, agreement: AgreementState) -> Json:
        answer = common_members(purchase, agreement) | {
            "lastUpdateTime": agreement.updated_at.timestamp(),
            "entitlements": [{"licenseArn": license_arn(agreement)}],
        }
        if self.modes.newer_members:
            answer["initialAgreementId"] = agreement.initial
            if behaviour := end_behaviour(agreement):
                answer["endTimeBehaviorType"] = behaviour["type"]
                if "reasonCode" in behaviour:
                    answer["endTimeBehaviorReasonCode"] = behaviour["reasonCode"]
            if agreement.trial_ends_at:
                answer["freeTrialEndTime"] = agreement.trial_ends_at.timestamp()
        return answer

    def _allowed(self) -> None:
        if not self.modes.agreements:
            raise Refusal("AccessDeniedException", "User is not authorized to perform this.", status=403)


def _search_filters(filters: Any) -> dict[str, str]:
    invalid = "ValidationException"
    if not isinstance(filters, list) or not 1 <= len(filters) <= 10:  # noqa: PLR2004 - the model's own limit
        raise Refusal(invalid, "There must be 1 to 10 filters.", reason="INVALID_FILTERS")
    wanted: dict[str, str] = {}
    for each in filters:
        name, values = each.get("name"), each.get("values")
        if name not in SEARCH_FILTERS:
            raise Refusal(invalid, f"The filter {name} is unknown.", reason="INVALID_FILTER_NAME")
        if name not in SUPPORTED_SEARCH_FILTERS:
            raise Refusal(invalid, f"The emulator cannot filter by {name}.", reason="OTHER")
        if not isinstance(values, list) or len(values) != 1:
            raise Refusal(invalid, "A filter takes exactly one value.", reason="INVALID_FILTER_VALUES")
        wanted[name] = values[0]
    if wanted.get("AgreementType") != "PurchaseAgreement" or "PartyType" not in wanted:
        raise Refusal(invalid, "AgreementType and PartyType are required.", reason="UNSUPPORTED_FILTERS")
    return wanted


def _found(purchase: Purchase, agreement: AgreementState, wanted: Mapping[str, str]) -> bool:
    own = {
        "ResourceIdentifier": product_id(purchase.product),
        "ResourceType": "SaaSProduct",
        "AcceptorAccountId": purchase.account,
        "OfferId": agreement.offer,
        "Status": agreement.status,
        "InitialAgreementId": agreement.initial,
        "LicenseArn": license_arn(agreement),
    }
    if (after := wanted.get("AfterLastUpdateTime")) and agreement.updated_at <= datetime.fromisoformat(after):
        return False
    return all(own[name] == value for name, value in wanted.items() if name in own)


def _sort(found: list[Json], sort: Json) -> None:
    member = {"EndTime": "endTime", "StartTime": "startTime", "LastUpdateTime": "lastUpdateTime"}.get(
        sort.get("sortBy", "EndTime")
    )
    order = sort.get("sortOrder", "ASCENDING")
    if member is None or order not in {"ASCENDING", "DESCENDING"}:
        raise Refusal("ValidationException", "The sort is unknown.", reason="INVALID_SORT_BY")
    found.sort(key=lambda each: each.get(member, float("inf")), reverse=order == "DESCENDING")


def _only(request: Json, known: set[str], code: str) -> None:
    unknown = sorted(set(request) - known)
    if unknown:
        raise Refusal(code, f"Unknown members: {', '.join(unknown)}.")


def _limit(value: Any, most: int, code: str) -> int:
    if not isinstance(value, int) or not 1 <= value <= most:
        raise Refusal(code, f"The page size must be 1 to {most}.")
    return value


def _page(found: Sequence[T], token: Any, size: int, code: str) -> tuple[list[T], str | None]:
    try:
        start = 0 if token is None else int(base64.b64decode(token, validate=True))
    except (ValueError, TypeError):
        raise Refusal(code, "The next token is invalid.") from None
    following = start + size
    return list(found[start:following]), _token(following) if following < len(found) else None


def _token(start: int) -> str:
    return base64.b64encode(b"%09d" % start).decode()

"""Error codes of AWS -> the errors of crossmarket. Pure: knows neither boto3 nor botocore."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from crossmarket.errors import (
    AuthenticationError,
    ConflictError,
    InvalidTokenError,
    MarketplaceError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
)
from crossmarket_aws.config import PREFIX

PRESS = "Please press 'Set up your account' on the AWS Marketplace page of your subscription again."
"""What a buyer is told whose landing token is not good."""

AGAIN = "The buyer should press 'Set up your account' on the AWS Marketplace page of the subscription again."
SELLER = (
    "A call with credentials of another account than the one that published the product is refused in the same "
    f"way: check whose credentials are used, and {PREFIX}ROLE_ARN."
)
RIGHTS = (
    "Allow aws-marketplace:ResolveCustomer, GetEntitlements, DescribeAgreement, SearchAgreements, "
    "GetAgreementTerms and SendAgreementCancellationRequest to the seller account's credentials."
)
KEYS = f"Check {PREFIX}ACCESS_KEY_ID and {PREFIX}SECRET_ACCESS_KEY, {PREFIX}PROFILE, or what boto3 finds by itself."
LATER = "Try again later; what is stored stays valid until then."
CODES = f"Check {PREFIX}PRODUCT_CODES."


@dataclass(frozen=True, slots=True)
class Rule:
    """How one error code is told: as which error, in which words, and what to do."""

    error: type[MarketplaceError]
    message: str
    remedy: str | None = None
    retryable: bool | None = None
    field: str | None = None


_DENIED = Rule(AuthenticationError, "AWS does not let these credentials make the call.", RIGHTS)
_BAD_KEYS = Rule(AuthenticationError, "AWS does not accept the credentials.", KEYS)
_STALE_KEYS = Rule(
    AuthenticationError,
    "The temporary AWS credentials have expired.",
    f"Renew them, or set {PREFIX}ROLE_ARN so that they are renewed by themselves.",
)
_SKEWED = Rule(
    AuthenticationError,
    "AWS does not accept the time of the call.",
    "Set the clock of this machine.",
)
_BUSY = Rule(RateLimitedError, "AWS Marketplace is called too often.", LATER)
_DOWN = Rule(UnavailableError, "AWS Marketplace has failed.", LATER)
_MISSING = Rule(NotFoundError, "AWS Marketplace does not know the id.", SELLER)
_WRONG = Rule(MarketplaceError, "AWS Marketplace does not accept the call's arguments.", CODES)
_USAGE = Rule(MarketplaceError, "AWS Marketplace does not accept a usage record.")

RULES: Mapping[str, Rule] = {
    # ResolveCustomer
    "InvalidTokenException": Rule(
        InvalidTokenError, "AWS does not know the landing token.", f"{AGAIN} {SELLER}", field="token"
    ),
    "ExpiredTokenException": Rule(InvalidTokenError, "The landing token has expired.", AGAIN, field="token"),
    "DisabledApiException": Rule(
        AuthenticationError,
        "AWS has disabled this API for the seller account.",
        "Ask AWS Marketplace seller operations, naming the request id.",
    ),
    # the marketplace services in common
    "ThrottlingException": _BUSY,
    "InternalServiceErrorException": _DOWN,
    "InternalServerException": _DOWN,
    "InvalidParameterException": Rule(
        MarketplaceError, "AWS does not accept the call's arguments; perhaps the product code is unknown.", CODES
    ),
    "AccessDeniedException": _DENIED,
    "ConflictException": Rule(
        ConflictError,
        "The agreement does not allow this now.",
        "A cancellation request may be waiting already, or the agreement is over: read the subscription again.",
    ),
    "ResourceNotFoundException": _MISSING,
    "ServiceQuotaExceededException": Rule(
        RateLimitedError,
        "A quota of the seller account is exhausted.",
        "Wait, or ask AWS for a higher quota.",
        retryable=False,
    ),
    "ValidationException": _WRONG,
    # metering
    "CustomerNotEntitledException": Rule(NotFoundError, "The customer is not entitled to the product."),
    "DuplicateRequestException": Rule(ConflictError, "The hour holds another quantity already."),
    "IdempotencyConflictException": Rule(ConflictError, "The same client token was used for another call."),
    "InvalidCustomerIdentifierException": Rule(NotFoundError, "AWS does not know the customer identifier.", SELLER),
    "InvalidEndpointRegionException": Rule(
        MarketplaceError, "The call went to the wrong region.", f"Check {PREFIX}REGION.", field=f"{PREFIX}REGION"
    ),
    "InvalidLicenseException": Rule(
        NotFoundError, "The licence is unknown, not this customer's, or outside its period.", SELLER
    ),
    "InvalidProductCodeException": Rule(
        MarketplaceError,
        "AWS does not know the product code, or it is another seller's.",
        f"{CODES} {SELLER}",
        field=f"{PREFIX}PRODUCT_CODES",
    ),
    "InvalidPublicKeyVersionException": _USAGE,
    "InvalidRegionException": Rule(
        MarketplaceError, "The call went to the wrong region.", f"Check {PREFIX}REGION.", field=f"{PREFIX}REGION"
    ),
    "InvalidTagException": _USAGE,
    "InvalidUsageAllocationsException": _USAGE,
    "InvalidUsageDimensionException": Rule(
        MarketplaceError, "The product has no such dimension.", "Check the meters of the catalog."
    ),
    "PlatformNotSupportedException": _USAGE,
    "TimestampOutOfBoundsException": Rule(
        MarketplaceError, "The usage is too old, or lies in the future.", "Usage is accepted for 24 hours."
    ),
    # every AWS service
    "AccessDenied": _DENIED,
    "UnauthorizedOperation": _DENIED,
    "NotAuthorized": _DENIED,
    "OptInRequired": Rule(AuthenticationError, "The account is not signed up for this service.", SELLER),
    "UnrecognizedClientException": _BAD_KEYS,
    "InvalidClientTokenId": _BAD_KEYS,
    "InvalidSignatureException": _BAD_KEYS,
    "SignatureDoesNotMatch": _BAD_KEYS,
    "IncompleteSignature": _BAD_KEYS,
    "MissingAuthenticationToken": _BAD_KEYS,
    "MissingAuthenticationTokenException": _BAD_KEYS,
    "ExpiredToken": _STALE_KEYS,
    "RequestExpired": _SKEWED,
    "RequestTimeTooSkewed": _SKEWED,
    "Throttling": _BUSY,
    "ThrottledException": _BUSY,
    "TooManyRequestsException": _BUSY,
    "RequestLimitExceeded": _BUSY,
    "SlowDown": _BUSY,
    "InternalFailure": _DOWN,
    "InternalError": _DOWN,
    "ServiceUnavailable": _DOWN,
    "ServiceUnavailableException": _DOWN,
    "RequestTimeout": _DOWN,
    "RequestTimeoutException": _DOWN,
}
"""What each known code means: all that the three services document, and those that every AWS service has."""

_ROLE = Rule(
    AuthenticationError,
    "The role of the seller account cannot be assumed.",
    f"Check {PREFIX}ROLE_ARN, {PREFIX}EXTERNAL_ID and the role's trust policy.",
    field=f"{PREFIX}ROLE_ARN",
)


def rule_for(operation: str, code: str, http_status: int | None, message: str = "") -> Rule:
    """Return how an error is told; a code that nobody has documented goes by the HTTP status.

    `ExpiredTokenException` means the landing token only from ResolveCustomer and only where the message does not
    speak of the security token: all services use the same code for temporary credentials that have expired.
    """
    if code in {"ExpiredTokenException", "InvalidTokenException"} and (
        operation != "ResolveCustomer" or "security token" in message.lower()
    ):
        return _STALE_KEYS if code == "ExpiredTokenException" else _BAD_KEYS
    rule = RULES.get(code)
    if operation == "AssumeRole" and (rule is None or rule is _DENIED):
        rule = _ROLE if http_status is None or http_status < 500 else _DOWN  # noqa: PLR2004 - HTTP's own number
    return rule or _by_status(http_status)


def error_for(
    operation: str,
    code: str,
    *,
    http_status: int | None = None,
    request_id: str | None = None,
    retry_after: float | None = None,
    message: str = "",
) -> MarketplaceError:
    """Return the error for one refusal of AWS. The text of AWS itself is left out: it may name customers."""
    rule = rule_for(operation, code, http_status, message)
    return rule.error(
        rule.message,
        marketplace="aws",
        operation=operation,
        code=code or None,
        http_status=http_status,
        request_id=request_id,
        retryable=rule.retryable,
        retry_after=retry_after,
        field=rule.field,
        remedy=rule.remedy,
        buyer_message=PRESS if rule.error is InvalidTokenError else None,
    )


def foreign_product(code: str) -> InvalidTokenError:
    """Return the error for a token that is good, but of a product that this application does not sell."""
    return InvalidTokenError(
        "The landing token is of another product of this seller.",
        marketplace="aws",
        operation="ResolveCustomer",
        field=f"{PREFIX}PRODUCT_CODES",
        remedy=f"If this application sells the product '{code}' too, add it to {PREFIX}PRODUCT_CODES.",
    )


def not_understood(operation: str, what: str) -> UnavailableError:
    """Return the error for an answer that no decision may be based on."""
    return UnavailableError(
        f"AWS answered {what}.",
        marketplace="aws",
        operation=operation,
        remedy=f"{LATER} A proxy on the way may have answered instead of AWS.",
    )


def _by_status(http_status: int | None) -> Rule:
    match http_status:
        case 429:
            return _BUSY
        case 401 | 403:
            return _DENIED
        case 404:
            return Rule(
                UnavailableError, "The address is not one of AWS Marketplace.", "Check the endpoint and region."
            )
        case None:
            return Rule(MarketplaceError, "AWS refused the call.")
        case status if status >= 500:  # noqa: PLR2004 - HTTP's own number
            return _DOWN
        case _:
            return Rule(MarketplaceError, "AWS refused the call for a reason that it does not document.")

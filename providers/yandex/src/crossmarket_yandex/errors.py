"""Pure: `google.rpc.Status`, the one form of all errors of Yandex Cloud, -> our errors.

`code` is the gRPC number, not the HTTP status, and decides: HTTP 400 is three of the codes, 409 two. Only
where the body is not of this form (a proxy's) does the HTTP status stand in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

from pydantic import JsonValue

from crossmarket.errors import (
    AuthenticationError,
    ConflictError,
    MarketplaceError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
)
from crossmarket.http import Response

MARKETPLACE = "yandex"

ROLES = (
    "In the partner cabinet give the service account the roles license-manager.saasSubscriptionSupervisor and "
    "marketplace.productInstances.saasSupervisor, on the partner profile or the product."
)


class Rule(NamedTuple):
    """What one gRPC code means: its name, its HTTP status, our error, our words, the remedy."""

    name: str
    http: int
    kind: type[MarketplaceError]
    message: str
    remedy: str | None = None
    retryable: bool | None = None


_FAILED = "Yandex Cloud Marketplace failed."
_LATER = "Try again later."

RULES: Mapping[int, Rule] = {
    1: Rule("CANCELLED", 499, UnavailableError, "Yandex Cloud Marketplace broke off the call.", _LATER),
    2: Rule("UNKNOWN", 500, UnavailableError, _FAILED, _LATER),
    3: Rule("INVALID_ARGUMENT", 400, MarketplaceError, "Yandex Cloud Marketplace refuses an argument."),
    4: Rule("DEADLINE_EXCEEDED", 504, UnavailableError, "Yandex Cloud Marketplace took too long.", _LATER),
    5: Rule("NOT_FOUND", 404, NotFoundError, "Yandex Cloud Marketplace does not know the id."),
    6: Rule("ALREADY_EXISTS", 409, ConflictError, "Yandex Cloud Marketplace has it already."),
    7: Rule("PERMISSION_DENIED", 403, AuthenticationError, "The service account lacks a right.", ROLES),
    8: Rule("RESOURCE_EXHAUSTED", 429, RateLimitedError, "Yandex Cloud Marketplace gets too many calls.", _LATER),
    9: Rule("FAILED_PRECONDITION", 400, ConflictError, "The call stands against the state of the subscription."),
    10: Rule("ABORTED", 409, ConflictError, "Another call on the same subscription is under way.", _LATER, True),  # noqa: FBT003 - the last field
    11: Rule("OUT_OF_RANGE", 400, MarketplaceError, "Yandex Cloud Marketplace refuses an argument."),
    12: Rule("UNIMPLEMENTED", 501, MarketplaceError, "Yandex Cloud Marketplace has no such call here."),
    13: Rule("INTERNAL", 500, UnavailableError, _FAILED, _LATER),
    14: Rule("UNAVAILABLE", 503, UnavailableError, "Yandex Cloud Marketplace is not available.", _LATER),
    15: Rule("DATA_LOSS", 500, UnavailableError, _FAILED, _LATER),
    16: Rule("UNAUTHENTICATED", 401, AuthenticationError, "Yandex Cloud does not accept the IAM token."),
}

CODE_OF_HTTP: Mapping[int, int] = {
    400: 3, 401: 16, 403: 7, 404: 5, 408: 4, 409: 6, 429: 8, 499: 1, 501: 12, 502: 14, 503: 14, 504: 4,
}  # fmt: skip

_SECRET = re.compile(r"[\w.=+/~-]{40,}")
_LONGEST_TEXT = 300


def mask(text: str) -> str:
    """Return a server's text without what could be a token: runs of 40 characters and more; ids are shorter."""
    return _SECRET.sub("***", text)[:_LONGEST_TEXT]


def classify(operation: str, response: Response, *, now: datetime, credential: str) -> MarketplaceError:
    """Make the error for an answer that was not expected.

    Args:
        operation: The call's name, such as `Claim`.
        response: The answer.
        now: The present moment (UTC), for `Retry-After` in its form of a date.
        credential: The setting that the IAM token comes from, for the remedy of a 401.
    """
    body = response.json()
    status = body if isinstance(body, dict) else {}
    headers = response.headers
    return error_of(
        status,
        operation=operation,
        http_status=response.status,
        request_id=headers.get("x-request-id") or headers.get("x-server-trace-id"),
        retry_after=response.retry_after(now),
        credential=credential,
    )


def error_of(
    status: Mapping[str, JsonValue],
    *,
    operation: str,
    http_status: int | None = None,
    request_id: str | None = None,
    retry_after: float | None = None,
    credential: str = "",
) -> MarketplaceError:
    """Make the error that a `google.rpc.Status` tells, from an answer or from a failed operation."""
    code = status.get("code")
    told = code if isinstance(code, int) and not isinstance(code, bool) and code else None
    rule = RULES.get(told if told is not None else _code_of(http_status))
    text = status.get("message")
    said = f' It says: "{mask(text)}".' if isinstance(text, str) and text else ""
    kind = rule.kind if rule else MarketplaceError
    message = rule.message if rule else "Yandex Cloud Marketplace answered in a way that the library does not know."
    remedy = rule.remedy if rule else None
    if rule and rule.name == "UNAUTHENTICATED":
        remedy = f"Look at {credential}, and at the clock of this machine."
    return kind(
        message + said,
        marketplace=MARKETPLACE,
        operation=operation,
        code=_name(told),
        http_status=http_status,
        request_id=_request_id(status) or request_id,
        retryable=rule.retryable if rule else None,
        retry_after=retry_after,
        field=credential or None if rule and rule.kind is AuthenticationError else None,
        remedy=remedy,
    )


def _code_of(http_status: int | None) -> int:
    if http_status is None:
        return 0
    return CODE_OF_HTTP.get(http_status, 14 if http_status >= 500 else 0)  # noqa: PLR2004 - all server errors


def _name(code: int | None) -> str | None:
    if code is None:
        return None
    return RULES[code].name if code in RULES else str(code)


def _request_id(status: Mapping[str, JsonValue]) -> str | None:
    details = status.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("google.rpc.RequestInfo"):
            found = detail.get("requestId") or detail.get("request_id")
            return found if isinstance(found, str) else None
    return None

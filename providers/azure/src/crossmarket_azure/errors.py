"""Pure: Microsoft's refusals to our errors, for the API and for Entra.

An error body has no single form; accepted are `{"code", "message"}`, `{"error": {}}`, `{"Error": {}}`, a bare JSON
string, HTML, plain text, and nothing.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

from crossmarket.errors import (
    AuthenticationError,
    ConflictError,
    InvalidTokenError,
    MarketplaceError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
)
from crossmarket.http import classify_status
from crossmarket.tolerant import text
from crossmarket_azure.config import setting
from crossmarket_azure.values import tidy

if TYPE_CHECKING:
    from pydantic import JsonValue

    from crossmarket.http import Response

NAME = "azure"

RESOLVE = "Resolve"
GET_OPERATION = "GetOperation"
LIST_OPERATIONS = "ListOperations"
UPDATE_OPERATION = "UpdateOperation"
TOKEN = "GetToken"  # noqa: S105 - the name of a call

REOPEN = (
    "Open the subscription in the Azure portal or the Microsoft 365 admin centre and press "
    '"Configure account" (or "Manage account") again; it brings a fresh token.'
)
AGAIN = (
    "This link is not valid, or not any more. Please open your subscription in the Azure portal or the Microsoft 365 "
    'admin centre and press "Configure account" (or "Manage account") again.'
)
"""What a buyer is told whose landing token is not good."""

CREDENTIALS = (
    f"Look at {setting('client_id')} and {setting('tenant_id')}: both must be those in the offer's technical "
    f"configuration in Partner Center; and whether {setting('client_secret')} or the certificate has expired."
)
IN_PROGRESS = "Wait until the operation that is running has finished, then try again."

LOCK = re.compile(r"lock|pending operation|in ?progress|another operation|operation is running", re.IGNORECASE)
LONG_WORD = re.compile(r"\S{60,}")
LONGEST_MESSAGE = 300


def classify(operation: str, response: Response, *, now: datetime) -> MarketplaceError:
    """Make the error of an unexpected answer.

    Args:
        operation: The call's name, as in section 4 of Microsoft's reference.
        response: The answer.
        now: The present moment, for a `Retry-After` that is a date.
    """
    code, message = parse_refusal(response)
    status = response.status
    told: dict[str, Any] = {
        "marketplace": NAME,
        "operation": operation,
        "code": code,
        "http_status": status,
        "request_id": _request_id(response),
        "retry_after": response.retry_after(now),
    }
    # What is said of a landing token may repeat the token.
    said = f' It says: "{message}".' if message and operation != RESOLVE else ""
    said += _traces(response)
    if code in {"ApiVersionUnspecified", "UnsupportedApiVersion"}:
        return MarketplaceError(
            f"Azure does not know this version of its API.{said}",
            field=setting("api_version"),
            remedy=f"Look at {setting('api_version')} and {setting('base_url')}.",
            **told,
        )
    if status == 429:  # noqa: PLR2004
        return RateLimitedError(f"Azure gets too many calls.{said}", **told)
    if status in {401, 403}:
        return AuthenticationError(
            f"Azure does not accept the credentials, or they are not those of this offer.{said}",
            field=setting("client_id"),
            remedy=CREDENTIALS,
            **told,
        )
    if status >= 500 or status == 408:  # noqa: PLR2004
        return UnavailableError(f"Azure failed.{said}", remedy="Try again later.", **told)
    return _refused(operation, status, message, said, told)


def _refused(operation: str, status: int, message: str | None, said: str, told: dict[str, Any]) -> MarketplaceError:
    if operation == RESOLVE and status == 400:  # noqa: PLR2004
        return InvalidTokenError(
            f"The landing token is malformed or has expired.{said}",
            field="token",
            remedy=REOPEN,
            buyer_message=AGAIN,
            **told,
        )
    # Documented is 404 for an unknown operation; the live service says 400.
    reads = status == 400 and operation in {GET_OPERATION, LIST_OPERATIONS, UPDATE_OPERATION}  # noqa: PLR2004
    if status == 404 or reads:  # noqa: PLR2004
        return NotFoundError(
            f"Azure does not know it.{said}",
            remedy="This proves no end; look at the id, and at the publisher whose credentials are used.",
            **told,
        )
    if status == 409 or (status == 400 and LOCK.search(message or "")):  # noqa: PLR2004
        return ConflictError(
            f"Another operation is in progress on the subscription, or has overtaken this one.{said}",
            remedy=IN_PROGRESS,
            **told,
        )
    if status == 412:  # noqa: PLR2004
        return ConflictError(
            f"The subscription has changed since it was read.{said}",
            remedy="Read it again and decide again.",
            **told,
        )
    if status == 400:  # noqa: PLR2004
        return MarketplaceError(
            f"Azure refuses {operation} for the subscription as it is.{said}",
            remedy="Look at its status, plan and quantity; of a purchase through a CSP partner "
            "(allowedCustomerOperations without Update or Delete) only the partner can change anything.",
            **told,
        )
    response_less = {name: value for name, value in told.items() if name not in {"marketplace", "operation"}}
    return MarketplaceError(
        f"Azure answered in a way that the library does not know.{said}",
        marketplace=NAME,
        operation=operation,
        **response_less,
    )


def parse_refusal(response: Response) -> tuple[str | None, str | None]:
    """Return Microsoft's code and message, whichever form the body has; long words are cut out."""
    body = response.json()
    if body is None:
        plain = response.text().strip()
        return None, None if plain.startswith("<") else _short(plain)
    if isinstance(body, str):
        return None, _short(body)
    told = tidy(body)
    inner = tidy(told.get("error")) or told
    return text(inner.get("code")), _short(text(inner.get("message")))


def _short(message: str | None) -> str | None:
    """Cut a message, and whatever in it is so long that it may be a token."""
    if not message:
        return None
    words = " ".join(LONG_WORD.sub("(cut)", message).split())
    return words if len(words) <= LONGEST_MESSAGE else words[:LONGEST_MESSAGE] + " ..."


def _request_id(response: Response) -> str | None:
    names = ("x-ms-requestid", "mise-correlation-id", "x-azure-ref")
    return next((value for name in names if (value := response.headers.get(name))), None)


def _traces(response: Response) -> str:
    """Return the further ids that Microsoft's support asks for."""
    names = {"correlation": "x-ms-correlationid", "activity": "x-ms-activityid"}
    known = [f"{word} {value}" for word, name in names.items() if (value := response.headers.get(name))]
    return f" ({', '.join(known)})" if known else ""


ENTRA: dict[int, tuple[str, str]] = {
    7000215: ("client_secret", "The client secret is wrong; it must be the secret's value, not its id."),
    7000222: ("client_secret", "The client secret has expired; make a new one in Entra."),
    7000218: ("client_secret", "Entra asks for a secret or certificate."),
    700016: ("client_id", "The tenant has no such application."),
    7000112: ("client_id", "The application is switched off in Entra."),
    700027: ("client_certificate_file", "The certificate is not registered with the application."),
    700030: ("client_certificate_file", "The certificate is not valid."),
    1000502: ("client_certificate_file", "The certificate has expired, or is not valid yet."),
    90002: ("tenant_id", "There is no such tenant."),
    900023: ("tenant_id", "The tenant id is not one."),
    500011: (
        "resource",
        "The tenant has no service principal of the marketplace's own application; make one, or correct it.",
    ),
    70011: ("resource", "The resource is not one."),
}
"""Entra's AADSTS numbers: the setting at fault, and what is wrong with it."""

AADSTS = re.compile(r"AADSTS(\d{4,8})")

PASSING = {90033, 90055, 70029, 50196, 90024}
"""AADSTS numbers of troubles that pass by themselves."""


def classify_entra(answer: JsonValue) -> MarketplaceError:
    """Make the error of a refused token request, from the JSON that Entra answered. Its text is not repeated."""
    told = tidy(answer)
    found = AADSTS.search(text(told.get("error_description")) or "")
    number = int(found[1]) if found else None
    word = text(told.get("error"))
    common: dict[str, Any] = {
        "marketplace": NAME,
        "operation": TOKEN,
        "code": f"AADSTS{number}" if number is not None else word,
        "request_id": text(told.get("trace_id")) or text(told.get("correlation_id")),
    }
    if number in PASSING or word in {"temporarily_unavailable", "server_error"}:
        return UnavailableError("Entra cannot issue a token now.", remedy="Try again later.", **common)
    if number in ENTRA:
        option, message = ENTRA[number]
        return AuthenticationError(
            f"Entra issues no token. {message}", field=setting(option), remedy=f"Look at {setting(option)}.", **common
        )
    settings = ", ".join(setting(name) for name in ("tenant_id", "client_id", "client_secret"))
    return AuthenticationError(
        "Entra issues no token.",
        field=setting("client_id"),
        remedy=f"Look at {settings} (or {setting('client_certificate_file')}).",
        **common,
    )


def classify_entra_status(operation: str, response: Response, *, now: datetime) -> MarketplaceError:
    """Make the error of an answer of Entra whose status alone tells enough: 429, 5xx, redirects."""
    error = classify_status(NAME, operation, response)
    error.retry_after = response.retry_after(now)
    return error

"""Refusals of the API and of Entra, turned into errors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from crossmarket.errors import (
    AuthenticationError,
    ConflictError,
    InvalidTokenError,
    MarketplaceError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
)
from crossmarket.http import Response
from crossmarket_azure.errors import classify, classify_entra, parse_refusal

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answer(status: int, body: bytes = b"", **headers: str) -> Response:
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("operation", "status", "body", "kind", "retryable"),
    [
        ("Resolve", 400, b'{"code":"BadArgument","message":"expired"}', InvalidTokenError, False),
        ("Resolve", 404, b"", NotFoundError, False),
        ("Resolve", 403, b'{"error":{"code":"Forbidden","message":"no"}}', AuthenticationError, False),
        ("GetSubscription", 401, b"", AuthenticationError, False),
        ("GetSubscription", 403, b"<html>", AuthenticationError, False),
        ("GetSubscription", 404, b'"not there"', NotFoundError, False),
        ("GetOperation", 400, b"", NotFoundError, False),
        ("UpdateOperation", 400, b"", NotFoundError, False),
        ("ListOperations", 404, b"", NotFoundError, False),
        ("UpdateOperation", 409, b"", ConflictError, False),
        ("UpdateSubscription", 409, b"", ConflictError, False),
        (
            "UpdateSubscription",
            400,
            b'{"message":"Subscription is locked by a pending operation"}',
            ConflictError,
            False,
        ),
        ("UpdateSubscription", 412, b"", ConflictError, False),
        ("UpdateSubscription", 400, b'{"message":"plan unchanged"}', MarketplaceError, False),
        ("ListSubscriptions", 429, b'{"error":{"code":"RequestThrottleId"}}', RateLimitedError, True),
        ("ListSubscriptions", 500, b"", UnavailableError, True),
        ("ListSubscriptions", 503, b"<html>busy</html>", UnavailableError, True),
        ("ListSubscriptions", 408, b"", UnavailableError, True),
        ("ListSubscriptions", 302, b"", MarketplaceError, False),
        ("ListSubscriptions", 418, b"", MarketplaceError, False),
    ],
)
def test_each_refusal_has_its_error(
    operation: str,
    status: int,
    body: bytes,
    kind: type[MarketplaceError],
    retryable: bool,
) -> None:
    error = classify(operation, answer(status, body, x_ms_requestid="r-1"), now=NOW)
    assert type(error) is kind
    assert error.retryable is retryable
    assert (error.marketplace, error.operation, error.http_status) == ("azure", operation, status)
    assert error.request_id == "r-1"
    assert "r-1" in str(error)


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b'{"code":"BadArgument","message":"wrong","target":"planId","details":[]}', "BadArgument", "wrong"),
        (b'{"code":"BadArgument","message":"wrong","details":{"a":1}}', "BadArgument", "wrong"),
        (b'{"message":"wrong"}', None, "wrong"),
        (b'{"error":{"code":"Forbidden","message":"no"}}', "Forbidden", "no"),
        (b'{"Error":{"Code":"UnsupportedApiVersion","Message":"old"}}', "UnsupportedApiVersion", "old"),
        (b'{"error":"plain"}', None, None),
        (b'"just text"', None, "just text"),
        (b"OK, but no", None, "OK, but no"),
        (b"<html><body>gone</body></html>", None, None),
        (b"[1,2]", None, None),
        (b"", None, None),
        (b"\xff\xfe", None, "\ufffd\ufffd"),
    ],
)
def test_all_forms_of_a_body(body: bytes, code: str | None, message: str | None) -> None:
    assert parse_refusal(answer(400, body)) == (code, message)


def test_an_expired_landing_token_says_what_to_press() -> None:
    error = classify("Resolve", answer(400), now=NOW)
    assert "Azure portal" in str(error)
    assert "Microsoft 365 admin centre" in str(error)
    assert "Configure account" in str(error)


def test_what_is_said_of_a_landing_token_is_not_repeated() -> None:
    error = classify("Resolve", answer(400, b'{"message":"the token abc+/= is wrong"}'), now=NOW)
    assert "abc" not in str(error)


def test_long_words_are_cut_out_of_messages() -> None:
    body = b'{"message":"bad value ' + b"x" * 80 + b' here"}'
    assert parse_refusal(answer(400, body)) == (None, "bad value (cut) here")


def test_bad_credentials_name_the_settings() -> None:
    error = classify("GetSubscription", answer(403), now=NOW)
    assert error.field == "CROSSMARKET_AZURE__CLIENT_ID"
    assert "CROSSMARKET_AZURE__CLIENT_SECRET" in str(error)
    assert "expired" in str(error)


def test_a_wrong_version_names_its_setting() -> None:
    body = b'{"Error":{"Code":"UnsupportedApiVersion","Message":"old"}}'
    error = classify("Resolve", answer(400, body), now=NOW)
    assert type(error) is MarketplaceError
    assert error.field == "CROSSMARKET_AZURE__API_VERSION"


def test_the_ids_that_support_asks_for_are_kept() -> None:
    headers = {"x_ms_requestid": "r-1", "x_ms_correlationid": "c-2", "x_ms_activityid": "a-3"}
    text = str(classify("Delete", answer(500, b"", **headers), now=NOW))
    assert all(identity in text for identity in ("r-1", "c-2", "a-3"))


@pytest.mark.parametrize(
    ("given", "seconds"), [("7", 7.0), ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0), ("soon", None), ("", None)]
)
def test_when_to_try_again(given: str, seconds: float | None) -> None:
    assert classify("Delete", answer(429, b"", retry_after=given), now=NOW).retry_after == seconds


@pytest.mark.parametrize(
    ("number", "setting"),
    [
        (7000215, "CROSSMARKET_AZURE__CLIENT_SECRET"),
        (7000222, "CROSSMARKET_AZURE__CLIENT_SECRET"),
        (700016, "CROSSMARKET_AZURE__CLIENT_ID"),
        (90002, "CROSSMARKET_AZURE__TENANT_ID"),
        (700027, "CROSSMARKET_AZURE__CLIENT_CERTIFICATE_FILE"),
        (1000502, "CROSSMARKET_AZURE__CLIENT_CERTIFICATE_FILE"),
        (500011, "CROSSMARKET_AZURE__RESOURCE"),
        (999999, "CROSSMARKET_AZURE__CLIENT_ID"),
    ],
)
def test_each_refusal_of_entra_names_the_setting(number: int, setting: str) -> None:
    error = classify_entra({"error": "invalid_client", "error_description": f"AADSTS{number}: text", "trace_id": "t"})
    assert type(error) is AuthenticationError
    assert error.code == f"AADSTS{number}"
    assert error.field == setting
    assert setting in str(error)
    assert error.request_id == "t"


@pytest.mark.parametrize(
    "told", [{"error": "temporarily_unavailable"}, {"error": "x", "error_description": "AADSTS90033: transient"}]
)
def test_passing_troubles_of_entra_can_be_tried_again(told: dict[str, Any]) -> None:
    error = classify_entra(told)
    assert type(error) is UnavailableError
    assert error.retryable


def test_entra_without_an_explanation() -> None:
    assert type(classify_entra({})) is AuthenticationError

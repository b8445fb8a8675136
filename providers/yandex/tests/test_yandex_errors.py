from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from crossmarket.errors import (
    AuthenticationError,
    ConflictError,
    MarketplaceError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
)
from crossmarket.http import Response
from crossmarket_yandex.errors import classify, error_of, mask

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTING = "CROSSMARKET_YANDEX__IAM_TOKEN"


def answer(status: int, body: object, **headers: str) -> Response:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


@pytest.mark.parametrize(
    ("code", "name", "http", "kind", "retryable"),
    [
        (1, "CANCELLED", 499, UnavailableError, True),
        (2, "UNKNOWN", 500, UnavailableError, True),
        (3, "INVALID_ARGUMENT", 400, MarketplaceError, False),
        (4, "DEADLINE_EXCEEDED", 504, UnavailableError, True),
        (5, "NOT_FOUND", 404, NotFoundError, False),
        (6, "ALREADY_EXISTS", 409, ConflictError, False),
        (7, "PERMISSION_DENIED", 403, AuthenticationError, False),
        (8, "RESOURCE_EXHAUSTED", 429, RateLimitedError, True),
        (9, "FAILED_PRECONDITION", 400, ConflictError, False),
        (10, "ABORTED", 409, ConflictError, True),
        (11, "OUT_OF_RANGE", 400, MarketplaceError, False),
        (12, "UNIMPLEMENTED", 501, MarketplaceError, False),
        (13, "INTERNAL", 500, UnavailableError, True),
        (14, "UNAVAILABLE", 503, UnavailableError, True),
        (15, "DATA_LOSS", 500, UnavailableError, True),
        (16, "UNAUTHENTICATED", 401, AuthenticationError, False),
    ],
)
def test_the_code_decides(code: int, name: str, http: int, kind: type[MarketplaceError], *, retryable: bool) -> None:
    body = {
        "code": code,
        "message": "Told so",
        "details": [
            {"@type": "type.googleapis.com/google.rpc.Help"},
            {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": "req-1"},
        ],
    }
    error = classify("Claim", answer(http, body, x_request_id="other"), now=NOW, credential=SETTING)
    assert type(error) is kind
    assert error.code == name
    assert error.http_status == http
    assert error.request_id == "req-1"
    assert error.retryable is retryable
    assert error.operation == "Claim"
    assert "Told so" in str(error)


@pytest.mark.parametrize(
    ("http", "kind"),
    [
        (400, MarketplaceError),
        (401, AuthenticationError),
        (403, AuthenticationError),
        (404, NotFoundError),
        (409, ConflictError),
        (429, RateLimitedError),
        (499, UnavailableError),
        (502, UnavailableError),
        (504, UnavailableError),
        (599, UnavailableError),
        (302, MarketplaceError),
        (418, MarketplaceError),
    ],
)
@pytest.mark.parametrize("body", [b"<html>Bad gateway</html>", b"", b"[1]", b'{"code": "five"}', b'{"code": true}'])
def test_without_a_code_the_http_status_decides(http: int, kind: type[MarketplaceError], body: bytes) -> None:
    error = classify("Get", answer(http, body, x_server_trace_id="trace-1"), now=NOW, credential=SETTING)
    assert type(error) is kind
    assert error.code is None
    assert error.request_id == "trace-1"


def test_an_unknown_code_is_kept() -> None:
    error = classify("Get", answer(400, {"code": 77}), now=NOW, credential=SETTING)
    assert type(error) is MarketplaceError
    assert error.code == "77"


def test_too_many_calls_say_when() -> None:
    error = classify("Get", answer(429, {"code": 8}, retry_after="7"), now=NOW, credential=SETTING)
    assert error.retry_after == 7.0


def test_a_refused_token_names_the_setting() -> None:
    error = classify("Get", answer(401, {"code": 16}), now=NOW, credential=SETTING)
    assert error.field == SETTING
    assert SETTING in str(error)


def test_a_missing_right_names_the_roles() -> None:
    text = str(classify("Get", answer(403, {"code": 7}), now=NOW, credential=SETTING))
    assert "license-manager.saasSubscriptionSupervisor" in text
    assert "marketplace.productInstances.saasSupervisor" in text


def test_no_token_is_shown() -> None:
    iam = "t1.9euelZqMkJ2Sk5iTlZ2LkJCMiZ2Ql-3rnpWa." + "A" * 86
    landing = "eyJhbGciOiJIUzI1NiJ9.eyJsaWNlbnNlX2luc3RhbmNlX2lkIjoibGljMSJ9.c2ln"
    shown = mask(f"bad {iam} and {landing} of lic0123456789abcdef0")
    assert shown == "bad *** and *** of lic0123456789abcdef0"


def test_a_failed_operation_is_an_error_too() -> None:
    error = error_of({"code": 9, "message": "locked"}, operation="Claim")
    assert isinstance(error, ConflictError)
    assert error.http_status is None
    assert error.code == "FAILED_PRECONDITION"

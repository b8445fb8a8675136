"""Every exception that the services document, raised by botocore's Stubber, becomes one of ours."""

from __future__ import annotations

import botocore.exceptions as boto
import botocore.session
import pytest
from botocore.stub import Stubber
from pydantic import SecretStr

from crossmarket.errors import (
    AuthenticationError,
    ConflictError,
    InvalidTokenError,
    MarketplaceError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
)
from crossmarket_aws import AwsConfig
from crossmarket_aws.client import AwsClient
from crossmarket_aws.errors import RULES, rule_for
from crossmarket_aws.session import Clients, Service

SERVICES: tuple[Service, ...] = ("meteringmarketplace", "marketplace-entitlement", "marketplace-agreement")
CALLS = {
    "ResolveCustomer": ("meteringmarketplace", lambda c: c.resolve_customer(SecretStr("s3cret+token/=="))),
    "GetEntitlements": ("marketplace-entitlement", lambda c: c.get_entitlements("code")),
    "DescribeAgreement": ("marketplace-agreement", lambda c: c.describe_agreement("agmt-1")),
    "SearchAgreements": ("marketplace-agreement", lambda c: list(c.search_agreements())),
    "GetAgreementTerms": ("marketplace-agreement", lambda c: c.get_agreement_terms("agmt-1")),
    "SendAgreementCancellationRequest": (
        "marketplace-agreement",
        lambda c: c.request_cancellation("agmt-1", reason="OTHER", description="x"),
    ),
}
EXPECTED = {
    "InvalidTokenException": (InvalidTokenError, False),
    "ExpiredTokenException": (InvalidTokenError, False),
    "DisabledApiException": (AuthenticationError, False),
    "ThrottlingException": (RateLimitedError, True),
    "InternalServiceErrorException": (UnavailableError, True),
    "InternalServerException": (UnavailableError, True),
    "InvalidParameterException": (MarketplaceError, False),
    "ValidationException": (MarketplaceError, False),
    "AccessDeniedException": (AuthenticationError, False),
    "ResourceNotFoundException": (NotFoundError, False),
    "ConflictException": (ConflictError, False),
}


def modelled(service: str, operation: str) -> list[str]:
    model = botocore.session.get_session().get_service_model(service)
    return [shape.name for shape in model.operation_model(operation).error_shapes]


@pytest.fixture(scope="module")
def clients() -> Clients:
    return Clients(AwsConfig(product_codes=("code",), access_key_id="AKIA", secret_access_key="secret"))


@pytest.mark.parametrize(
    ("operation", "code"),
    [(operation, code) for operation, (service, _) in CALLS.items() for code in modelled(service, operation)],
)
def test_every_modelled_exception(clients: Clients, operation: str, code: str) -> None:
    service, call = CALLS[operation]
    with Stubber(clients[service]) as stubber:
        stubber.add_client_error(
            operation_name(operation),
            service_error_code=code,
            service_message="about customer CustId42",
            http_status_code=418,
            response_meta={"RequestId": "req-1"},
        )
        with pytest.raises(MarketplaceError) as caught:
            call(AwsClient(AwsConfig(), clients))
    error = caught.value
    expected, retryable = EXPECTED[code]
    assert type(error) is expected
    assert error.retryable is retryable
    assert (error.marketplace, error.operation, error.code) == ("aws", operation, code)
    assert (error.http_status, error.request_id) == (418, "req-1")
    assert error.remedy
    assert isinstance(error.__cause__, boto.ClientError)
    assert "CustId42" not in str(error)


@pytest.mark.parametrize("service", SERVICES)
def test_the_table_has_every_exception_of_every_operation(service: str) -> None:
    model = botocore.session.get_session().get_service_model(service)
    names = {shape.name for name in model.operation_names for shape in model.operation_model(name).error_shapes}
    assert names
    assert names - set(RULES) == set()


def test_expired_credentials_are_no_expired_landing_token() -> None:
    message = "The security token included in the request is expired"
    assert rule_for("ResolveCustomer", "ExpiredTokenException", 400, message).error is AuthenticationError
    assert rule_for("GetEntitlements", "ExpiredTokenException", 400).error is AuthenticationError
    assert rule_for("ResolveCustomer", "ExpiredTokenException", 400, "Token has expired").error is InvalidTokenError


@pytest.mark.parametrize(
    ("status", "error", "retryable"),
    [
        (400, MarketplaceError, False),
        (401, AuthenticationError, False),
        (403, AuthenticationError, False),
        (404, UnavailableError, True),
        (429, RateLimitedError, True),
        (500, UnavailableError, True),
        (503, UnavailableError, True),
    ],
)
def test_codes_that_nobody_has_documented_go_by_the_status(
    clients: Clients,
    status: int,
    error: type[MarketplaceError],
    retryable: bool,
) -> None:
    with Stubber(clients["marketplace-entitlement"]) as stubber:
        stubber.add_client_error("get_entitlements", service_error_code="Surprise", http_status_code=status)
        with pytest.raises(error) as caught:
            AwsClient(AwsConfig(), clients).get_entitlements("code")
    assert type(caught.value) is error
    assert (caught.value.code, caught.value.retryable) == ("Surprise", retryable)


@pytest.mark.parametrize(
    ("raised", "error", "retryable"),
    [
        (boto.NoCredentialsError(), AuthenticationError, False),
        (boto.PartialCredentialsError(provider="env", cred_var="x"), AuthenticationError, False),
        (boto.CredentialRetrievalError(provider="sso", error_msg="x"), AuthenticationError, False),
        (boto.UnauthorizedSSOTokenError(), AuthenticationError, False),
        (boto.EndpointConnectionError(endpoint_url="https://x"), UnavailableError, True),
        (boto.ConnectTimeoutError(endpoint_url="https://x"), UnavailableError, True),
        (boto.ReadTimeoutError(endpoint_url="https://x"), UnavailableError, True),
        (boto.ConnectionClosedError(endpoint_url="https://x"), UnavailableError, True),
        (boto.SSLError(endpoint_url="https://x", error="x"), UnavailableError, True),
        (boto.ProxyConnectionError(proxy_url="https://x"), UnavailableError, True),
        (boto.ParamValidationError(report="x"), MarketplaceError, False),
        (boto.NoRegionError(), UnavailableError, True),
        (ValueError("no number"), UnavailableError, True),
    ],
)
def test_failures_of_the_sdk(
    clients: Clients,
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    error: type[MarketplaceError],
    retryable: bool,
) -> None:
    def fail(**_: object) -> None:
        raise raised

    monkeypatch.setattr(clients["marketplace-entitlement"], "get_entitlements", fail)
    with pytest.raises(MarketplaceError) as caught:
        AwsClient(AwsConfig(), clients).get_entitlements("code")
    assert type(caught.value) is error
    assert caught.value.retryable is retryable
    assert caught.value.__cause__ is raised


def test_an_error_that_repeats_the_token_is_not_attached(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**arguments: str) -> None:
        raise ValueError(f"cannot send {arguments['RegistrationToken']}")

    monkeypatch.setattr(clients["meteringmarketplace"], "resolve_customer", fail)
    with pytest.raises(UnavailableError) as caught:
        AwsClient(AwsConfig(), clients).resolve_customer(SecretStr("s3cret+token/=="))
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    assert "s3cret" not in str(caught.value)


def test_stubbed_answers_are_validated_by_the_model_and_read(clients: Clients) -> None:
    """The answer as botocore parses it, with its own times, is read as well as the raw one."""
    with Stubber(clients["marketplace-entitlement"]) as stubber:
        entry = {"Dimension": "seats", "Value": {"IntegerValue": 5}}
        first = {"ProductCode": "code", "MaxResults": 25, "Filter": {"LICENSE_ARN": ["l-1"]}}
        stubber.add_response("get_entitlements", {"NextToken": "more"}, first)
        stubber.add_response("get_entitlements", {"Entitlements": [entry]}, first | {"NextToken": "more"})
        assert AwsClient(AwsConfig(), clients).get_entitlements("code", {"LICENSE_ARN": ["l-1"]}) == [entry]
        stubber.assert_no_pending_responses()


@pytest.mark.parametrize("tokens", [["a", "a"], [f"t{number}" for number in range(60)]])
def test_pages_without_an_end_are_given_up(clients: Clients, tokens: list[str]) -> None:
    with Stubber(clients["marketplace-entitlement"]) as stubber:
        for token in tokens:
            stubber.add_response("get_entitlements", {"Entitlements": [], "NextToken": token})
        with pytest.raises(UnavailableError, match="pages without an end"):
            AwsClient(AwsConfig(), clients).get_entitlements("code")


def operation_name(operation: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in operation).lstrip("_")

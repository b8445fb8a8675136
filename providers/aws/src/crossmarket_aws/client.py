"""All calls of AWS Marketplace. Refusals and failures become errors of crossmarket here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from crossmarket.errors import AuthenticationError, InvalidTokenError, MarketplaceError, UnavailableError
from crossmarket_aws.errors import AGAIN, KEYS, LATER, PRESS, RIGHTS, error_for, not_understood
from crossmarket_aws.raw import answer_of
from crossmarket_aws.session import Clients

if TYPE_CHECKING:
    from pydantic import SecretStr

    from crossmarket_aws.config import AwsConfig
    from crossmarket_aws.session import Service

CATALOG = "AWSMarketplace"
ENTITLEMENTS_PAGE = 25
AGREEMENTS_PAGE = 50
MOST_EMPTY_PAGES = 50
"""How many pages without an entry may follow one another before a listing is given up as endless."""

Json = dict[str, Any]


class AwsClient:
    """Calls the metering, entitlement and agreement services.

    Args:
        config: The options.
        clients: The boto3 clients; made from the options unless given.
    """

    def __init__(self, config: AwsConfig, clients: Clients | None = None) -> None:
        self._clients = clients or Clients(config)

    def resolve_customer(self, token: SecretStr) -> Json:
        """Exchange a landing token.

        Raises:
            InvalidTokenError: It is empty, unknown, expired, or of another seller.
        """
        secret = token.get_secret_value()
        if not secret:  # botocore lets it through
            raise InvalidTokenError(
                "The landing token is empty.",
                marketplace="aws",
                operation="ResolveCustomer",
                field="token",
                remedy=AGAIN,
                buyer_message=PRESS,
            )
        return self._call("meteringmarketplace", "ResolveCustomer", secret=secret, RegistrationToken=secret)

    def get_entitlements(
        self, product: str, filters: Mapping[str, Sequence[str]] | None = None, *, at_most: int | None = None
    ) -> list[Json]:
        """Return the entitlements of a product, all pages of them: a part would look like a smaller contract.

        Args:
            product: The product code.
            filters: `CUSTOMER_IDENTIFIER`, `CUSTOMER_AWS_ACCOUNT_ID`, `LICENSE_ARN`, `DIMENSION` to the values
                wanted. Values of one are or-ed, several are and-ed.
            at_most: Enough entries, for a trial call.
        """
        page = min(at_most or ENTITLEMENTS_PAGE, ENTITLEMENTS_PAGE)
        arguments: Json = {"ProductCode": product, "MaxResults": page}
        if filters:
            arguments["Filter"] = {name: list(values) for name, values in filters.items()}
        found: list[Json] = []
        pages = self._pages("marketplace-entitlement", "GetEntitlements", "Entitlements", "NextToken", arguments)
        for entry in pages:
            found.append(entry)
            if at_most is not None and len(found) >= at_most:
                break
        return found

    def describe_agreement(self, agreement: str) -> Json:
        """Return one agreement.

        Raises:
            NotFoundError: It is unknown, or of another seller.
        """
        return self._call("marketplace-agreement", "DescribeAgreement", agreementId=agreement)

    def search_agreements(self, filters: Mapping[str, str] | None = None, *, trial: bool = False) -> Iterator[Json]:
        """Yield the summaries of the seller's purchase agreements, page by page.

        Args:
            filters: Further filters by name, such as `LicenseArn`, each with its one value.
            trial: Ask for one entry only, to see whether the call is allowed.
        """
        chosen = {"PartyType": "Proposer", "AgreementType": "PurchaseAgreement", **(filters or {})}
        arguments: Json = {
            "catalog": CATALOG,
            "filters": [{"name": name, "values": [value]} for name, value in chosen.items()],
            "maxResults": 1 if trial else AGREEMENTS_PAGE,
        }
        operation, entries = "SearchAgreements", "agreementViewSummaries"
        return self._pages("marketplace-agreement", operation, entries, "nextToken", arguments)

    def get_agreement_terms(self, agreement: str) -> list[Json]:
        """Return the accepted terms of an agreement, each an object with one member."""
        arguments: Json = {"agreementId": agreement, "maxResults": AGREEMENTS_PAGE}
        return list(self._pages("marketplace-agreement", "GetAgreementTerms", "acceptedTerms", "nextToken", arguments))

    def request_cancellation(self, agreement: str, *, reason: str, description: str) -> Json:
        """Ask the buyer to agree to the end of an agreement.

        botocore adds the idempotency token and keeps it over its own retries.

        Raises:
            ConflictError: A request is waiting already, or the agreement is over.
        """
        return self._call(
            "marketplace-agreement",
            "SendAgreementCancellationRequest",
            agreementId=agreement,
            reasonCode=reason,
            description=description,
        )

    def close(self) -> None:
        """Close connections; the next call opens new ones."""
        self._clients.close()

    def _pages(self, service: Service, operation: str, entries: str, next_name: str, arguments: Json) -> Iterator[Json]:
        """Yield the entries of all pages. An empty page may have a next one; the entries' key may be missing."""
        empty = 0
        token: str | None = None
        while True:
            page = self._call(service, operation, **arguments, **({next_name: token} if token else {}))
            found = page.get(entries)
            if found is not None and not isinstance(found, list):
                raise not_understood(operation, f"{entries} that are no list")
            yield from (entry for entry in found or () if isinstance(entry, dict))
            previous, token = token, page.get(next_name)
            if token is None or token == "":
                return
            empty = 0 if found else empty + 1
            if token == previous or empty > MOST_EMPTY_PAGES or not isinstance(token, str):
                raise not_understood(operation, "pages without an end")

    def _call(self, service: Service, operation: str, *, secret: str | None = None, **arguments: Any) -> Json:
        try:
            client = self._clients[service]
            method: Callable[..., Json] = getattr(client, _METHODS[operation])
            return answer_of(operation, method(**arguments))
        except MarketplaceError:
            raise
        except Exception as error:  # noqa: BLE001 - botocore lets through whatever its parsers and plugins raise
            # The original stays attached unless it repeats the token.
            cause = None if secret is not None and secret in repr(error) + str(error) else error
            raise _translate(operation, error) from cause


_METHODS = {
    "ResolveCustomer": "resolve_customer",
    "GetEntitlements": "get_entitlements",
    "DescribeAgreement": "describe_agreement",
    "SearchAgreements": "search_agreements",
    "GetAgreementTerms": "get_agreement_terms",
    "SendAgreementCancellationRequest": "send_agreement_cancellation_request",
}


def _translate(operation: str, error: Exception) -> MarketplaceError:
    """Return our error for one of boto3's."""
    from botocore import exceptions as boto  # noqa: PLC0415 - the SDK is imported on first use
    from botocore.parsers import ResponseParserError  # noqa: PLC0415 - as above

    match error:
        case boto.ClientError():
            return _refused(operation, error)
        case (
            boto.NoCredentialsError()
            | boto.PartialCredentialsError()
            | boto.CredentialRetrievalError()
            | boto.ProfileNotFound()
            | boto.SSOError()
            | boto.TokenRetrievalError()
            | boto.InvalidConfigError()
            | boto.ConfigParseError()
        ):
            return AuthenticationError(
                f"There are no usable AWS credentials ({type(error).__name__}).",
                marketplace="aws",
                operation=operation,
                code=type(error).__name__,
                remedy=f"{KEYS} {RIGHTS}",
            )
        case boto.HTTPClientError() | boto.ConnectionError():
            return UnavailableError(
                f"AWS cannot be reached ({type(error).__name__}).",
                marketplace="aws",
                operation=operation,
                code=type(error).__name__,
                remedy=LATER,
            )
        case boto.ParamValidationError():
            return MarketplaceError(
                "The call's arguments do not fit the installed botocore.",
                marketplace="aws",
                operation=operation,
                code=type(error).__name__,
                remedy='Update it: pip install --upgrade "boto3>=1.42.58".',
            )
        case ResponseParserError() | ValueError() | TypeError():
            return not_understood(operation, "something that botocore does not understand")
        case _:
            return UnavailableError(
                f"The AWS SDK failed ({type(error).__name__}).",
                marketplace="aws",
                operation=operation,
                code=type(error).__name__,
                remedy=LATER,
            )


def _refused(operation: str, error: Any) -> MarketplaceError:
    answer = error.response
    about = answer.get("ResponseMetadata", {})
    headers = about.get("HTTPHeaders", {})
    wait = _seconds(headers.get("retry-after"))
    if wait is None:
        wait = _seconds(headers.get("x-amz-retry-after"), per_second=1000)
    # Renewing the credentials of a role is a call of its own, made on the way of another.
    refused = "AssumeRole" if getattr(error, "operation_name", "") == "AssumeRole" else operation
    return error_for(
        refused,
        str(answer.get("Error", {}).get("Code", "")),
        http_status=about.get("HTTPStatusCode"),
        request_id=about.get("RequestId") or answer.get("requestId"),
        retry_after=wait,
        message=str(answer.get("Error", {}).get("Message", "")),
    )


def _seconds(text: str | None, *, per_second: int = 1) -> float | None:
    """Return the seconds of a header; `Retry-After` has seconds, `x-amz-retry-after` milliseconds."""
    try:
        seconds = float(text or "") / per_second
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None

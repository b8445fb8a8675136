"""All I/O with Microsoft's SaaS fulfilment API, both generations. Knows paths and headers, decides nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote
from uuid import uuid4

from crossmarket.access_token import AccessTokenHolder
from crossmarket.errors import MarketplaceError
from crossmarket.http import HttpClient
from crossmarket_azure import errors
from crossmarket_azure.credentials import TokenSource
from crossmarket_azure.wire import (
    accepted_operation_id,
    continuation_token,
    parse_next_link,
    parse_subscriptions,
)

if TYPE_CHECKING:
    from pydantic import JsonValue, SecretStr

    from crossmarket.clock import Clock
    from crossmarket.http import Expected, Response
    from crossmarket_azure.config import AzureConfig

ROOT = "/saas/subscriptions"


@dataclass(frozen=True, slots=True)
class Read:
    """One subscription as read: the object, and its ETag where the answer had one."""

    body: JsonValue = field(repr=False)
    etag: str | None = None


class AzureClient:
    """Calls the API; opens nothing before the first call. May be shared by threads.

    Every method raises a `MarketplaceError`: what `refusals` makes of an answer that was not expected, and
    `UnavailableError` where none came, or one that a proxy gave.
    """

    def __init__(self, config: AzureConfig) -> None:
        self._config = config
        self._source = TokenSource(config)
        self._token = AccessTokenHolder(self._source.fetch, clock=config.clock)
        self._http = HttpClient(
            config.base_url,
            marketplace=errors.NAME,
            classify=partial(_classify, clock=config.clock),
            token=self._token,
            connect_timeout=config.connect_timeout,
            read_timeout=config.read_timeout,
        )

    def close(self) -> None:
        """Close connections. The object may be used again afterwards."""
        self._http.close()
        self._source.close()

    def authenticate(self) -> None:
        """Get an access token, if there is none that is still good."""
        self._token.get()

    def resolve(self, token: SecretStr) -> JsonValue:
        """Exchange a landing token. It travels in a header and appears in no error."""
        return self._read(
            errors.RESOLVE,
            f"{ROOT}/resolve",
            method="POST",
            headers={"x-ms-marketplace-token": token.get_secret_value(), "Content-Type": "application/json"},
        )

    def get(self, subscription: str) -> Read:
        """Read one subscription."""
        response = self._send("GetSubscription", "GET", _path(subscription), repeatable=True, body="json")
        return Read(response.json(), response.headers.get("etag"))

    def pages(self) -> Iterator[list[dict[str, JsonValue]]]:
        """Yield the pages of all subscriptions of the publisher, until a page has no next link.

        The link points at another host. Only its continuation token is used, on the configured address.

        Raises:
            MarketplaceError: Also if a link has no token or comes again: to stop there in silence would look as
                if the rest had gone.
        """
        operation = "ListSubscriptions"
        query: dict[str, str] = {}
        seen: set[str] = set()
        while True:
            body = self._read(operation, ROOT, query=query, empty=True)
            yield parse_subscriptions(body)
            link = parse_next_link(body)
            if link is None:
                return
            token = continuation_token(link)
            if token is None or token in seen:
                raise MarketplaceError(
                    "Azure's link to the next page cannot be followed: it has no continuation token, or an old one.",
                    marketplace=errors.NAME,
                    operation=operation,
                    remedy="Try again later; the list is not complete.",
                )
            seen.add(token)
            query = {"continuationToken": token}

    def plans(self, subscription: str) -> JsonValue:
        """Read the plans that a subscription could have."""
        return self._read("ListAvailablePlans", _path(subscription, "listAvailablePlans"), empty=True)

    def plan(self, subscription: str, plan: str) -> JsonValue:
        """Read one plan with the private offer behind it, in a single attempt."""
        operation = "ListAvailablePlans"
        path = _path(subscription, "listAvailablePlans")
        query = {"planId": plan}
        return self._send(operation, "GET", path, repeatable=False, query=query, body="json or nothing").json()

    def activate(self, subscription: str, body: dict[str, JsonValue]) -> None:
        """Tell that the account is set up (2018-08-31). The answer says only that this was received."""
        self._send(
            "Activate",
            "POST",
            _path(subscription, "activate"),
            repeatable=False,
            json=body,
            expect=(200, 202, 204),
            body="no page",
        )

    def subscribe(self, subscription: str, plan: str | None, *, etag: str | None) -> str:
        """Tell that the account is set up (2017-04-15), and return the id of the operation that this starts."""
        headers = {"x-ms-marketplace-session-mode": "dryrun"} if self._config.dry_run else {}
        return self._start("Subscribe", "PUT", subscription, {"planId": plan or ""}, headers=headers, etag=etag)

    def change(
        self,
        subscription: str,
        what: Literal["planId", "quantity"],
        value: str | int,
        *,
        etag: str | None = None,
    ) -> str:
        """Ask for another plan or another quantity, and return the id of the operation that this starts."""
        return self._start("UpdateSubscription", "PATCH", subscription, {what: value}, etag=etag)

    def delete(self, subscription: str) -> str:
        """Unsubscribe, and return the id of the operation that this starts."""
        return self._start("Delete", "DELETE", subscription, None)

    def operations(self, subscription: str) -> JsonValue:
        """Read the operations that are in progress."""
        return self._read(errors.LIST_OPERATIONS, _path(subscription, "operations"), empty=True)

    def operation(self, subscription: str, operation_id: str) -> JsonValue:
        """Read one operation, where the configured generation has it."""
        path = (
            f"/saas/operations/{quote(operation_id, safe='')}"
            if self._config.legacy
            else _path(subscription, "operations", operation_id)
        )
        return self._read(errors.GET_OPERATION, path)

    def acknowledge(self, subscription: str, operation_id: str, status: Literal["Success", "Failure"]) -> None:
        """Accept or refuse an operation. The same word again changes nothing, so that it may be repeated."""
        self._send(
            errors.UPDATE_OPERATION,
            "PATCH",
            _path(subscription, "operations", operation_id),
            repeatable=True,
            json={"status": status},
            expect=(200, 202, 204),
            body="no page",
        )

    def _read(
        self,
        operation: str,
        path: str,
        *,
        method: str = "GET",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        empty: bool = False,
    ) -> JsonValue:
        body: Expected = "json or nothing" if empty else "json"
        return self._send(operation, method, path, repeatable=True, query=query, headers=headers, body=body).json()

    def _start(
        self,
        operation: str,
        method: str,
        subscription: str,
        body: dict[str, JsonValue] | None,
        *,
        headers: Mapping[str, str] | None = None,
        etag: str | None = None,
    ) -> str:
        # A weak ETag must not be compared (RFC 9110, section 13.1.1).
        match = {"If-Match": etag} if etag and not etag.startswith("W/") else {}
        response = self._send(
            operation,
            method,
            _path(subscription),
            repeatable=False,
            headers={**(headers or {}), **match},
            json=body,
            expect=(200, 202),
            body="no page",
        )
        return accepted_operation_id(dict(response.headers))

    def _send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        repeatable: bool,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: dict[str, JsonValue] | None = None,
        expect: Collection[int] = (200,),
        body: Expected,
    ) -> Response:
        # No x-ms-requestid is sent: the one of the answer then is the id of the operation that was started.
        return self._http.send(
            operation,
            method,
            path,
            repeatable=repeatable,
            query={"api-version": self._config.api_version, **(query or {})},
            headers={"Accept": "application/json", "x-ms-correlationid": str(uuid4()), **(headers or {})},
            json=json,
            expect=expect,
            body=body,
        )


def _path(subscription: str, *rest: str) -> str:
    return "/".join((ROOT, *(quote(part, safe="") for part in (subscription, *rest))))


def _classify(operation: str, response: Response, *, clock: Clock) -> MarketplaceError:
    return errors.classify(operation, response, now=clock.now())

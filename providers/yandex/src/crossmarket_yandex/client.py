"""All I/O with Yandex Cloud Marketplace, as REST: one method for each call, answers as verbatim JSON objects."""

from __future__ import annotations

from urllib.parse import quote
from uuid import uuid4

from pydantic import JsonValue

from crossmarket.access_token import AccessTokenHolder
from crossmarket.errors import MarketplaceError, UnavailableError
from crossmarket.http import HttpClient, Response
from crossmarket.models import Operation
from crossmarket.operation import wait_for
from crossmarket.tolerant import mapping
from crossmarket_yandex import wire
from crossmarket_yandex.config import YandexConfig, setting
from crossmarket_yandex.credentials import token_source
from crossmarket_yandex.errors import MARKETPLACE, classify

INSTANCES = "/marketplace/license-manager/saas/v1/instances"
LOCKS = "/marketplace/license-manager/saas/v1/locks"
PRODUCT_INSTANCES = "/marketplace/pim/saas/v1/instances"

POLL_INTERVAL = 1.0
"""Seconds between two reads of an operation, unless `x-operation-poll-interval` says otherwise."""

LONGEST_POLL_INTERVAL = 30.0

Message = dict[str, JsonValue]


class YandexClient:
    """Calls the Marketplace API and, on its own host, the Operation API, both with the same IAM token.

    Reads are tried again after a failure. The two calls that link are sent once: their outcome has to be looked
    up before they are repeated, because no error code of theirs is documented.

    Raises:
        ConfigurationError: None or several credentials are set.
    """

    def __init__(self, config: YandexConfig) -> None:
        self._config = config
        self._credential = setting(config.credential)
        self._source = token_source(config)
        self._token = AccessTokenHolder(self._source.fetch, clock=config.clock)
        self._marketplace = self._client(config.marketplace_url)
        self._operations = self._client(config.operation_url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._config.marketplace_url!r})"

    def close(self) -> None:
        """Close connections. The next call opens new ones."""
        for part in (self._marketplace, self._operations, self._source):
            part.close()

    def authenticate(self) -> None:
        """Get an IAM token, or find that one is at hand.

        Raises:
            MarketplaceError: None can be had.
        """
        self._token.get()

    def claim(self, token: str, resource_id: str, *, idempotency_key: str) -> Operation:
        """`ProductInstance.Claim`: link what the landing token stands for, wait, and return the operation.

        It is still pending where the marketplace took longer than `claim_timeout`.
        """
        body: JsonValue = {"token": token, "resourceId": resource_id}
        return self._link("ProductInstance.Claim", f"{PRODUCT_INSTANCES}/claim", body, idempotency_key)

    def ensure_lock(self, instance_token: str, resource_id: str, *, idempotency_key: str) -> Operation:
        """`Lock.Ensure`: the same for tokens of the first generation, which name no product instance."""
        body: JsonValue = {"instanceToken": instance_token, "resourceId": resource_id}
        return self._link("Lock.Ensure", f"{LOCKS}/ensure", body, idempotency_key)

    def operation(self, operation_id: str) -> Operation:
        """`Operation.Get`."""
        return self._operation(operation_id)[0]

    def product_instance(self, product_instance_id: str) -> Message:
        """`ProductInstance.Get`."""
        return self._get("ProductInstance.Get", f"{PRODUCT_INSTANCES}/{quote(product_instance_id, safe='')}")

    def lock(self, lock_id: str) -> Message:
        """`Lock.Get`."""
        return self._get("Lock.Get", f"{LOCKS}/{quote(lock_id, safe='')}")

    def lock_of(self, resource_id: str, instance_id: str) -> Message:
        """`Lock.GetByResourceID`: the active lock between this resource and this subscription.

        Raises:
            NotFoundError: There is no active one.
        """
        query = {"resourceId": resource_id, "instanceId": instance_id}
        return self._get("Lock.GetByResourceID", f"{LOCKS}:getByResourceID", query)

    def instance(self, instance_id: str) -> Message:
        """`Instance.Get`."""
        return self._get("Instance.Get", f"{INSTANCES}/{quote(instance_id, safe='')}")

    def user_info(self, instance_id: str) -> Message:
        """`Instance.GetUserInfo`."""
        return self._get("Instance.GetUserInfo", f"{INSTANCES}/{quote(instance_id, safe='')}/user_info")

    def _client(self, address: str) -> HttpClient:
        return HttpClient(
            address,
            marketplace=MARKETPLACE,
            classify=self._classify,
            token=self._token,
            connect_timeout=self._config.connect_timeout,
            read_timeout=self._config.read_timeout,
        )

    def _classify(self, operation: str, response: Response) -> MarketplaceError:
        # A lock that is not found means unlinked, so that a proxy that does not find a page must not say it.
        if operation.startswith("Lock.") and response.status == 404 and not isinstance(response.json(), dict):  # noqa: PLR2004 - HTTP's own number
            return UnavailableError(
                "Yandex Cloud Marketplace answered something that is not of its API.",
                marketplace=MARKETPLACE,
                operation=operation,
                http_status=response.status,
                remedy=f"Look at {setting('marketplace_url')}: a proxy may have answered.",
            )
        return classify(operation, response, now=self._config.clock.now(), credential=self._credential)

    def _get(self, operation: str, path: str, query: dict[str, str] | None = None) -> Message:
        answer = self._marketplace.send(
            operation, "GET", path, repeatable=True, query=query, headers=_trace(), body="json"
        )
        return mapping(answer.json())

    def _link(self, operation: str, path: str, body: JsonValue, idempotency_key: str) -> Operation:
        answer = self._marketplace.send(
            operation,
            "POST",
            path,
            repeatable=False,
            headers={**_trace(), "Idempotency-Key": idempotency_key},
            json=body,
            body="json",
        )
        first = wire.operation(mapping(answer.json()))
        if not first.id and first.status == "pending":
            raise UnavailableError(
                "Yandex Cloud Marketplace answered with an operation that has no id.",
                marketplace=MARKETPLACE,
                operation=operation,
                http_status=answer.status,
                remedy="Activate the same landing again in a moment.",
            )
        pace = _pace(answer)

        def fetch() -> Operation:
            nonlocal pace
            found, pace = self._operation(first.id)
            return found

        return wait_for(
            first, fetch, clock=self._config.clock, interval=lambda: pace, deadline=self._config.claim_timeout
        )

    def _operation(self, operation_id: str) -> tuple[Operation, float]:
        answer = self._operations.send(
            "Operation.Get",
            "GET",
            f"/operations/{quote(operation_id, safe='')}",
            repeatable=True,
            headers=_trace(),
            body="json",
        )
        return wire.operation(mapping(answer.json())), _pace(answer)


def _trace() -> dict[str, str]:
    return {"x-client-trace-id": str(uuid4())}


def _pace(response: Response) -> float:
    raw = response.headers.get("x-operation-poll-interval", "")
    seconds = float(raw) if raw.isdecimal() else 0.0
    return min(seconds, LONGEST_POLL_INTERVAL) if seconds else POLL_INTERVAL

"""Linking: a landing token is claimed for an account, and a link is looked for after whatever goes wrong.

No error code of a claim is documented. So every failure is followed by a look at what is linked: that tells a
claim whose answer was lost, or that was made before, from one that was refused, and only then is a claim
repeated, once.
"""

from __future__ import annotations

from collections.abc import Mapping

from crossmarket.errors import (
    AuthenticationError,
    ConflictError,
    InvalidTokenError,
    MarketplaceError,
    NotFoundError,
    UnavailableError,
)
from crossmarket.models import Operation
from crossmarket_yandex import wire
from crossmarket_yandex.client import Message, YandexClient
from crossmarket_yandex.errors import MARKETPLACE, ROLES, error_of

START_AGAIN = (
    'Press "Go to partner" at the subscription in the Yandex Cloud console again: '
    "it brings a fresh token, which is good for 15 minutes."
)

NOT_VALID = (
    "This link is not valid, or not any more. "
    'Please press "Go to partner" at your subscription in the Yandex Cloud console again.'
)
"""What a buyer is told whose landing token is not good."""

UNFINISHED = "operation_pending"
"""Our own code for a claim that takes longer than `claim_timeout`. Until it is done it proves nothing."""

UNLINK_FIRST = (
    "Sign in with the account that holds it, or unlink it in the Yandex Cloud console first and then press "
    '"Go to partner" there again.'
)


class Linker:
    """Links subscriptions with accounts.

    Args:
        client: Makes the calls.
        credential: The setting that the IAM token comes from, for remedies.
    """

    def __init__(self, client: YandexClient, credential: str) -> None:
        self._client = client
        self._credential = credential

    def claim(self, token: str, hints: Mapping[str, str], *, account: str, idempotency_key: str) -> dict[str, str]:
        """Link what the token stands for with the account, and return the ids, which the marketplace has proven.

        Args:
            token: The landing token.
            hints: What it claims.
            account: The resource to link with.
            idempotency_key: The same when the same activation is tried again.

        Raises:
            MarketplaceError: As `YandexMarketplace.activate()` says.
        """
        legacy = "license_instance_id" in hints and "product_instance_id" not in hints
        call = self._client.ensure_lock if legacy else self._client.claim
        for last in (False, True):
            try:
                operation = call(token, account, idempotency_key=idempotency_key)
                if operation.status != "succeeded":
                    raise self._failure(operation)
            except MarketplaceError as error:
                ids = self._find_after(error, hints, account)
                if ids is not None:
                    return ids
                # Only now is it known that the lost call linked nothing, and that it may be repeated.
                if last or not isinstance(error, UnavailableError) or error.code == UNFINISHED:
                    refusal = self._refusal(error, hints, account)
                    raise refusal from (error if refusal is not error else None)
            else:
                if not wire.claimed_for(operation.provider_state, account):
                    raise ConflictError(
                        "Another account holds this subscription.",
                        marketplace=MARKETPLACE,
                        operation="Claim",
                        remedy=UNLINK_FIRST,
                    )
                # The claim has proven the token, and its hints with it.
                proven = {name: hint for name, hint in hints.items() if name.endswith("instance_id")}
                return {**proven, **wire.claimed_ids(operation.provider_state), "resource_id": account}
        raise AssertionError("unreachable")

    def find(self, ids: Mapping[str, str], account: str) -> dict[str, str] | None:
        """Return the proven ids of a link between this account and what the (unproven) ids name, or None."""
        found: dict[str, str] = {}
        instance_id, product_instance_id = ids.get("license_instance_id"), ids.get("product_instance_id")
        if instance_id:
            lock = self.lock_of(account, instance_id)
            if lock is None:
                return None
            found = {"license_instance_id": instance_id, "lock_id": wire.text(lock, "id") or ""}
        if product_instance_id:
            try:
                product_instance = self._client.product_instance(product_instance_id)
            except NotFoundError:
                product_instance = {}
            except AuthenticationError:
                if not found:
                    raise
                product_instance = {}
            active = wire.state(product_instance, wire.PRODUCT_INSTANCE_STATES) == "ACTIVATED"
            if wire.text(product_instance, "resource_id") == account and (found or active):
                found["product_instance_id"] = product_instance_id
        return {**found, "resource_id": account} if found else None

    def lock_of(self, resource_id: str, instance_id: str) -> Message | None:
        """Return the active lock between a resource and a subscription, or None."""
        try:
            lock = self._client.lock_of(resource_id, instance_id)
        except NotFoundError:
            return None
        return lock if wire.locked(lock, resource_id=resource_id, instance_id=instance_id) else None

    def _find_after(self, error: MarketplaceError, hints: Mapping[str, str], account: str) -> dict[str, str] | None:
        """Look the link up after a failed claim; where that fails too, the claim's own failure counts."""
        try:
            return self.find(hints, account)
        except MarketplaceError:
            raise error from None

    def _refusal(self, error: MarketplaceError, hints: Mapping[str, str], account: str) -> MarketplaceError:
        """Say what a failed claim means, now that there is no link with this account."""
        if error.retryable or error.code in {"UNAUTHENTICATED", "UNIMPLEMENTED"} or error.http_status == 401:  # noqa: PLR2004
            return error
        if isinstance(error, AuthenticationError) and not hints:
            return error
        if self._held_elsewhere(hints, account):
            return _like(error, ConflictError, "Another account holds this subscription.", UNLINK_FIRST)
        if isinstance(error, ConflictError):
            return _like(error, ConflictError, error.message, START_AGAIN)
        remedy = START_AGAIN
        if isinstance(error, AuthenticationError):
            # The links could be looked up, so the credentials as such are accepted.
            remedy += f" If every token is refused: {ROLES}"
        return _like(error, InvalidTokenError, f"The landing token is refused. {error.message}", remedy)

    def _held_elsewhere(self, hints: Mapping[str, str], account: str) -> bool:
        try:
            return "license_instance_id" in hints and wire.held_elsewhere(
                self._client.instance(hints["license_instance_id"]), account
            )
        except MarketplaceError:
            return False

    def _failure(self, operation: Operation) -> MarketplaceError:
        if operation.status == "pending":
            return UnavailableError(
                "Yandex Cloud Marketplace has not finished the claim yet.",
                marketplace=MARKETPLACE,
                operation="Operation.Get",
                code=UNFINISHED,
                remedy="Activate the same landing again in a moment: it goes on with the same claim.",
            )
        error = wire.child(operation.provider_state, "error")
        return error_of(error, operation="Claim", credential=self._credential)


def invalid_token(message: str, operation: str) -> InvalidTokenError:
    """Make the error for a landing token that this library refuses."""
    return InvalidTokenError(
        message,
        marketplace=MARKETPLACE,
        operation=operation,
        field="token",
        remedy=START_AGAIN,
        buyer_message=NOT_VALID,
    )


def _like(error: MarketplaceError, kind: type[MarketplaceError], message: str, remedy: str) -> MarketplaceError:
    """Make another error of the same call."""
    return kind(
        message,
        marketplace=error.marketplace,
        operation=error.operation,
        code=error.code,
        http_status=error.http_status,
        request_id=error.request_id,
        remedy=remedy,
        buyer_message=NOT_VALID if kind is InvalidTokenError else None,
    )

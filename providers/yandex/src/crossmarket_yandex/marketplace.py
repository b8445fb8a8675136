"""Yandex Cloud Marketplace as a `Marketplace`: a landing token is claimed, then locks and instances are read.

Three things are unlike other marketplaces, and shape this module:

- Nobody but the marketplace can verify a landing token. `resolve()` returns hints; `activate()` claims, and only
  that proves.
- No error code of a claim is documented. After any failure the link is looked up, which tells a claim whose
  answer was lost, or that was made before, from one that was refused.
- There is no list and no push: what is not stored at the claim cannot be found again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import JsonValue, SecretStr

from crossmarket.errors import (
    AuthenticationError,
    ConflictError,
    CrossmarketError,
    InvalidTokenError,
    MarketplaceError,
    NotFoundError,
    UnavailableError,
)
from crossmarket.models import Alias, Buyer, Facts, Finding, Operation
from crossmarket.provider import Activation, Capabilities, Marketplace, Resolved
from crossmarket_yandex import wire
from crossmarket_yandex.client import YandexClient
from crossmarket_yandex.config import YandexConfig, setting
from crossmarket_yandex.rpc_status import MARKETPLACE, ROLES, error_of

START_AGAIN = (
    'Press "Go to partner" at the subscription in the Yandex Cloud console again: '
    "it brings a fresh token, which is good for 15 minutes."
)

CLOCK_DIFFERENCE = timedelta(minutes=1)
"""How far ahead this machine's clock may be before a good token is taken for expired. The claim decides."""

CAPABILITIES = Capabilities(
    landing="GET",
    landing_parameter="token",
    landing_token_seconds=900,
    landing_proves=False,
    activation_call=True,
    buyer_details=True,
    suspends=True,
    renewal="in_place",
    renewal_intent=True,
    metering_batch=25,
    metering_window_seconds=3600,
    metering_dry_run=True,
)


class YandexMarketplace(Marketplace):
    """Yandex Cloud Marketplace, connected.

    Args:
        config: The options, credentials included.

    Raises:
        ConfigurationError: None or several credentials are set.
    """

    name: ClassVar[str] = MARKETPLACE

    def __init__(self, config: YandexConfig) -> None:
        self._config = config
        self._client = YandexClient(config)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._config.marketplace_url!r})"

    @property
    def capabilities(self) -> Capabilities:
        """What Yandex Cloud Marketplace can do for a SaaS product."""
        return CAPABILITIES

    def resolve(self, token: SecretStr) -> Resolved:
        """Return what the token claims, unproven. There is no call: the marketplace proves it at the claim.

        A token that is no JWT is taken as opaque, for its form is unpublished; it gives no hints.

        Raises:
            InvalidTokenError: It is longer than 1000 characters, or says itself that it has expired.
        """
        raw = token.get_secret_value()
        if not 0 < len(raw) <= wire.LONGEST_TOKEN:
            raise _invalid("The landing token is empty or longer than one of Yandex Cloud.", "land")
        hints = wire.hints(raw)
        expires_at = wire.expiry(hints)
        if expires_at is not None and expires_at + CLOCK_DIFFERENCE <= self._config.clock.now():
            raise _invalid("The landing token has expired.", "land")
        aliases = ("instance", "license_instance_id"), ("product_instance", "product_instance_id")
        return Resolved(
            hints=hints,
            expires_at=expires_at,
            aliases=tuple(
                Alias(
                    kind=kind,
                    value=hints[name],
                    exact=kind == "instance" or "license_instance_id" not in hints,
                )
                for kind, name in aliases
                if name in hints
            ),
        )

    def activate(self, request: Activation) -> Facts:
        """Claim what the token stands for, for this account, and read it.

        Tokens of the first generation (a subscription, no product instance) go to `Lock.Ensure`. Without a token
        the link must be there already. Where the marketplace does not finish the claim in time, the status is
        pending, and `read()` follows the claim.

        With `PRODUCT_IDS` set, a foreign product is refused before the claim where the subscription can be read,
        and in any case after it. A claim cannot be undone by the seller: after the second refusal the link stays
        on the marketplace, but nothing is returned, so that nothing is granted. The buyer can unlink it in the
        console; after adding the product to the setting, the same activation succeeds.

        Raises:
            InvalidTokenError: The token is refused, or is for a product that is not ours.
            ConflictError: Another account holds the subscription, or its state stands against it.
            AuthenticationError: Credentials or roles are not accepted.
            UnavailableError: The marketplace does not answer, and the outcome cannot be looked up.
        """
        if request.token is None:
            known = request.known.marketplace_ids if request.known else {}
            linked = self._find_link(known, request.account)
            if linked is None:
                raise _invalid("Yandex Cloud links a subscription to an account by a landing token only.", "Claim")
            return self._activated({**known, **linked})
        token = request.token.get_secret_value()
        hints = wire.hints(token)
        self._refuse_foreign_early(hints)
        ids, claim = self._claim(token, hints, request)
        return self._activated(ids, claim)

    def read(self, known: Facts) -> Facts:
        """Read the subscription and its lock; where no subscription is behind the product, its product instance.

        A lock that is gone is looked for by account and subscription, for linking again makes a new one. A
        subscription whose end has passed is read a second time before it is called ended, because renewal may
        move its end a moment later.

        Raises:
            NotFoundError: The marketplace does not know the id (which proves no end), or none is known.
        """
        return self._read(known.marketplace_ids, self._pending_claim(known))

    def buyer(self, known: Facts) -> Buyer:
        """Return name, INN and KPP, which Yandex tells of Russian legal persons only."""
        ids = known.marketplace_ids
        try:
            message = self._client.user_info(ids["license_instance_id"]) if "license_instance_id" in ids else {}
        except NotFoundError:
            message = {}
        return wire.buyer(message, ids.get("cloud_id"))

    def diagnose(self) -> Iterator[Finding]:
        """Try to get a token, and to read things that do not exist, on both hosts."""
        for option in ("marketplace_url", "operation_url", "iam_url", "federation_url"):
            parts = urlsplit(getattr(self._config, option))
            if parts.scheme == "http" and parts.hostname not in {"127.0.0.1", "localhost", "::1"}:
                yield Finding(
                    level="warning",
                    subject=setting(option),
                    message="The address is not encrypted: tokens can be read on the way.",
                    remedy="Write https.",
                )
        try:
            self._client.authenticate()
        except CrossmarketError as error:
            yield _finding(setting(self._config.credential), error)
            return
        yield Finding(level="ok", subject=setting(self._config.credential), message="An IAM token can be had.")
        probes = {
            "role license-manager.saasSubscriptionSupervisor": self._client.lock,
            "role marketplace.productInstances.saasSupervisor": self._client.product_instance,
            setting("operation_url"): self._client.operation,
        }
        for subject, probe in probes.items():
            try:
                probe("crossmarket-doctor")
            except CrossmarketError as error:
                refused = isinstance(error, AuthenticationError | UnavailableError) or not isinstance(
                    error, MarketplaceError
                )
                if refused:
                    yield _finding(subject, error)
                    continue
            yield Finding(level="ok", subject=subject, message="The call is answered.")

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _claim(
        self, token: str, hints: Mapping[str, str], request: Activation
    ) -> tuple[dict[str, str], dict[str, JsonValue] | None]:
        """Link, and return the ids, and the operation where it is still pending."""
        legacy = "license_instance_id" in hints and "product_instance_id" not in hints
        call = self._client.ensure_lock if legacy else self._client.claim
        for last in (False, True):
            try:
                operation = call(token, request.account, idempotency_key=request.idempotency_key)
                if operation.status == "failed":
                    raise _failure(operation)
            except MarketplaceError as error:
                ids = self._find_link_after(error, hints, request.account)
                if ids is not None:
                    return ids, None
                # Only now is it known that the lost call linked nothing, and that it may be repeated.
                if last or not isinstance(error, UnavailableError):
                    refusal = self._refusal(error, hints, request.account)
                    raise refusal from (error if refusal is not error else None)
            else:
                proven = {name: hint for name, hint in hints.items() if name.endswith("instance_id")}
                found = wire.claimed_ids(operation.provider_state)
                ids = {**proven, **found, "resource_id": request.account}
                return ids, operation.provider_state if operation.status == "pending" else None
        raise AssertionError("unreachable")

    def _find_link_after(
        self, error: MarketplaceError, hints: Mapping[str, str], account: str
    ) -> dict[str, str] | None:
        """Look the link up after a failed claim; where that fails too, the claim's own failure counts."""
        try:
            return self._find_link(hints, account)
        except MarketplaceError:
            raise error from None

    def _find_link(self, ids: Mapping[str, str], account: str) -> dict[str, str] | None:
        """Return the proven ids of a link between this account and what the (unproven) ids name, or None."""
        found: dict[str, str] = {}
        instance_id, product_instance_id = ids.get("license_instance_id"), ids.get("product_instance_id")
        if instance_id:
            lock = self._lock_of(account, instance_id)
            if lock is None:
                return None
            found = {"license_instance_id": instance_id, "lock_id": wire.text(lock, "id") or ""}
        if product_instance_id:
            try:
                product_instance = self._client.product_instance(product_instance_id)
            except (NotFoundError, AuthenticationError):
                product_instance = {}
            active = wire.state(product_instance, wire.PRODUCT_INSTANCE_STATES) == "ACTIVATED"
            if wire.text(product_instance, "resource_id") == account and (found or active):
                found["product_instance_id"] = product_instance_id
        return {**found, "resource_id": account} if found else None

    def _refusal(self, error: MarketplaceError, hints: Mapping[str, str], account: str) -> MarketplaceError:
        """Say what a failed claim means, now that there is no link with this account."""
        if error.retryable or error.code in {"UNAUTHENTICATED", "UNIMPLEMENTED"} or error.http_status == 401:  # noqa: PLR2004
            return error
        if self._held_elsewhere(hints, account):
            return _like(error, ConflictError, "Another account holds this subscription.", _UNLINK_FIRST)
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

    def _activated(self, ids: dict[str, str], claim: dict[str, JsonValue] | None = None) -> Facts:
        self._refuse_foreign(ids.get("product_id"))
        facts = self._read(ids, claim)
        self._refuse_foreign(facts.product)
        return facts

    def _refuse_foreign_early(self, hints: Mapping[str, str]) -> None:
        if not self._config.product_ids or "license_instance_id" not in hints:
            return
        try:
            instance = self._client.instance(hints["license_instance_id"])
        except MarketplaceError:
            return  # the claim will tell
        self._refuse_foreign(wire.product_of(instance))

    def _refuse_foreign(self, product: str | None) -> None:
        allowed = self._config.product_ids
        if allowed and product is not None and product not in allowed:
            raise InvalidTokenError(
                f"The landing token is for the product '{product}', which {setting('product_ids')} does not list.",
                marketplace=MARKETPLACE,
                operation="Claim",
                field=setting("product_ids"),
                remedy=f"If the product is sold by this application, add it to {setting('product_ids')} and "
                "activate again; else open the right product from the Yandex Cloud console.",
            )

    def _read(self, ids: Mapping[str, str], claim: dict[str, JsonValue] | None) -> Facts:
        if claim is not None:
            ids = {**ids, **wire.claimed_ids(claim)}
            if wire.operation(claim).status != "pending":
                claim = None
        instance_id = ids.get("license_instance_id")
        if instance_id is None:
            if "product_instance_id" not in ids:
                raise NotFoundError(
                    "No id is known under which Yandex Cloud Marketplace could be asked.",
                    marketplace=MARKETPLACE,
                    operation="read",
                    remedy=START_AGAIN,
                )
            product_instance = self._client.product_instance(ids["product_instance_id"])
            return wire.facts_of_product_instance(ids, product_instance, claim=claim)
        lock = self._current_lock(ids, instance_id)
        instance = self._client.instance(instance_id)
        if wire.ended_by_date(instance, self._config.clock.now()):
            instance = self._client.instance(instance_id)
        return wire.facts_of_instance(ids, instance, lock, now=self._config.clock.now(), claim=claim)

    def _current_lock(self, ids: Mapping[str, str], instance_id: str) -> dict[str, JsonValue] | None:
        resource_id, lock = ids.get("resource_id"), None
        if "lock_id" in ids:
            try:
                lock = self._client.lock(ids["lock_id"])
            except NotFoundError:
                lock = None
        if wire.locked(lock, resource_id=resource_id, instance_id=instance_id) or resource_id is None:
            return lock
        return self._lock_of(resource_id, instance_id) or lock

    def _lock_of(self, resource_id: str, instance_id: str) -> dict[str, JsonValue] | None:
        try:
            lock = self._client.lock_of(resource_id, instance_id)
        except NotFoundError:
            return None
        return lock if wire.locked(lock, resource_id=resource_id, instance_id=instance_id) else None

    def _pending_claim(self, known: Facts) -> dict[str, JsonValue] | None:
        """Return the present form of a claim that was not finished when it was last looked at."""
        stored = known.provider_state.get("claim")
        if not isinstance(stored, dict):
            return None
        operation_id = wire.operation(stored).id
        try:
            return self._client.operation(operation_id).provider_state
        except NotFoundError:
            return None


_UNLINK_FIRST = (
    "Sign in with the account that holds it, or unlink it in the Yandex Cloud console first and then press "
    '"Go to partner" there again.'
)


def _invalid(message: str, operation: str) -> InvalidTokenError:
    return InvalidTokenError(
        message, marketplace=MARKETPLACE, operation=operation, field="token", remedy=START_AGAIN
    )


def _failure(operation: Operation) -> MarketplaceError:
    error = wire.child(operation.provider_state, "error")
    return error_of(error, operation="Claim", credential=setting("marketplace_url"))


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
    )


def _finding(subject: str, error: CrossmarketError) -> Finding:
    return Finding(
        level="error", subject=subject, message=error.message, remedy=error.remedy or "Try again later."
    )

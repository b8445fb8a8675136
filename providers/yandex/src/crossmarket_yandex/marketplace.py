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

from pydantic import SecretStr

from crossmarket.errors import (
    AuthenticationError,
    CrossmarketError,
    InvalidTokenError,
    MarketplaceError,
    NotFoundError,
    UnavailableError,
)
from crossmarket.models import Buyer, Facts, Finding
from crossmarket.provider import Activation, Capabilities, Marketplace, Resolved, failure
from crossmarket_yandex import wire
from crossmarket_yandex.capabilities import SAAS
from crossmarket_yandex.client import Message, YandexClient
from crossmarket_yandex.config import YandexConfig, setting
from crossmarket_yandex.errors import MARKETPLACE
from crossmarket_yandex.linking import START_AGAIN, Linker, invalid_token

CLOCK_DIFFERENCE = timedelta(minutes=1)
"""How far ahead this machine's clock may be before a good token is taken for expired. The claim decides."""


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
        self._linker = Linker(self._client, setting(config.credential))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._config.marketplace_url!r})"

    @property
    def capabilities(self) -> Capabilities:
        """What Yandex Cloud Marketplace can do for a SaaS product."""
        return SAAS

    def resolve(self, token: SecretStr) -> Resolved:
        """Return what the token claims, unproven. There is no call: the marketplace proves it at the claim.

        A token that is no JWT is taken as opaque, for its form is unpublished; it gives no hints.

        Raises:
            InvalidTokenError: It is longer than 1000 characters, or says itself that it has expired.
        """
        raw = token.get_secret_value()
        if not 0 < len(raw) <= wire.LONGEST_TOKEN:
            raise invalid_token("The landing token is empty or longer than one of Yandex Cloud.", "land")
        hints = wire.hints(raw)
        expires_at = wire.expiry(hints)
        if expires_at is not None and expires_at + CLOCK_DIFFERENCE <= self._config.clock.now():
            raise invalid_token("The landing token has expired.", "land")
        return Resolved(hints=hints, aliases=wire.aliases(hints), expires_at=expires_at)

    def activate(self, request: Activation) -> Facts:
        """Claim what the token stands for, for this account, and read it.

        Tokens of the first generation (a subscription, no product instance) go to `Lock.Ensure`. Without a token
        the link must be there already. The status is pending where the subscription is, and where the link that
        was just made cannot be read yet.

        With `PRODUCT_IDS` set, a foreign product is refused before the claim where the subscription can be read,
        and in any case after it. A claim cannot be undone by the seller: after the second refusal the link stays
        on the marketplace, but nothing is returned, so that nothing is granted. The buyer can unlink it in the
        console; after adding the product to the setting, the same activation succeeds.

        Raises:
            InvalidTokenError: The token is refused, or is for a product that is not ours.
            ConflictError: Another account holds the subscription, or its state stands against it.
            AuthenticationError: Credentials or roles are not accepted.
            UnavailableError: The marketplace does not answer, or does not finish the claim within
                `claim_timeout`; nothing may be granted yet, and activating the same landing again is safe.
        """
        if request.token is None:
            known = request.known.marketplace_ids if request.known else {}
            linked = self._linker.find(known, request.account)
            if linked is None:
                raise invalid_token("Yandex Cloud links a subscription to an account by a landing token only.", "Claim")
            return self._activated({**known, **linked})
        token = request.token.get_secret_value()
        hints = wire.hints(token)
        self._refuse_foreign_early(hints)
        ids = self._linker.claim(token, hints, account=request.account, idempotency_key=request.idempotency_key)
        return self._activated(ids)

    def read(self, known: Facts) -> Facts:
        """Read the subscription and its lock; where no subscription is behind the product, its product instance.

        A lock that is gone is looked for by account and subscription, for linking again makes a new one. A
        subscription whose end has passed is read a second time before it is called ended, because renewal may
        move its end a moment later.

        Raises:
            NotFoundError: The marketplace does not know the id (which proves no end), or none is known.
        """
        return self._read(known.marketplace_ids)

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
        try:
            self._client.authenticate()
        except CrossmarketError as error:
            yield failure(setting(self._config.credential), error, remedy="Try again later.")
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
                    yield failure(subject, error, remedy="Try again later.")
                    continue
            yield Finding(level="ok", subject=subject, message="The call is answered.")

    def close(self) -> None:
        """Close connections."""
        self._client.close()

    def _activated(self, ids: dict[str, str]) -> Facts:
        self._refuse_foreign(ids.get("product_id"))
        facts = self._read(ids, just_claimed=True)
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

    def _read(self, ids: Mapping[str, str], *, just_claimed: bool = False) -> Facts:
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
            return wire.facts_of_product_instance(ids, product_instance)
        lock = self._current_lock(ids, instance_id)
        instance = self._client.instance(instance_id)
        if wire.ended_by_date(instance, self._config.clock.now()):
            instance = self._client.instance(instance_id)
        return wire.facts_of_instance(ids, instance, lock, now=self._config.clock.now(), just_claimed=just_claimed)

    def _current_lock(self, ids: Mapping[str, str], instance_id: str) -> Message | None:
        resource_id, lock = ids.get("resource_id"), None
        if "lock_id" in ids:
            try:
                lock = self._client.lock(ids["lock_id"])
            except NotFoundError:
                lock = None
        if wire.locked(lock, resource_id=resource_id, instance_id=instance_id) or resource_id is None:
            return lock
        return self._linker.lock_of(resource_id, instance_id) or lock

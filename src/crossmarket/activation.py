"""Activation: the marketplace is told that an account is set up, and the account is bound to the subscription."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from typing import Literal

from crossmarket.access import check_account
from crossmarket.clock import Clock
from crossmarket.errors import ConflictError, CrossmarketError, InvalidArgumentError, MarketplaceError
from crossmarket.models import Buyer, Facts, Landing, Status, Subscription
from crossmarket.provider import Activation, Marketplace, TellsBuyer
from crossmarket.recorder import Recorder
from crossmarket.store.contract import AuditEntry, Store

ClaimPolicy = Literal["refuse", "transfer", "transfer_if_inactive", "share"]
"""What happens when a second account claims a subscription: it is refused; it takes the subscription over; it
takes it over only while it is neither active nor pending; or both hold it."""


class Activator:
    """Activates subscriptions of any marketplace.

    Args:
        store: For the audit.
        recorder: Stores the subscription.
        clock: Tells the time.
        claim_policy: What a second claimant gets.
    """

    def __init__(self, store: Store, recorder: Recorder, clock: Clock, claim_policy: ClaimPolicy) -> None:
        self._store = store
        self._recorder = recorder
        self._clock = clock
        self._claim_policy = claim_policy

    def activate(self, marketplace: Marketplace, landing: Landing, account: str) -> Subscription:
        """Activate what a landing, or a stored subscription in the form of one, stands for.

        Doing it again for the same account changes nothing. The subscription may still be pending afterwards:
        the marketplace confirms later.

        Raises:
            InvalidArgumentError: The account is empty, or the landing was not made by a market.
            ConflictError: Another account holds the subscription and the policy refuses a second one, or it
                has ended.
            InvalidTokenError: The marketplace proves the token only now, and does not take it.
            MarketplaceError: The marketplace cannot be asked, or refuses; nothing was bound.
        """
        check_account(account)
        if landing.subscription is None and landing.token is None:
            raise InvalidArgumentError(
                "The landing stands for nothing.", field="landing", remedy="Pass what Market.land() returned."
            )
        known = self._known(marketplace, landing)
        if known is not None:
            self._admit(marketplace, known, account, proven_later=landing.subscription is None)
        if known is not None and account in known.accounts and known.status is Status.ACTIVE and not landing.token:
            return known
        self._audit("activating", marketplace, known, account)
        request = Activation(
            account=account,
            known=known if landing.subscription is not None else None,
            token=landing.token,
            idempotency_key=_idempotency_key(marketplace, landing, account),
        )
        try:
            facts = marketplace.activate(request)
        except MarketplaceError as error:
            self._audit("activation_failed", marketplace, known, account, error=error)
            raise
        return self._recorder.record(
            marketplace,
            _with_buyer(marketplace, facts),
            origin="activation",
            action="activated",
            subscription_id=landing.subscription.id if landing.subscription else None,
            also=self._bind(marketplace, account, known),
        )

    def _known(self, marketplace: Marketplace, landing: Landing) -> Subscription | None:
        """Return the subscription of a landing as it stands now: another account may have come in between."""
        if landing.subscription is not None:
            return self._store.get(landing.subscription.id) or landing.subscription
        return self._recorder.owner(marketplace.name, landing.aliases)

    def _bind(
        self, marketplace: Marketplace, account: str, admitted: Subscription | None
    ) -> Callable[[Subscription], Subscription]:
        held_by = admitted.accounts if admitted is not None else ()

        def bind(subscription: Subscription) -> Subscription:
            now = self._clock.now()
            update: dict[str, object] = {"activated_at": subscription.activated_at or now}
            if subscription.account is None:
                update["account"] = account
            elif account not in subscription.accounts:
                if self._claim_policy == "share":
                    update["shared_with"] = (*subscription.shared_with, account)
                elif (
                    subscription.accounts != held_by  # another account was faster; else it was admitted already
                    and self._taken(subscription)
                    and marketplace.capabilities.landing_proves
                ):
                    self._audit("claim_refused", marketplace, subscription, account)
                    raise _held_by_another(marketplace)
                else:
                    # Where only the activation proves the token, the marketplace itself has now moved the
                    # subscription to this account (Yandex: Claim after unlinking), and it is the truth.
                    update |= {"account": account, "shared_with": (), "activated_at": now}
            return subscription.model_copy(update=update)

        return bind

    def _admit(self, marketplace: Marketplace, known: Subscription, account: str, *, proven_later: bool) -> None:
        """Refuse a second account, and what has ended: unless a fresh token is still to be proven, which decides."""
        if known.accounts and account not in known.accounts and self._taken(known):
            self._audit("claim_refused", marketplace, known, account)
            raise _held_by_another(marketplace)
        if known.status is Status.ENDED and not proven_later:
            raise ConflictError(
                "The subscription has ended and cannot be activated.",
                marketplace=marketplace.name,
                operation="activate",
                code="subscription_ended",
                remedy="The buyer has to subscribe again on the marketplace.",
                buyer_message="This subscription has ended. Please subscribe again on the marketplace.",
            )

    def _taken(self, subscription: Subscription) -> bool:
        """Return whether the policy keeps a second account away."""
        match self._claim_policy:
            case "refuse":
                return True
            case "transfer_if_inactive":
                return subscription.status in {Status.ACTIVE, Status.PENDING}
            case _:
                return False

    def _audit(
        self,
        action: str,
        marketplace: Marketplace,
        known: Subscription | None,
        account: str,
        error: MarketplaceError | None = None,
    ) -> None:
        self._store.audit(
            AuditEntry(
                action=action,
                at=self._clock.now(),
                origin="activation",
                subscription=known.id if known else None,
                account=account,
                detail={
                    "marketplace": marketplace.name,
                    **({"error": type(error).__name__, "code": error.code} if error else {}),
                },
            )
        )


def _held_by_another(marketplace: Marketplace) -> ConflictError:
    # The other account is not named: this text may reach a buyer.
    return ConflictError(
        "The subscription belongs to another account already.",
        marketplace=marketplace.name,
        operation="activate",
        code="held_by_another_account",
        field="account",
        remedy="Sign in with that account, or let the seller choose another CROSSMARKET_CLAIM_POLICY.",
    )


def _with_buyer(marketplace: Marketplace, facts: Facts) -> Facts:
    """Add what else the marketplace tells about the buyer; that is optional, so that a failure costs nothing."""
    if not marketplace.capabilities.buyer_details or not isinstance(marketplace, TellsBuyer):
        return facts
    try:
        told = marketplace.buyer(facts)
    except CrossmarketError:
        return facts
    known = facts.buyer or Buyer()
    update = {name: value for name, value in dict(told).items() if value is not None and name != "details"}
    return facts.model_copy(
        update={"buyer": known.model_copy(update={**update, "details": known.details | told.details})}
    )


def _idempotency_key(marketplace: Marketplace, landing: Landing, account: str) -> str:
    """Return a UUID of version 4 that is the same for the same attempt, though the process died in between."""
    token = landing.token.get_secret_value() if landing.token else ""
    subject = landing.subscription.id if landing.subscription else ""
    digest = hashlib.sha256(f"{marketplace.name}\0{subject}\0{token}\0{account}".encode()).digest()
    return str(uuid.UUID(bytes=digest[:16], version=4))

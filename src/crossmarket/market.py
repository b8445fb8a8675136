"""Market: what applications call. It joins the other modules and holds no rules of its own."""

from __future__ import annotations

import contextlib
import functools
import secrets
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pydantic import SecretStr

from crossmarket import access, settings as settings_module
from crossmarket.activation import Activator
from crossmarket.catalog import Catalog
from crossmarket.clock import Clock, SystemClock
from crossmarket.connections import Connections
from crossmarket.errors import (
    ConflictError,
    InvalidArgumentError,
    NotFoundError,
    UnknownSubscriptionError,
)
from crossmarket.landing import land, reopen
from crossmarket.models import Buyer, Decision, Entitlement, Landing, Operation, Plan, Status, Subscription
from crossmarket.operation import wait_for
from crossmarket.plugins import MarketplacePlugin, Registry
from crossmarket.provider import (
    Cancels,
    Capabilities,
    ChangesPlan,
    ChangesQuantity,
    HasOperations,
    ListsPlans,
    Marketplace,
    TellsBuyer,
)
from crossmarket.reconcile import Drift, Report, reconcile, reconcile_all
from crossmarket.recorder import Recorder
from crossmarket.seal import Sealer
from crossmarket.settings import Settings
from crossmarket.store.contract import AuditEntry, Store

OPERATION_SECONDS = 30.0
"""How long a change that the seller asks for is waited for; afterwards a reconcile will tell."""


class Market:
    """All marketplaces, one store and one catalog.

    Make one with `Market.open()` and share it: its methods may be called from several threads. Nothing with a
    socket or a thread exists before it is needed.
    """

    def __init__(self, *, settings: Settings, store: Store, catalog: Catalog, registry: Registry, clock: Clock) -> None:
        self.settings = settings
        self.store = store
        self.catalog = catalog
        self.registry = registry
        self.clock = clock
        self._recorder = Recorder(store, clock)
        self._activator = Activator(store, self._recorder, clock, settings.claim_policy)
        self._connections = Connections(registry, settings, clock)
        self._policy = settings.access_policy

    def __repr__(self) -> str:
        return f"Market(providers={list(self.registry.names)})"

    @classmethod
    def open(
        cls,
        *,
        catalog: Catalog | Mapping[str, Any] | str | Path | None = None,
        clock: Clock | None = None,
        plugins: Collection[MarketplacePlugin] = (),
        settings: Settings | None = None,
        **arguments: Any,
    ) -> Self:
        """Open a market.

        Args:
            settings: All settings, gathered before; else they are gathered here.
            catalog: The catalog, its content, or its path; else the setting.
            clock: What tells the time; else the machine.
            plugins: Providers that need no entry point.
            arguments: Settings by name, such as `database_url="sqlite:///shop.db"`; and, by a provider's name,
                its options, such as `azure={"tenant_id": ...}`.

        Raises:
            ConfigurationError: A setting or the catalog is wrong.
            StoreError: The database is missing, older or newer, or out of reach.
        """
        settings = settings or settings_module.load(**arguments)
        registry = Registry(settings.providers, plugins)
        book = Catalog.gather(catalog, settings.catalog)
        book.check_marketplaces(registry.installed)
        from crossmarket.store.sql import open_store  # noqa: PLC0415 - slow to import

        store = open_store(settings.database_url.get_secret_value(), upgrade=settings.database_upgrade)
        return cls(settings=settings, store=store, catalog=book, registry=registry, clock=clock or SystemClock())

    def close(self) -> None:
        """Close all connections. The market may be used again afterwards."""
        self._connections.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def land(self, marketplace: str, token: str) -> Landing:
        """Exchange a landing token, as the query or the form of the landing page brought it.

        Nothing is billed and no account is bound. Landing again, also for a subscription that is known, changes
        nothing but what the marketplace itself says anew.

        Raises:
            InvalidTokenError: The token is empty, malformed, expired, or of another product or seller.
            MarketplaceError: The marketplace cannot be asked.
            UnknownMarketplaceError: There is no such provider.
        """
        provider = self._connections[marketplace]
        landing = land(provider, token, store=self.store, recorder=self._recorder, clock=self.clock)
        return self._sealable(landing)

    def unseal(self, text: str) -> Landing:
        """Open what `Landing.seal()` made, with the subscription as it stands now.

        Raises:
            SignatureError: It is altered, made with another key, or too old.
        """
        return self._sealable(reopen(self._sealer.unseal(text), self.store))

    def activate(self, landing: Landing | str, account: str) -> Subscription:
        """Tell the marketplace that the account is set up, and bind the account. Billing starts here.

        Doing it again for the same account changes nothing. The subscription returned may still be pending:
        some marketplaces confirm later, and `check()` says `pending` until then.

        Args:
            landing: What `land()` returned; or the id of a subscription that is known without a landing.
            account: The ISV's own account.

        Raises:
            ConflictError: Another account holds the subscription and the claim policy refuses a second one, or
                the subscription has ended.
            InvalidTokenError: The marketplace proves the token only now, and does not take it.
            MarketplaceError: The marketplace cannot be asked, or refuses; no account was bound.
            UnknownSubscriptionError: There is no subscription of that id.
        """
        if not isinstance(landing, Landing | str):
            raise InvalidArgumentError("Pass a landing, or the id of a subscription.", field="landing")
        if isinstance(landing, str):
            known = self._subscription(landing)
            landing = Landing(marketplace=known.marketplace, subscription=known)
        provider = self._connections[landing.marketplace]
        return self._present(self._activator.activate(provider, landing, account))

    def check(self, account: str, feature: str, quantity: float = 1) -> Decision:
        """Answer whether an account may use a feature now. No marketplace is asked.

        Args:
            account: The ISV's own account.
            feature: A feature of the catalog. One that the catalog does not know is never granted.
            quantity: How much of it is needed in all.

        Raises:
            InvalidArgumentError: Account or feature is no text, or the quantity is no number from 0 up.
            StoreError: The database is out of reach.
        """
        access.check_arguments(account, feature, quantity)
        held = self.store.list(account=account)
        return access.decide(account, feature, quantity, held, self.catalog, self._policy, self.clock.now())

    def entitlements(self, account: str) -> list[Entitlement]:
        """Return all features that an account may use now, across marketplaces, in alphabetical order."""
        access.check_account(account)
        held = self.store.list(account=account)
        return access.entitlements(account, held, self.catalog, self._policy, self.clock.now())

    def subscriptions(
        self,
        *,
        account: str | None = None,
        marketplace: str | None = None,
        status: Status | str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Subscription]:
        """Return the stored subscriptions that match every argument given, oldest first.

        Args:
            account: Held by this account.
            marketplace: On this marketplace.
            status: `pending`, `active`, `suspended`, `ended` or `unknown`.
            after: Only ids greater than this one: the last of the page before.
            limit: At most so many.

        Raises:
            InvalidArgumentError: There is no such status, the limit is not at least 1, or the account is empty.
        """
        if limit is not None and limit < 1:
            raise InvalidArgumentError("The limit must be at least 1.", field="limit")
        if account is not None:
            access.check_account(account)
        try:
            wanted = Status(status) if status is not None else None
        except ValueError:
            raise InvalidArgumentError(
                f"There is no status '{status}'.", field="status", remedy=f"It is one of: {', '.join(Status)}."
            ) from None
        found = self.store.list(account=account, marketplace=marketplace, status=wanted, after=after, limit=limit)
        return [self._present(subscription) for subscription in found]

    def subscription(self, subscription_id: str) -> Subscription:
        """Return one subscription as it is stored.

        Raises:
            UnknownSubscriptionError: There is none of that id.
        """
        return self._present(self._subscription(subscription_id))

    def history(self, subscription_id: str) -> list[Subscription]:
        """Return all versions of a subscription, the first one first.

        Raises:
            UnknownSubscriptionError: There is none of that id.
        """
        self._subscription(subscription_id)
        return list(self.store.history(subscription_id))

    def audit(self, subscription_id: str) -> list[AuditEntry]:
        """Return what was done to a subscription and why, the first one first.

        Raises:
            UnknownSubscriptionError: There is none of that id.
        """
        self._subscription(subscription_id)
        return list(self.store.audit_of(subscription_id))

    def reconcile(self, subscription_id: str) -> Drift:
        """Read the truth of one subscription, store what differs, and say what that was.

        Raises:
            UnknownSubscriptionError: There is none of that id.
        """
        known = self._subscription(subscription_id)
        return reconcile(self._connections[known.marketplace], self._recorder, known)

    def reconcile_all(self, marketplace: str | None = None) -> Report:
        """Read the truth of all subscriptions that have not ended, and find those that we do not know of.

        An end is read again for a week: a renewal that came late, or an answer that was wrong, takes it back.

        Args:
            marketplace: Only of this marketplace.
        """
        return reconcile_all(self._connections, self._recorder, self.store, marketplace, now=self.clock.now())

    def capabilities(self, marketplace: str) -> Capabilities:
        """Return what a marketplace can do, in the configured generation of its API."""
        return self._connections[marketplace].capabilities

    def plans(self, subscription_id: str) -> list[Plan]:
        """Return the plans that the marketplace offers to the buyer of a subscription.

        Raises:
            UnsupportedError: The marketplace does not tell.
        """
        known = self._subscription(subscription_id)
        return list(self._connections.power(known, ListsPlans).list_plans(known))

    def buyer(self, subscription_id: str) -> Buyer:
        """Ask the marketplace what it tells about the buyer.

        Raises:
            UnsupportedError: The marketplace tells nothing beyond the subscription.
        """
        known = self._subscription(subscription_id)
        return self._connections.power(known, TellsBuyer).buyer(known)

    def operations(self, subscription_id: str) -> list[Operation]:
        """Return what the marketplace has still to do for a subscription.

        Raises:
            UnsupportedError: The marketplace does not tell.
        """
        known = self._subscription(subscription_id)
        return list(self._connections.power(known, HasOperations).list_operations(known))

    def change_plan(self, subscription_id: str, plan: str) -> Subscription:
        """Change the plan on the marketplace, with the buyer's consent, and return what came of it.

        Args:
            subscription_id: Our id.
            plan: The plan's id on the marketplace.

        Raises:
            UnsupportedError: The seller cannot do that there.
            ConflictError: The marketplace refused or failed it, or does something else for it just now.
        """
        known = self._subscription(subscription_id)
        power = self._connections.power(known, ChangesPlan)
        return self._carry_out(known, lambda: power.change_plan(known, plan))

    def change_quantity(self, subscription_id: str, quantity: int) -> Subscription:
        """Change the quantity on the marketplace, with the buyer's consent, and return what came of it.

        Raises:
            UnsupportedError: The seller cannot do that there.
            ConflictError: The marketplace refused or failed it, or does something else for it just now.
            InvalidArgumentError: The quantity is no whole number from 1 up.
        """
        if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 1:
            raise InvalidArgumentError("The quantity must be a whole number from 1 up.", field="quantity")
        known = self._subscription(subscription_id)
        power = self._connections.power(known, ChangesQuantity)
        return self._carry_out(known, lambda: power.change_quantity(known, quantity))

    def cancel(self, subscription_id: str) -> Subscription:
        """Cancel on the marketplace, or ask the buyer to agree where that is needed, and return what came of it.

        Raises:
            UnsupportedError: The seller cannot do that there.
        """
        known = self._subscription(subscription_id)
        power = self._connections.power(known, Cancels)
        return self._carry_out(known, lambda: power.cancel(known))

    def marketplace(self, name: str) -> Marketplace:
        """Return a connected marketplace, for calls that have no equal elsewhere.

        Raises:
            UnknownMarketplaceError: There is no such provider.
            PluginError: It cannot be loaded.
            ConfigurationError: Its options are missing or wrong.
        """
        return self._connections[name]

    def _carry_out(self, known: Subscription, ask: Callable[[], Operation]) -> Subscription:
        """Ask for an operation, wait for it a while, and read the truth afterwards."""
        provider = self._connections[known.marketplace]
        operation = ask()
        if operation.id and isinstance(provider, HasOperations) and provider.capabilities.operations:
            with contextlib.suppress(NotFoundError):  # no trace of it: the truth, which is read next, will tell
                operation = wait_for(
                    operation,
                    lambda: provider.get_operation(known, operation.id),
                    clock=self.clock,
                    deadline=OPERATION_SECONDS,
                )
        if operation.status == "failed":
            raise ConflictError(
                f"The marketplace did not do it: {operation.message or 'it gave no reason'}.",
                marketplace=known.marketplace,
                operation=operation.action,
                code=operation.code,
            )
        facts = provider.read(known)
        stored = self._recorder.record(
            provider, facts, origin="operator", action=operation.action, subscription_id=known.id
        )
        return self._present(stored)

    def _subscription(self, subscription_id: str) -> Subscription:
        known = self.store.get(subscription_id)
        if known is None:
            raise UnknownSubscriptionError(
                f"There is no subscription '{subscription_id}'.",
                field="id",
                remedy="List them with: crossmarket subscriptions",
            )
        return known

    def _present(self, subscription: Subscription) -> Subscription:
        stand = access.standing(subscription, self.clock.now(), self._policy)
        return subscription.model_copy(update={"access": stand.live})

    def _sealable(self, landing: Landing) -> Landing:
        if landing.subscription is not None:
            landing = landing.model_copy(update={"subscription": self._present(landing.subscription)})
        landing._sealer = self._seal  # noqa: SLF001 - the one place that hands a landing its sealer
        return landing

    def _seal(self, landing: Landing) -> str:
        return self._sealer.seal(landing)

    @functools.cached_property  # the key may be in the database, and only a landing that is sealed needs it
    def _sealer(self) -> Sealer:
        keys = self.settings.secret_key or (
            SecretStr(self.store.constant("landing_key", lambda: secrets.token_urlsafe(32))),
        )
        return Sealer(keys, clock=self.clock, lifetime=self.settings.landing_seconds)

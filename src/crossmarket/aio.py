"""The same market, awaited: for asyncio and trio. The work is done by threads of a limited number.

from crossmarket import aio

market = await aio.Market.open()
decision = await market.check("acct_42", "seats", quantity=40)
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

import anyio
import anyio.to_thread

from crossmarket import market as sync
from crossmarket.catalog import Catalog
from crossmarket.clock import Clock
from crossmarket.models import Buyer, Decision, Entitlement, Landing, Operation, Plan, Status, Subscription
from crossmarket.plugins import MarketplacePlugin
from crossmarket.provider import Capabilities, Marketplace
from crossmarket.reconcile import Drift, Report
from crossmarket.settings import Settings
from crossmarket.store.contract import AuditEntry

P = ParamSpec("P")
T = TypeVar("T")

LAST_CALLS = 30.0
"""Seconds that `close()` waits for calls that are under way."""

THREADS = 16
"""How many calls of one market run at the same time; further ones wait."""


class Market:
    """`crossmarket.Market` with every method awaited; see there for arguments, answers and errors.

    Args:
        market: The market to call.
        threads: How many calls run at the same time.
    """

    def __init__(self, market: sync.Market, *, threads: int = THREADS) -> None:
        self.market = market
        self._threads = threads
        self._limiter: anyio.CapacityLimiter | None = None
        self._running = 0
        self._idle = threading.Condition()

    def __repr__(self) -> str:
        return f"aio.{self.market!r}"

    @classmethod
    async def open(
        cls,
        *,
        catalog: Catalog | Mapping[str, Any] | str | Path | None = None,
        clock: Clock | None = None,
        plugins: Collection[MarketplacePlugin] = (),
        settings: Settings | None = None,
        **arguments: Any,
    ) -> Self:
        """Open a market; see `crossmarket.Market.open`."""
        given = arguments | {"catalog": catalog, "clock": clock, "plugins": plugins, "settings": settings}
        return cls(await anyio.to_thread.run_sync(partial(sync.Market.open, **given)))

    async def close(self) -> None:
        """Close all connections, when the calls that are under way have ended.

        A call that asyncio cancels goes on in its thread until it ends, though nobody waits for it any more.
        """
        await anyio.to_thread.run_sync(self._close_when_idle)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self.close()

    async def land(self, marketplace: str, token: str) -> Landing:
        """Exchange a landing token; see `crossmarket.Market.land`."""
        return await self._run(self.market.land, marketplace, token)

    async def unseal(self, text: str) -> Landing:
        """Open a sealed landing; see `crossmarket.Market.unseal`."""
        return await self._run(self.market.unseal, text)

    async def activate(self, landing: Landing | str, account: str) -> Subscription:
        """Activate and bind an account; see `crossmarket.Market.activate`."""
        return await self._run(self.market.activate, landing, account)

    async def check(self, account: str, feature: str, quantity: float = 1) -> Decision:
        """Answer whether an account may use a feature now; see `crossmarket.Market.check`."""
        return await self._run(self.market.check, account, feature, quantity)

    async def entitlements(self, account: str) -> list[Entitlement]:
        """Return all features of an account; see `crossmarket.Market.entitlements`."""
        return await self._run(self.market.entitlements, account)

    async def subscriptions(
        self,
        *,
        account: str | None = None,
        marketplace: str | None = None,
        status: Status | str | None = None,
        after: str | None = None,
        limit: int | None = None,
    ) -> list[Subscription]:
        """Return the stored subscriptions; see `crossmarket.Market.subscriptions`."""
        return await self._run(
            self.market.subscriptions,
            account=account,
            marketplace=marketplace,
            status=status,
            after=after,
            limit=limit,
        )

    async def subscription(self, subscription_id: str) -> Subscription:
        """Return one subscription; see `crossmarket.Market.subscription`."""
        return await self._run(self.market.subscription, subscription_id)

    async def history(self, subscription_id: str) -> list[Subscription]:
        """Return all versions of a subscription; see `crossmarket.Market.history`."""
        return await self._run(self.market.history, subscription_id)

    async def audit(self, subscription_id: str) -> list[AuditEntry]:
        """Return what was done to a subscription; see `crossmarket.Market.audit`."""
        return await self._run(self.market.audit, subscription_id)

    async def reconcile(self, subscription_id: str) -> Drift:
        """Read the truth of one subscription; see `crossmarket.Market.reconcile`."""
        return await self._run(self.market.reconcile, subscription_id)

    async def reconcile_all(self, marketplace: str | None = None) -> Report:
        """Read the truth of all subscriptions; see `crossmarket.Market.reconcile_all`."""
        return await self._run(self.market.reconcile_all, marketplace)

    async def capabilities(self, marketplace: str) -> Capabilities:
        """Return what a marketplace can do; see `crossmarket.Market.capabilities`."""
        return await self._run(self.market.capabilities, marketplace)

    async def plans(self, subscription_id: str) -> list[Plan]:
        """Return the plans on offer; see `crossmarket.Market.plans`."""
        return await self._run(self.market.plans, subscription_id)

    async def buyer(self, subscription_id: str) -> Buyer:
        """Ask for the buyer; see `crossmarket.Market.buyer`."""
        return await self._run(self.market.buyer, subscription_id)

    async def operations(self, subscription_id: str) -> list[Operation]:
        """Return pending operations; see `crossmarket.Market.operations`."""
        return await self._run(self.market.operations, subscription_id)

    async def change_plan(self, subscription_id: str, plan: str) -> Subscription:
        """Change the plan; see `crossmarket.Market.change_plan`."""
        return await self._run(self.market.change_plan, subscription_id, plan)

    async def change_quantity(self, subscription_id: str, quantity: int) -> Subscription:
        """Change the quantity; see `crossmarket.Market.change_quantity`."""
        return await self._run(self.market.change_quantity, subscription_id, quantity)

    async def cancel(self, subscription_id: str) -> Subscription:
        """Cancel; see `crossmarket.Market.cancel`."""
        return await self._run(self.market.cancel, subscription_id)

    async def marketplace(self, name: str) -> Marketplace:
        """Return a connected marketplace, whose own methods block; see `crossmarket.Market.marketplace`."""
        return await self._run(self.market.marketplace, name)

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._threads)

        def counted() -> T:
            with self._idle:
                self._running += 1
            try:
                return function(*args, **kwargs)
            finally:
                with self._idle:
                    self._running -= 1
                    self._idle.notify_all()

        return await anyio.to_thread.run_sync(counted, limiter=self._limiter)

    def _close_when_idle(self) -> None:
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0, timeout=LAST_CALLS)
        self.market.close()

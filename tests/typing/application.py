"""An application as its author would write it: it has to pass the strictest check."""

from __future__ import annotations

from datetime import timedelta
from typing import assert_type

from crossmarket import (
    AccessPolicy,
    Buyer,
    Capabilities,
    Catalog,
    ConflictError,
    CrossmarketError,
    Decision,
    Entitlement,
    Landing,
    Market,
    MarketplaceError,
    Plan,
    Status,
    Subscription,
    aio,
)
from crossmarket.models import Operation
from crossmarket.plugins import MarketplacePlugin, hookimpl
from crossmarket.provider import Activation, Marketplace, ProviderConfig
from crossmarket.reconcile import Drift, Report
from crossmarket.store.contract import AuditEntry


def sell(token: str) -> str:
    with Market.open(catalog="catalog.toml", database_url="sqlite://", azure={"tenant_id": "t"}) as market:
        assert_type(market, Market)
        landing = market.land("azure", token)
        assert_type(landing, Landing)
        assert_type(landing.subscription, Subscription | None)
        assert_type(market.unseal(landing.seal()), Landing)
        try:
            subscription = market.activate(landing, account="acct")
        except ConflictError as error:
            assert_type(error.code, str | None)
            assert_type(error.retry_after, float | None)
            return error.message
        except MarketplaceError as error:
            return f"{error.marketplace} {error.request_id}" if error.retryable else str(error)
        except CrossmarketError as error:
            return error.remedy or ""
        assert_type(subscription, Subscription)
        assert_type(subscription.status, Status)
        assert_type(subscription.quantities, dict[str, bool | int | float | str])
        return subscription.id


def use(market: Market, subscription_id: str) -> None:
    decision = market.check("acct", "seats", quantity=2.5)
    assert_type(decision, Decision)
    assert_type(bool(decision), bool)
    assert_type(decision.limit, int | float | None)
    assert_type(market.entitlements("acct"), list[Entitlement])
    assert_type(market.subscriptions(account="acct", status=Status.ACTIVE, limit=5), list[Subscription])
    assert_type(market.subscriptions(status="active"), list[Subscription])
    assert_type(market.subscription(subscription_id), Subscription)
    assert_type(market.history(subscription_id), list[Subscription])
    assert_type(market.audit(subscription_id), list[AuditEntry])
    assert_type(market.reconcile(subscription_id), Drift)
    assert_type(market.reconcile_all(), Report)
    assert_type(market.capabilities("azure"), Capabilities)
    assert_type(market.plans(subscription_id), list[Plan])
    assert_type(market.buyer(subscription_id), Buyer)
    assert_type(market.operations(subscription_id), list[Operation])
    assert_type(market.change_plan(subscription_id, "gold"), Subscription)
    assert_type(market.change_quantity(subscription_id, 3), Subscription)
    assert_type(market.cancel(subscription_id), Subscription)
    assert_type(market.marketplace("azure"), Marketplace)
    assert_type(Catalog.load("catalog.toml").features, frozenset[str])
    AccessPolicy(stale_grace=timedelta(hours=1), stale_policy="allow")


async def use_awaited(token: str) -> Decision:
    async with await aio.Market.open(catalog={"plan": []}) as market:
        assert_type(market, aio.Market)
        landing = await market.land("azure", token)
        assert_type(await market.activate(landing, "acct"), Subscription)
        assert_type(await market.subscriptions(), list[Subscription])
        assert_type(await market.reconcile_all("azure"), Report)
        return await market.check("acct", "seats")


class AcmeConfig(ProviderConfig):
    key: str


def connect(config: AcmeConfig) -> Marketplace:
    raise NotImplementedError(config.key, config.clock.now(), Activation)


@hookimpl
def crossmarket_marketplace() -> MarketplacePlugin:
    return MarketplacePlugin(name="acme", config=AcmeConfig, connect=connect)

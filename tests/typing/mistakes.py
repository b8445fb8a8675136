"""Mistakes that a type checker has to find; the comment at each line is the error code that it must give."""

from __future__ import annotations

from crossmarket import AccessPolicy, Market, Nothing, Subscription, aio  # expect: attr-defined
from crossmarket.provider import Activation, Capabilities, Marketplace


def use(market: Market, subscription: Subscription) -> None:
    market.check("acct")  # expect: call-arg
    market.check("acct", "seats", quantity="3")  # expect: arg-type
    market.activate(42, "acct")  # expect: arg-type
    market.subscriptions("acct")  # expect: call-arg
    market.change_quantity(subscription.id, 2.5)  # expect: arg-type
    market.chek("acct", "seats")  # expect: attr-defined
    print(subscription.limit)  # expect: attr-defined
    number: int = market.check("acct", "seats").limit  # expect: assignment
    print(number, Nothing)
    AccessPolicy(stale_policy="perhaps")  # expect: arg-type
    Capabilities(landing="PUT", landing_parameter="token")  # expect: arg-type
    Activation(account="acct")  # expect: call-arg
    Marketplace()  # expect: abstract


async def use_awaited(market: aio.Market) -> None:
    print(market.check("acct", "seats").allowed)  # expect: attr-defined

"""A market and an emulator that face each other over HTTP, for the conformance kit and for acceptance tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from crossmarket.clock import Clock
from crossmarket.market import Market
from crossmarket.models import Landing, Subscription
from crossmarket.plugins import MarketplacePlugin
from crossmarket.provider import Marketplace
from crossmarket.settings import load, normal_name
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.emulator import Emulator, LandingRequest
from crossmarket.testing.server import serve

ACCOUNT = "acct_1"
OTHER_ACCOUNT = "acct_2"

LIVE = "CROSSMARKET_LIVE"
"""The variable that lets the conformance kit speak to the real marketplace that it names."""

NOWHERE = "http://127.0.0.1:9"
"""An address at which nothing listens."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is tested.

    Attributes:
        plugin: The provider, which brings an emulator.
        options: Options beyond those that the emulator gives, such as an API generation.
        arguments: Arguments of the buyer's actions that need some, by action, such as
            `{"change_plan": {"plan": "platinum"}}`.
        purchase: Arguments of every purchase.
    """

    plugin: MarketplacePlugin
    options: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    purchase: Mapping[str, Any] = field(default_factory=dict)

    def emulator(self, clock: Clock) -> Emulator:
        """Make the provider's emulator on a clock."""
        assert self.plugin.emulator is not None, f"the provider {self.plugin.name} brings no emulator"
        return self.plugin.emulator(clock=clock)


class Shop:
    """A market and an emulator that face each other over HTTP."""

    def __init__(self, subject: Subject, market: Market, emulator: Emulator) -> None:
        self.subject = subject
        self.market = market
        self.emulator = emulator
        self.name = subject.plugin.name

    @property
    def provider(self) -> Marketplace:
        """The connected marketplace."""
        return self.market.marketplace(self.name)

    def buy(self) -> str:
        """Buy, and return the purchase's id on the marketplace."""
        return self.emulator.buy(**self.subject.purchase)

    def token(self, purchase: str) -> str:
        """Open the landing link as the buyer, and return the token that it brings."""
        request = self.emulator.landing(purchase)
        return token_of(request, self.provider.capabilities.landing_parameter)

    def land(self, purchase: str) -> Landing:
        """Come to the landing page with a fresh token."""
        return self.market.land(self.name, self.token(purchase))

    def activate(self, purchase: str, account: str = ACCOUNT) -> Subscription:
        """Land and activate."""
        return self.market.activate(self.land(purchase), account)

    def act(self, purchase: str, action: str) -> None:
        """Do one of the buyer's actions, or skip the test where the buyer cannot."""
        if not self.emulator.can(action):
            pytest.skip(f"on {self.name} the buyer cannot {action}")
        self.emulator.act(purchase, action, **self.subject.arguments.get(action, {}))

    def reread(self, subscription: Subscription) -> Subscription:
        """Read the truth again, and return what is stored then."""
        drift = self.market.reconcile(subscription.id)
        assert drift.error is None, drift.error
        return self.market.subscription(subscription.id)

    def agrees(self, purchase: str, subscription: Subscription) -> None:
        """Assert that access, quantities and plan are what the emulator holds for true."""
        truth = self.emulator.describe(purchase)
        assert subscription.access == truth["live"]
        assert subscription.quantities == truth["quantities"]
        if subscription.plan is not None:
            assert subscription.plan == truth["plan"]


def token_of(request: LandingRequest, parameter: str) -> str:
    """Return the token that a landing request carries."""
    assert parameter in request.fields, f"the landing request has no field '{parameter}': {list(request.fields)}"
    return request.fields[parameter]


def address(emulator: Emulator, subject: Subject, url: str) -> dict[str, Any]:
    """Return the options with which the provider speaks to its emulator, with time-outs that tests can wait for."""
    return {**emulator.options(url), "connect_timeout": "1", "read_timeout": "0.5", **subject.options}


def open_market(
    subject: Subject,
    emulator: Emulator,
    url: str,
    folder: Path,
    catalog: Mapping[str, Any] | None = None,
    **settings: Any,
) -> Market:
    """Open a market on a SQLite file of the folder, whose one marketplace stands at that address.

    Args:
        subject: The provider.
        emulator: Gives the options and the clock.
        url: Where the marketplace is thought to be.
        folder: Where the file is.
        catalog: By default one that grants the feature `on` to every subscription.
        settings: Further settings. The environment has no say.
    """
    sold_as = [{"marketplace": emulator.name}]
    given: dict[str, Any] = {
        "database_url": f"sqlite:///{folder}/shop.db",
        "options": {normal_name(subject.plugin.name): address(emulator, subject, url)},
    }
    return Market.open(
        settings=load(only_arguments=True, **given | settings),
        catalog=catalog or {"plan": [{"name": "any", "features": {"on": True}, "sold_as": sold_as}]},
        clock=emulator.clock,
        plugins=[subject.plugin],
    )


@contextlib.contextmanager
def open_shop(subject: Subject, folder: Path, **arguments: Any) -> Iterator[Shop]:
    """Serve the emulator and open a market that speaks to it, on one clock that stands still."""
    emulator = subject.emulator(FakeClock())
    with serve(emulator.app) as url, open_market(subject, emulator, url, folder, **arguments) as market:
        yield Shop(subject, market, emulator)

"""The conformance kit: what every provider has to do, as tests that a provider's author inherits.

    class TestAcme(MarketplaceConformance):
        @pytest.fixture
        def subject(self) -> Subject:
            return Subject(plugin=crossmarket_marketplace())

Every test goes through `Market`, real HTTP and a real SQLite file. A test that needs a power asks the
capabilities, and one that needs the buyer's side asks the emulator; neither asks for a name. A standard test
may be overridden only with `pytest.mark.xfail` and a reason.

With `CROSSMARKET_LIVE=<marketplace>` in the environment, the tests that need no buyer run against the real
marketplace, with the settings of the environment; all others are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from crossmarket.errors import UnsupportedError
from crossmarket.market import Market
from crossmarket.plugins import API_VERSION
from crossmarket.provider import POWERS
from crossmarket.testing.conformance_changes import Changes
from crossmarket.testing.conformance_outages import Outages
from crossmarket.testing.conformance_purchases import Purchases
from crossmarket.testing.shop import LIVE, Shop, Subject, open_shop


class MarketplaceConformance(Purchases, Changes, Outages):
    """Inherit from this, and write the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> Subject:
        """Return what is tested."""
        raise NotImplementedError("write the fixture `subject`")

    @pytest.fixture
    def shop(self, subject: Subject, tmp_path: Path) -> Iterator[Shop]:
        """Open a market whose marketplace is the emulator."""
        if os.environ.get(LIVE):
            pytest.skip(f"needs the buyer's side, and {LIVE} is set")
        with open_shop(subject, tmp_path) as shop:
            yield shop

    @pytest.fixture
    def anywhere(self, subject: Subject, tmp_path: Path) -> Iterator[Market]:
        """Open a market whose marketplace is the real one where that is switched on, else the emulator."""
        live = os.environ.get(LIVE)
        if live:
            if live != subject.plugin.name:
                pytest.skip(f"{LIVE} is set for {live}")
            with Market.open(plugins=[subject.plugin], database_url=f"sqlite:///{tmp_path}/live.db") as market:
                yield market
            return
        with open_shop(subject, tmp_path) as shop:
            yield shop.market

    # What it announces

    def test_no_standard_test_is_overridden_without_a_reason(self) -> None:
        """An override needs an xfail that says why."""
        for name in dir(MarketplaceConformance):
            if name.startswith("test_") and getattr(type(self), name) is not getattr(MarketplaceConformance, name):
                marks = getattr(getattr(type(self), name), "pytestmark", [])
                reasons = [mark.kwargs.get("reason") for mark in marks if mark.name == "xfail"]
                assert any(reasons), f"{name} is overridden without pytest.mark.xfail(reason=...)"

    def test_the_plugin_announces_itself(self, subject: Subject) -> None:
        """Name, version and options are of the expected forms."""
        plugin = subject.plugin
        assert plugin.api_version == API_VERSION
        assert plugin.name == plugin.name.lower().strip()
        assert plugin.name
        assert issubclass(plugin.config, BaseModel)
        assert plugin.generations, "state the capabilities of each generation"

    def test_the_capabilities_are_those_of_a_generation(self, anywhere: Market, subject: Subject) -> None:
        """What the connected marketplace can do is what the plugin announced."""
        assert anywhere.capabilities(subject.plugin.name) in subject.plugin.generations.values()

    @pytest.mark.parametrize("power", sorted(POWERS))
    def test_a_stated_power_has_its_methods(self, anywhere: Market, subject: Subject, power: str) -> None:
        """A capability that is True has the Protocol's methods."""
        provider = anywhere.marketplace(subject.plugin.name)
        if getattr(provider.capabilities, power):
            assert isinstance(provider, POWERS[power])

    def test_a_power_that_is_not_stated_is_refused(self, shop: Shop) -> None:
        """Without the capability, `Market` says so, and the marketplace is not asked."""
        subscription = shop.activate(shop.buy())
        asks: dict[str, Callable[[], object]] = {
            "change_plan": lambda: shop.market.change_plan(subscription.id, "x"),
            "change_quantity": lambda: shop.market.change_quantity(subscription.id, 2),
            "cancel": lambda: shop.market.cancel(subscription.id),
            "list_plans": lambda: shop.market.plans(subscription.id),
            "buyer_details": lambda: shop.market.buyer(subscription.id),
            "operations": lambda: shop.market.operations(subscription.id),
        }
        for power, ask in asks.items():
            if not getattr(shop.provider.capabilities, power):
                before = len(shop.emulator.requests)
                with pytest.raises(UnsupportedError):
                    ask()
                assert len(shop.emulator.requests) == before, power

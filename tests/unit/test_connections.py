from __future__ import annotations

import threading

import pytest
from bazaar import Bazaar, BazaarConfig, ListingBazaar, held, plugin

from crossmarket.connections import Connections, connect
from crossmarket.errors import ConfigurationError, UnknownMarketplaceError, UnsupportedError
from crossmarket.plugins import MarketplacePlugin, Registry
from crossmarket.provider import POWERS, Cancels, ListsSubscriptions
from crossmarket.settings import load
from crossmarket.testing.clock import FakeClock

pytestmark = pytest.mark.usefixtures("no_settings")


def connections(bazaar: Bazaar, **options: str) -> Connections:
    settings = load(bazaar=options)
    return Connections(Registry(["bazaar"], [plugin(bazaar)]), settings, FakeClock())


def test_the_options_and_the_clock_reach_the_provider(clock: FakeClock) -> None:
    seen: list[BazaarConfig] = []

    def make(config: BazaarConfig) -> Bazaar:
        seen.append(config)
        return Bazaar()

    announced = MarketplacePlugin(name="bazaar", config=BazaarConfig, connect=make)
    connect(announced, load(bazaar={"seller": "contoso"}), clock)
    assert seen[0].seller == "contoso"
    assert seen[0].clock is clock


def test_wrong_options_are_named_as_variables_and_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        connections(Bazaar(), sellr="hush")["bazaar"]
    assert "CROSSMARKET_BAZAAR__SELLR is not known; did you mean 'seller'?" in str(caught.value)
    assert "hush" not in str(caught.value)


def test_each_marketplace_is_made_once_among_threads() -> None:
    made: list[Bazaar] = []

    def make(_: BazaarConfig) -> Bazaar:
        made.append(Bazaar())
        return made[-1]

    announced = MarketplacePlugin(name="bazaar", config=BazaarConfig, connect=make)
    together = Connections(Registry(["bazaar"], [announced]), load(), FakeClock())
    barrier = threading.Barrier(8)
    found: list[object] = []

    def work() -> None:
        barrier.wait(timeout=10)
        found.append(together["bazaar"])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(made) == 1
    assert found == made * 8


def test_an_unknown_one() -> None:
    with pytest.raises(UnknownMarketplaceError):
        connections(Bazaar())["fair"]


def test_a_power() -> None:
    bazaar = ListingBazaar()
    assert connections(bazaar).power(held(), ListsSubscriptions) is bazaar
    with pytest.raises(UnsupportedError, match="bazaar has no power 'cancel'") as caught:
        connections(bazaar).power(held(), Cancels)
    assert caught.value.field == "marketplace"


def test_a_power_needs_the_method_and_the_word() -> None:
    with pytest.raises(UnsupportedError):
        connections(Bazaar(list_subscriptions=True)).power(held(), ListsSubscriptions)

    class Silent(ListingBazaar):
        def __init__(self) -> None:
            Bazaar.__init__(self)

    with pytest.raises(UnsupportedError):
        connections(Silent()).power(held(), ListsSubscriptions)


def test_every_power_has_a_capability() -> None:
    capabilities = Bazaar().capabilities
    assert all(getattr(capabilities, name) is False for name in POWERS)


def test_close() -> None:
    bazaar = Bazaar()
    together = connections(bazaar)
    together.close()
    assert bazaar.closed == 0
    assert together["bazaar"] is bazaar
    together.close()
    assert bazaar.closed == 1
    assert together["bazaar"] is bazaar

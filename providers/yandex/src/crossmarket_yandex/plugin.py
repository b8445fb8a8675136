"""The entry point of the group `crossmarket.providers`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossmarket.plugins import MarketplacePlugin, hookimpl
from crossmarket_yandex.capabilities import SAAS
from crossmarket_yandex.config import YandexConfig

if TYPE_CHECKING:
    from crossmarket.clock import Clock
    from crossmarket.provider import Marketplace
    from crossmarket.testing.emulator import Emulator


def connect(config: YandexConfig) -> Marketplace:
    """Make the marketplace from checked options, without I/O.

    Raises:
        ConfigurationError: None or several credentials are set.
    """
    from crossmarket_yandex.marketplace import YandexMarketplace  # noqa: PLC0415 - loaded when it is used

    return YandexMarketplace(config)


def emulator(*, clock: Clock | None = None, landing_url: str = "") -> Emulator:
    """Make an emulator of the marketplace."""
    from crossmarket_yandex.emulator import YandexEmulator  # noqa: PLC0415 - needs the extra `testing`

    return YandexEmulator(clock=clock, landing_url=landing_url)


@hookimpl
def crossmarket_marketplace() -> MarketplacePlugin:
    """Announce the marketplace."""
    return MarketplacePlugin(
        name="yandex",
        title="Yandex Cloud Marketplace",
        config=YandexConfig,
        connect=connect,
        emulator=emulator,
        generations={"saas": SAAS},
    )

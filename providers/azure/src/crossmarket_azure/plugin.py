"""What this distribution announces to crossmarket. Imports no SDK and opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossmarket.plugins import MarketplacePlugin, hookimpl
from crossmarket_azure.capabilities import GENERATIONS
from crossmarket_azure.config import AzureConfig

if TYPE_CHECKING:
    from crossmarket.clock import Clock
    from crossmarket.testing.emulator import Emulator
    from crossmarket_azure.marketplace import AzureMarketplace


@hookimpl
def crossmarket_marketplace() -> MarketplacePlugin:
    """Return the announcement."""
    return MarketplacePlugin(
        name="azure",
        title="Microsoft Marketplace",
        config=AzureConfig,
        connect=connect,
        generations=GENERATIONS,
        emulator=emulator,
    )


def connect(config: AzureConfig) -> AzureMarketplace:
    """Make the marketplace from checked options, without I/O.

    Raises:
        ConfigurationError: Credentials are missing, or contradict one another.
    """
    from crossmarket_azure.marketplace import AzureMarketplace  # noqa: PLC0415 - only when the marketplace is used

    return AzureMarketplace(config)


def emulator(*, clock: Clock | None = None, landing_url: str = "") -> Emulator:
    """Make an emulator of this marketplace; needs the extra `crossmarket[testing]`."""
    from crossmarket_azure.emulator import AzureEmulator  # noqa: PLC0415 - needs packages that production has not

    return AzureEmulator(clock=clock, landing_url=landing_url)

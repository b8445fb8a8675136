"""What this provider announces to crossmarket. Imports no AWS SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossmarket.plugins import MarketplacePlugin, hookimpl
from crossmarket_aws.capabilities import GENERATIONS
from crossmarket_aws.config import AwsConfig

if TYPE_CHECKING:
    from crossmarket.clock import Clock
    from crossmarket.provider import Marketplace
    from crossmarket.testing.emulator import Emulator


def connect(config: AwsConfig) -> Marketplace:
    """Make the marketplace from checked options. Does no I/O.

    Raises:
        ConfigurationError: An option is missing, or two do not fit together.
    """
    from crossmarket_aws.marketplace import AwsMarketplace  # noqa: PLC0415 - the plugin itself stays light

    return AwsMarketplace(config)


def emulator(*, clock: Clock | None = None, landing_url: str = "") -> Emulator:
    """Make an emulator of AWS Marketplace; needs the extra `crossmarket[testing]`."""
    from crossmarket_aws.emulator import AwsEmulator  # noqa: PLC0415 - Starlette is only needed by emulators

    return AwsEmulator(clock=clock, landing_url=landing_url)


@hookimpl
def crossmarket_marketplace() -> MarketplacePlugin:
    """Announce AWS Marketplace."""
    return MarketplacePlugin(
        name="aws",
        title="AWS Marketplace",
        config=AwsConfig,
        connect=connect,
        generations=GENERATIONS,
        emulator=emulator,
    )

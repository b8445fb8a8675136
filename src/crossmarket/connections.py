"""The connected marketplaces of a market: made on first use, from checked options, and looked up by power."""

from __future__ import annotations

import threading
from typing import TypeVar

from pydantic import ValidationError

from crossmarket.clock import Clock
from crossmarket.errors import InvalidArgumentError, UnsupportedError
from crossmarket.models import Subscription
from crossmarket.options import setting
from crossmarket.plugins import MarketplacePlugin, Registry
from crossmarket.provider import POWERS, Marketplace
from crossmarket.settings import Settings, normal_name
from crossmarket.validation import configuration_error

Power = TypeVar("Power")


def connect(plugin: MarketplacePlugin, settings: Settings, clock: Clock) -> Marketplace:
    """Make a marketplace from the options in the settings, without I/O.

    Raises:
        ConfigurationError: An option is missing, unknown or wrong.
    """
    name = normal_name(plugin.name)
    try:
        config = plugin.config.model_validate(settings.options.get(name, {}), context={"clock": clock})
    except ValidationError as error:
        raise configuration_error(
            error,
            plugin.config,
            source=f"the options of {plugin.name}",
            name_of=lambda place: setting(plugin.name, place) if place else "",
        ) from None
    return plugin.connect(config)


class Connections:
    """Connects each marketplace once.

    Args:
        registry: The providers that may be used.
        settings: Holds their options.
        clock: What they go by.
    """

    def __init__(self, registry: Registry, settings: Settings, clock: Clock) -> None:
        self._registry = registry
        self._settings = settings
        self._clock = clock
        self._made: dict[str, Marketplace] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """The marketplaces that may be used."""
        return self._registry.names

    def configured(self, name: str) -> bool:
        """Return whether there are any options for a marketplace."""
        return bool(self._settings.options.get(normal_name(name)))

    def __getitem__(self, name: str) -> Marketplace:
        """Return a connected marketplace.

        Raises:
            UnknownMarketplaceError: There is no such provider, or the allow-list leaves it out.
            PluginError: It cannot be loaded.
            ConfigurationError: Its options are missing or wrong.
            InvalidArgumentError: The name is no text.
        """
        if not isinstance(name, str):
            raise InvalidArgumentError("The marketplace must be named by a text.", field="marketplace")
        with self._lock:
            if name not in self._made:
                self._made[name] = connect(self._registry[name], self._settings, self._clock)
            return self._made[name]

    def power(self, known: Subscription, protocol: type[Power]) -> Power:
        """Return the marketplace of a subscription as one that has a power.

        Raises:
            UnsupportedError: It has not, or not in this generation of its API.
        """
        marketplace = self[known.marketplace]
        power = next(name for name, kind in POWERS.items() if kind is protocol)
        if not getattr(marketplace.capabilities, power) or not isinstance(marketplace, protocol):
            raise UnsupportedError(
                f"{known.marketplace} has no power '{power}' for the seller.",
                field="marketplace",
                remedy="See Market.capabilities(), or the command: crossmarket providers",
            )
        return marketplace

    def close(self) -> None:
        """Close the connections of all marketplaces. They may be used again afterwards."""
        for marketplace in self._made.values():
            marketplace.close()

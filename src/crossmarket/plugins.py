"""Finding and loading providers. The only module that knows pluggy.

A provider is a distribution with an entry point in the group `crossmarket.providers`: its name is the
marketplace's, its value a module (or object) with one hook implementation::

    from crossmarket.plugins import MarketplacePlugin, hookimpl

    @hookimpl
    def crossmarket_marketplace() -> MarketplacePlugin:
        return MarketplacePlugin(name="acme", config=AcmeConfig, connect=connect)

Loading is lazy (the module is imported when its marketplace is first used) and isolated (a provider that
fails to load is reported by name and disturbs no other).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Protocol

import pluggy
from pydantic import BaseModel

from crossmarket.clock import Clock
from crossmarket.errors import PluginError, UnknownMarketplaceError
from crossmarket.provider import Capabilities, Marketplace

if TYPE_CHECKING:
    from crossmarket.testing.emulator import Emulator

GROUP = "crossmarket.providers"
API_VERSION = 1

hookspec = pluggy.HookspecMarker("crossmarket")
hookimpl = pluggy.HookimplMarker("crossmarket")


class EmulatorFactory(Protocol):
    """Makes an emulator: on a clock, sending the buyer to a landing page; both have defaults."""

    def __call__(self, *, clock: Clock | None = None, landing_url: str = "") -> Emulator:
        """Make one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MarketplacePlugin:
    """What a provider announces.

    Attributes:
        name: The marketplace's name: lower-case letters, digits and hyphens, the same as the entry point's.
        config: The pydantic model of its options, usually a `ProviderConfig`.
        connect: Makes the marketplace from checked options. Does no I/O.
        api_version: The version of this interface that the provider was written for.
        title: The marketplace's name for people.
        generations: What each generation of the marketplace's API can do, by its name; the first is the default.
        emulator: Makes an emulator of the marketplace, where the provider brings one.
    """

    name: str
    config: type[BaseModel]
    connect: Callable[[Any], Marketplace]
    api_version: int = API_VERSION
    title: str = ""
    generations: Mapping[str, Capabilities] = field(default_factory=dict)
    emulator: EmulatorFactory | None = None


class Hooks:
    """The one hook that providers implement."""

    @hookspec(firstresult=True)
    def crossmarket_marketplace(self) -> MarketplacePlugin:
        """Return what this provider announces; called once, when the marketplace is first used."""
        raise NotImplementedError


class Registry:
    """The providers that are installed and allowed.

    Args:
        allowed: Names that may be used; None allows all that are installed.
        plugins: Providers given by the application itself, which need no entry point.
    """

    def __init__(self, allowed: Collection[str] | None = None, plugins: Collection[MarketplacePlugin] = ()) -> None:
        self._allowed = frozenset(allowed) if allowed is not None else None
        self._given = {plugin.name: plugin for plugin in plugins}
        self._loaded: dict[str, MarketplacePlugin] = dict(self._given)
        self._found: Mapping[str, EntryPoint] | None = None

    @property
    def installed(self) -> tuple[str, ...]:
        """The names of all installed providers, allowed or not."""
        return tuple(sorted({*self._entry_points, *self._given}))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the providers that may be used."""
        return tuple(name for name in self.installed if self._allowed is None or name in self._allowed)

    @property
    def _entry_points(self) -> Mapping[str, EntryPoint]:
        if self._found is None:
            self._found = {entry.name: entry for entry in entry_points(group=GROUP)}
        return self._found

    def __getitem__(self, name: str) -> MarketplacePlugin:
        """Load one provider.

        Raises:
            UnknownMarketplaceError: None of that name is installed, or the allow-list leaves it out.
            PluginError: It is installed but cannot be loaded; the cause is attached.
        """
        if name not in self.names:
            raise self._unknown(name)
        if name not in self._loaded:
            self._loaded[name] = _load(self._entry_points[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names that may be used."""
        return iter(self.names)

    def broken(self) -> dict[str, PluginError]:
        """Load every allowed provider, and return the errors of those that fail, by name."""
        errors = {}
        for name in self.names:
            try:
                self[name]
            except PluginError as error:
                errors[name] = error
        return errors

    def missing(self) -> tuple[str, ...]:
        """Return the names that the allow-list holds although no such provider is installed."""
        return tuple(sorted((self._allowed or frozenset()) - set(self.installed)))

    def _unknown(self, name: str) -> UnknownMarketplaceError:
        if name in self.installed:
            return UnknownMarketplaceError(
                f"The provider '{name}' is installed, but the setting CROSSMARKET_PROVIDERS leaves it out.",
                field="providers",
                remedy=f"Add '{name}' to CROSSMARKET_PROVIDERS.",
            )
        near = difflib.get_close_matches(name, self.installed, n=1)
        guess = f" Did you mean '{near[0]}'?" if near else ""
        there = ", ".join(self.names) or "none"
        return UnknownMarketplaceError(
            f"There is no provider for the marketplace '{name}' (there are: {there}).{guess}",
            field="marketplace",
            remedy=f"Install it, for example with: pip install crossmarket-{name}" if not near else None,
        )


def _load(entry: EntryPoint) -> MarketplacePlugin:
    """Load one entry point in a plugin manager of its own, so that it cannot disturb another."""
    manager = pluggy.PluginManager("crossmarket")
    manager.add_hookspecs(Hooks)
    origin = f"The provider '{entry.name}' ({entry.value})"
    try:
        manager.register(entry.load(), name=entry.name)
        manager.check_pending()
        plugin = manager.hook.crossmarket_marketplace()
    # A stranger's module may raise anything at import, SystemExit included.
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{origin} cannot be loaded: {type(error).__name__}: {error}",
            field=entry.name,
            remedy="Install it again, or leave it out by CROSSMARKET_PROVIDERS.",
        ) from error
    if not isinstance(plugin, MarketplacePlugin):
        raise PluginError(
            f"{origin} announces no MarketplacePlugin.",
            field=entry.name,
            remedy="Its hook crossmarket_marketplace() must return one.",
        )
    if plugin.api_version != API_VERSION:
        raise PluginError(
            f"{origin} is for version {plugin.api_version} of the plugin interface; this is {API_VERSION}.",
            field=entry.name,
            remedy="Install versions of crossmarket and of the provider that belong together.",
        )
    if plugin.name != entry.name:
        raise PluginError(
            f"{origin} announces another name, '{plugin.name}'.",
            field=entry.name,
            remedy="The entry point and the plugin must have the same name.",
        )
    return plugin

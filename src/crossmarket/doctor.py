"""What is wrong with an installation, and what to do about it. Changes nothing, and never raises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crossmarket import settings as settings_module
from crossmarket.catalog import Catalog
from crossmarket.clock import SystemClock
from crossmarket.connections import connect
from crossmarket.errors import ConfigurationError, CrossmarketError, PluginError, StoreError
from crossmarket.models import Finding, Status
from crossmarket.plugins import Registry
from crossmarket.settings import Settings
from crossmarket.store.contract import Store
from crossmarket.validation import near_miss


def examine(**arguments: Any) -> Iterator[Finding]:
    """Look at settings, store, catalog and every provider, and yield what was found.

    Args:
        arguments: As for `Market.open()`.
    """
    try:
        settings = settings_module.load(**arguments)
    except ConfigurationError as error:
        yield _error("settings", error)
        return
    registry = Registry(settings.providers)
    yield from _settings(registry)
    catalog = None
    try:
        catalog = Catalog.gather(None, settings.catalog)
        catalog.check_marketplaces(registry.installed)
    except ConfigurationError as error:
        yield _error("catalog", error)
    if catalog is not None:
        yield from _catalog(catalog, registry)
    store = None
    try:
        store = _look_into_store(settings)
        yield Finding(level="ok", subject="store", message="The database is in reach and of this version.")
    except (StoreError, ConfigurationError) as error:
        yield _error("store", error)
    if catalog is not None and store is not None:
        yield from _gaps(catalog, store)
        store.close()
    for name in registry.names:
        yield from _provider(name, settings, registry)
    for name in registry.missing():
        meant = near_miss(name, registry.installed)
        yield Finding(
            level="error",
            subject=name,
            message="CROSSMARKET_PROVIDERS allows it, but it is not installed.",
            remedy=f"Did you mean '{meant}'?" if meant else f"pip install crossmarket-{name}",
        )


def _settings(registry: Registry) -> Iterator[Finding]:
    unknown = settings_module.unknown_variables(registry.installed)
    for name, meant in unknown.items():
        yield Finding(
            level="warning",
            subject="settings",
            message=f"The environment variable {name} is no setting and has no effect.",
            remedy=f"Did you mean {meant}?" if meant else "Remove it, or install the provider that it is for.",
        )
    if not unknown:
        yield Finding(level="ok", subject="settings", message="All settings are known.")


def _catalog(catalog: Catalog, registry: Registry) -> Iterator[Finding]:
    if not catalog.features:
        yield Finding(
            level="warning",
            subject="catalog",
            message="There is no catalog, so that check() grants nothing.",
            remedy="Write catalog.toml, or set CROSSMARKET_CATALOG to its path.",
        )
        return
    yield Finding(
        level="ok",
        subject="catalog",
        message=f"{len(catalog.plan)} plans, {len(catalog.features)} features.",
    )
    sold_on = frozenset(line.marketplace for plan in catalog.plan for line in plan.sold_as)
    for name in sorted(catalog.marketplaces - set(registry.names)):
        yield Finding(
            level="warning",
            subject="catalog",
            message=f"It sells on '{name}', for which no provider may be used here.",
            remedy=f"Install the provider, or add '{name}' to CROSSMARKET_PROVIDERS.",
        )
    for name in sorted(sold_on - set(catalog.listing)):
        yield Finding(
            level="warning",
            subject="catalog",
            message=f"It has no listing for '{name}', so that decisions cannot tell a buyer where to subscribe.",
            remedy=f'Add under [listing]: {name} = "https://..."',
        )


def _look_into_store(settings: Settings) -> Store:
    from crossmarket.store.sql import SqlStore  # noqa: PLC0415 - slow to import

    store = SqlStore(settings.database_url.get_secret_value())
    store.prepare(upgrade=False)
    return store


def _gaps(catalog: Catalog, store: Store) -> Iterator[Finding]:
    """Name live subscriptions that were bought and paid for and that the catalog says nothing about."""
    for subscription in store.list():
        if subscription.status is not Status.ENDED and not catalog.knows(subscription):
            sold = {
                "product": subscription.product,
                "plan": subscription.plan,
                "dimensions": ", ".join(subscription.quantities) or None,
            }
            told = ", ".join(f"{name} {value}" for name, value in sold.items() if value)
            yield Finding(
                level="warning",
                subject="catalog",
                message=f"The subscription {subscription.id} ({subscription.marketplace} {told}) is in no line, "
                "so that it grants nothing.",
                remedy="Add a sold_as line for it to a plan or a limit.",
            )


def _provider(name: str, settings: Settings, registry: Registry) -> Iterator[Finding]:
    try:
        plugin = registry[name]
    except PluginError as error:
        yield _error(name, error)
        return
    if not settings.options.get(settings_module.normal_name(name)):
        yield Finding(
            level="warning",
            subject=name,
            message="It is installed but has no options.",
            remedy=f"Set CROSSMARKET_{name.upper()}__..., or leave it out of CROSSMARKET_PROVIDERS.",
        )
        return
    try:
        marketplace = connect(plugin, settings, SystemClock())
    except CrossmarketError as error:
        yield _error(name, error)
        return
    yield from marketplace.diagnose()
    marketplace.close()


def _error(subject: str, error: CrossmarketError) -> Finding:
    return Finding(
        level="error",
        subject=subject,
        message=error.message,
        remedy=error.remedy or "See the documentation of the settings.",
    )

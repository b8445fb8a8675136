"""What is wrong with an installation, and what to do about it. Changes nothing, and never raises."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from crossmarket import settings as settings_module
from crossmarket.catalog import Catalog
from crossmarket.clock import Clock, SystemClock
from crossmarket.connections import connect
from crossmarket.errors import ConfigurationError, CrossmarketError, PluginError, StoreError
from crossmarket.models import Finding, Status, Subscription
from crossmarket.options import setting
from crossmarket.plugins import MarketplacePlugin, Registry
from crossmarket.provider import failure
from crossmarket.settings import Settings
from crossmarket.store.contract import Store
from crossmarket.validation import near_miss

UNREAD = timedelta(days=1)
"""How long a live subscription may go unread before it is worth a word."""

PAGE = 1000


def examine(
    *,
    catalog: Catalog | Mapping[str, Any] | str | Path | None = None,
    clock: Clock | None = None,
    plugins: Collection[MarketplacePlugin] = (),
    **arguments: Any,
) -> Iterator[Finding]:
    """Look at settings, store, catalog and every provider, and yield what was found.

    Args:
        catalog: As for `Market.open()`, and so are the others.
        clock: What tells the time.
        plugins: Providers that need no entry point.
        arguments: Settings by name.
    """
    try:
        settings = settings_module.load(**arguments)
    except ConfigurationError as error:
        yield _error("settings", error)
        return
    registry = Registry(settings.providers, plugins)
    yield from _settings(settings, registry)
    book = None
    try:
        book = Catalog.gather(catalog, settings.catalog)
        book.check_marketplaces(registry.installed)
    except ConfigurationError as error:
        yield _error("catalog", error)
    if book is not None:
        yield from _catalog(book, registry)
    yield from _store(settings, book, clock or SystemClock())
    for name in registry.names:
        try:
            yield from _provider(name, settings, registry, clock or SystemClock())
        except Exception as error:  # noqa: BLE001 - a stranger's provider may raise anything
            yield Finding(
                level="error",
                subject=name,
                message=f"The provider failed in a way that none may: {type(error).__name__}.",
                remedy="Tell its maintainers.",
            )
    for name in registry.missing():
        meant = near_miss(name, registry.installed)
        yield Finding(
            level="error",
            subject=name,
            message="CROSSMARKET_PROVIDERS allows it, but it is not installed.",
            remedy=f"Did you mean '{meant}'?" if meant else f"pip install crossmarket-{name}",
        )


def _settings(settings: Settings, registry: Registry) -> Iterator[Finding]:
    tables = {settings_module.normal_name(name) for name in registry.installed}
    unknown = settings_module.unknown_variables(registry.installed)
    told = {
        settings_module.normal_name(name.removeprefix(settings_module.PREFIX).partition("__")[0]) for name in unknown
    }
    strangers = sorted(set(settings.options) - tables - told)
    for table in strangers:
        meant = near_miss(table, tables)
        yield Finding(
            level="warning",
            subject="settings",
            message=f"There are options for '{table}', which is no provider that is installed.",
            remedy=f"Did you mean '{meant}'?" if meant else f"pip install crossmarket-{table}, or remove them.",
        )
    for name, meant in unknown.items():
        yield Finding(
            level="warning",
            subject="settings",
            message=f"The environment variable {name} is no setting and has no effect.",
            remedy=f"Did you mean {meant}?" if meant else "Remove it, or install the provider that it is for.",
        )
    if not unknown and not strangers:
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


def _store(settings: Settings, catalog: Catalog | None, clock: Clock) -> Iterator[Finding]:
    from crossmarket.store.sql import SqlStore  # noqa: PLC0415 - slow to import

    store: Store | None = None
    try:
        store = SqlStore(settings.database_url.get_secret_value())
        if (path := _not_writable(settings)) is not None:
            yield Finding(
                level="error",
                subject="store",
                message=f"{path} cannot be written." if path.exists() else f"There is no directory {path}.",
                remedy="Make it, give this user the right to write, or set CROSSMARKET_DATABASE_URL.",
            )
            return
        if _makes_its_tables(settings, store):
            yield Finding(level="ok", subject="store", message="The tables are made, or upgraded, at first use.")
            return
        store.prepare(upgrade=False)
        yield Finding(level="ok", subject="store", message="The database is in reach and of this version.")
        yield from _subscriptions(catalog, store, clock.now())
    except (StoreError, ConfigurationError) as error:
        yield _error("store", error)
    finally:
        if store is not None:
            store.close()


def _not_writable(settings: Settings) -> Path | None:
    """Return the file or the directory that SQLite has to write and cannot."""
    from sqlalchemy import make_url  # noqa: PLC0415 - slow to import

    url = make_url(settings.database_url.get_secret_value())
    if url.get_backend_name() != "sqlite" or not url.database or url.database.startswith((":memory:", "file:")):
        return None
    file = Path(url.database)
    needed = [file.parent, file] if file.exists() else [file.parent]
    return next((path for path in needed if not os.access(path, os.W_OK)), None)


def _makes_its_tables(settings: Settings, store: Store) -> bool:
    """Return whether `Market.open()` would make or upgrade the tables by itself; a newer revision it refuses."""
    if settings.database_upgrade is False or not settings.database_url.get_secret_value().startswith("sqlite"):
        return False
    present, needed = store.revision()
    return present is None or present < needed


def _subscriptions(catalog: Catalog | None, store: Store, now: datetime) -> Iterator[Finding]:
    """Name what was bought and is in no line of the catalog, and say how many have not been read for long."""
    gaps: Counter[str] = Counter()
    unread = 0
    for subscription in _live(store):
        unread += now - subscription.observed_at > UNREAD
        if catalog is not None and not catalog.knows(subscription):
            sold = {
                "product": subscription.product,
                "plan": subscription.plan,
                "dimensions": ", ".join(sorted(subscription.quantities)) or None,
            }
            told = ", ".join(f"{name} {value}" for name, value in sold.items() if value)
            gaps[f"{subscription.marketplace} {told}"] += 1
    for sold_as, count in sorted(gaps.items()):
        yield Finding(
            level="warning",
            subject="catalog",
            message=f"No line is about {sold_as}, so that {count} subscription(s) grant nothing.",
            remedy="Add a sold_as line for it to a plan or a limit.",
        )
    if unread:
        yield Finding(
            level="warning",
            subject="store",
            message=f"{unread} subscription(s) have not been read from their marketplace for more than a day.",
            remedy="Run regularly: crossmarket reconcile",
        )


def _live(store: Store) -> Iterator[Subscription]:
    """Yield all subscriptions that have not ended, a page at a time."""
    last: str | None = None
    while page := store.list(after=last, limit=PAGE):
        yield from (subscription for subscription in page if subscription.status is not Status.ENDED)
        last = page[-1].id


def _provider(name: str, settings: Settings, registry: Registry, clock: Clock) -> Iterator[Finding]:
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
            remedy=f"Set {setting(name, '...')}, or leave it out of CROSSMARKET_PROVIDERS.",
        )
        return
    try:
        marketplace = connect(plugin, settings, clock)
    except CrossmarketError as error:
        yield _error(name, error)
        return
    try:
        for finding in marketplace.diagnose():
            told = finding.message if finding.subject == name else f"{finding.subject}: {finding.message}"
            yield finding.model_copy(update={"subject": name, "message": told})
    finally:
        marketplace.close()


def _error(subject: str, error: CrossmarketError) -> Finding:
    return failure(subject, error, remedy="See the documentation of the settings.")

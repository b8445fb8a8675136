"""Reconcile: the truth is read again, compared with the snapshot, and what differs is stored and reported."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import Field

from crossmarket.connections import Connections
from crossmarket.errors import ConfigurationError, CrossmarketError, PluginError, StoreError
from crossmarket.models import Frozen, Status, Subscription
from crossmarket.provider import ListsSubscriptions, Marketplace
from crossmarket.recorder import OvertakenError, Recorder
from crossmarket.snapshot import Change, changes_between
from crossmarket.store.contract import Store

logger = logging.getLogger(__name__)

REVISIT = timedelta(days=7)
"""For how long after it was stored an end is looked at again."""


class Drift(Frozen):
    """What one read of the truth found.

    Attributes:
        subscription: Our id.
        marketplace: Where it was read.
        kind: `none`, `changed`, `found` (the marketplace has it, we did not) or `unread` (it could not be read).
        version: The version that is stored now.
        changes: The fields that differ, where it is `changed`.
        error: Why it could not be read.
    """

    subscription: str
    marketplace: str
    kind: str
    version: int
    changes: tuple[Change, ...] = ()
    error: str | None = None


class Report(Frozen):
    """What a reconcile of many found; `drift` leaves out those where nothing differs.

    Attributes:
        checked: How many subscriptions were read.
        drift: Those that differ, were found, or could not be read.
        errors: Marketplaces whose list could not be read, and why.
    """

    checked: int
    drift: tuple[Drift, ...] = ()
    errors: dict[str, str] = Field(default_factory=dict)


def reconcile(
    marketplace: Marketplace, recorder: Recorder, subscription: Subscription, *, origin: str = "reconcile"
) -> Drift:
    """Read the truth of one subscription and store what differs.

    A marketplace that cannot be read changes nothing but the mark that the snapshot is stale. The same goes for
    a provider that fails in a way that it should not: it must not keep the other subscriptions from being read.
    What was stored while the read was under way (an activation, a cancellation) is newer: then it is read again.
    """
    current = subscription
    for last in (False, True):  # no oftener, for another machine's clock may be ahead of ours
        began = recorder.now()
        try:
            facts = marketplace.read(current)
        except Exception as error:  # noqa: BLE001 - whatever a stranger's provider raises
            told = _told(error)
            logger.warning("subscription %s cannot be read: %s", subscription.id, told)
            return _drift(recorder.mark_unread(current), "unread", error=told)
        try:
            stored = recorder.record(
                marketplace,
                facts,
                origin=origin,
                action="reconciled",
                subscription_id=subscription.id,
                read_since=None if last else began,
            )
        except OvertakenError:
            current = recorder.newest(subscription)
            continue
        changes = changes_between(subscription, stored)
        return _drift(stored, "changed" if changes else "none", changes=changes)
    raise AssertionError("unreachable")


def reconcile_marketplace(
    marketplace: Marketplace, recorder: Recorder, subscriptions: Sequence[Subscription]
) -> Report:
    """Read every known subscription of a marketplace, and where it has a list, find the unknown ones."""
    drift = [reconcile(marketplace, recorder, subscription) for subscription in subscriptions]
    errors = {}
    try:
        drift += _find_unknown(marketplace, recorder)
    except StoreError:
        raise
    except Exception as error:  # noqa: BLE001 - as in `reconcile`
        errors[marketplace.name] = _told(error)
    return Report(checked=len(drift), drift=tuple(item for item in drift if item.kind != "none"), errors=errors)


def reconcile_all(
    connections: Connections, recorder: Recorder, store: Store, marketplace: str | None, *, now: datetime
) -> Report:
    """Read the truth of one marketplace, or of all; see `Market.reconcile_all`.

    A provider that is installed along with the others, has no options and holds no subscription is not in use,
    and is passed over.
    """
    reports = []
    for name in [marketplace] if marketplace else connections.names:
        stored = store.list(marketplace=name)
        held = [item for item in stored if item.status is not Status.ENDED or item.updated_at > now - REVISIT]
        try:
            provider = connections[name]
        except (PluginError, ConfigurationError) as error:
            in_use = held or marketplace or connections.configured(name)
            if isinstance(error, ConfigurationError) and not in_use:
                continue
            reports.append(Report(checked=0, errors={name: str(error)}))
            continue
        reports.append(reconcile_marketplace(provider, recorder, held))
    return Report(
        checked=sum(report.checked for report in reports),
        drift=tuple(drift for report in reports for drift in report.drift),
        errors={name: error for report in reports for name, error in report.errors.items()},
    )


def _told(error: Exception) -> str:
    """Return the text of an error of ours; of any other only its kind, for nobody knows what its text holds."""
    return str(error) if isinstance(error, CrossmarketError) else f"The provider failed ({type(error).__name__})."


def _find_unknown(marketplace: Marketplace, recorder: Recorder) -> list[Drift]:
    if not marketplace.capabilities.list_subscriptions or not isinstance(marketplace, ListsSubscriptions):
        return []
    found = []
    for facts in marketplace.list_subscriptions():
        if recorder.owner(marketplace.name, facts.aliases) is None:
            stored = recorder.record(marketplace, facts, origin="reconcile", action="found")
            found.append(_drift(stored, "found"))
    return found


def _drift(
    subscription: Subscription, kind: str, *, changes: tuple[Change, ...] = (), error: str | None = None
) -> Drift:
    return Drift(
        subscription=subscription.id,
        marketplace=subscription.marketplace,
        kind=kind,
        version=subscription.version,
        changes=changes,
        error=error,
    )

"""Snapshots: what a marketplace says now, compared with the version that is stored. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta

from pydantic import JsonValue

from crossmarket.identifiers import new_id
from crossmarket.models import Alias, Buyer, Facts, Frozen, Status, Subscription

BOOKKEEPING = frozenset({"version", "observed_at", "stale_since", "updated_at", "access"})
"""Fields in which two versions may differ although nothing happened."""


class Change(Frozen):
    """One field that differs: what it was and what it is, as JSON."""

    field: str
    before: JsonValue
    after: JsonValue


def evolve(
    previous: Subscription | None,
    facts: Facts,
    *,
    marketplace: str,
    now: datetime,
    lag: timedelta = timedelta(0),
) -> Subscription:
    """Return the next version, or the same version with a later `observed_at` where nothing differs.

    A status word that we do not know leaves the status, and all other facts that access is decided by, as they
    were, and marks the snapshot unrecognised: it neither grants nor revokes. A read that still shows `pending`
    within `lag` of our own activation is older than the stored state (Azure says PendingFulfillmentStart for
    minutes) and changes nothing. What is known about the buyer is never overwritten with nothing.
    """
    told = {name: getattr(facts, name) for name in Facts.model_fields}  # and no more, were it a Subscription
    if previous is None:
        return Subscription(
            **told, id=new_id(now), marketplace=marketplace, observed_at=now, created_at=now, updated_at=now
        )
    if _lags(previous, facts, now, lag):
        return previous.model_copy(update={"observed_at": now})
    known = told | {
        "starts_at": _begun(previous, facts, now),
        "aliases": _union(previous.aliases, facts.aliases),
        "buyer": _richer(previous.buyer, facts.buyer),
    }
    unrecognised = False
    if facts.status is Status.UNKNOWN and previous.status is not Status.UNKNOWN:
        # Plan, quantities and dates are what access is decided by as much as the status is.
        kept = {"aliases", "buyer", "provider_state"}
        known = {name: known[name] for name in kept}
        unrecognised = True
    candidate = previous.model_copy(
        update=known | {"observed_at": now, "stale_since": None, "unrecognised": unrecognised}
    )
    return next_version(previous, candidate, now)


def next_version(previous: Subscription, candidate: Subscription, now: datetime) -> Subscription:
    """Return the candidate with the version after `previous`, or with the same one where nothing differs."""
    if not changes_between(previous, candidate):
        return candidate.model_copy(update={"version": previous.version, "updated_at": previous.updated_at})
    return candidate.model_copy(update={"version": previous.version + 1, "updated_at": now})


def changes_between(previous: Subscription, candidate: Subscription) -> tuple[Change, ...]:
    """Return the fields that differ, apart from bookkeeping."""
    before, after = previous.model_dump(mode="json"), candidate.model_dump(mode="json")
    return tuple(
        Change(field=name, before=before[name], after=after[name])
        for name in after
        if name not in BOOKKEEPING and _text(before[name]) != _text(after[name])
    )


def _text(value: JsonValue) -> str:
    """Return what two values are compared by: to Python, 1 is True (a limit and none), and NaN is not NaN."""
    return json.dumps(value, sort_keys=True)


def _lags(previous: Subscription, facts: Facts, now: datetime, lag: timedelta) -> bool:
    return (
        previous.status is Status.ACTIVE
        and facts.status is Status.PENDING
        and previous.activated_at is not None
        and now < previous.activated_at + lag
    )


def _begun(previous: Subscription, facts: Facts, now: datetime) -> datetime | None:
    """Keep the start of a term that runs, where the marketplace already shows the start of the next one."""
    runs = previous.status is Status.ACTIVE and previous.starts_at is not None and previous.starts_at <= now
    ahead = facts.starts_at is not None and facts.starts_at > now
    return previous.starts_at if runs and ahead else facts.starts_at


def _union(old: Sequence[Alias], new: Sequence[Alias]) -> tuple[Alias, ...]:
    """Keep the old ids, because signals may still come under them; the new word on exactness counts."""
    merged = {(alias.kind, alias.value): alias for alias in (*old, *new)}
    return tuple(merged.values())


def _richer(old: Buyer | None, new: Buyer | None) -> Buyer | None:
    if old is None or new is None or (old.id and new.id and old.id != new.id):
        return new or old
    told = {name: value for name, value in dict(new).items() if value is not None}
    return old.model_copy(update=told | {"details": old.details | new.details})

"""Truth into snapshots: read, compare with what is stored, and store a new version where it differs."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import Field, JsonValue

from crossmarket.clock import Clock
from crossmarket.errors import MarketplaceError, UnknownSubscriptionError
from crossmarket.identifiers import new_id
from crossmarket.models import Alias, Buyer, Facts, Frozen, Link, Status, Subscription
from crossmarket.provider import ListsSubscriptions, Marketplace
from crossmarket.store.contract import AuditEntry, Store, VersionConflictError

logger = logging.getLogger(__name__)

BOOKKEEPING = frozenset({"version", "observed_at", "stale_since", "updated_at", "access"})
"""Fields in which two versions may differ although nothing happened."""

ATTEMPTS = 10
"""How often a lost race for the next version is run again."""


class Change(Frozen):
    """One field that differs: what it was and what it is, as JSON."""

    field: str
    before: JsonValue
    after: JsonValue


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


def evolve(
    previous: Subscription | None,
    facts: Facts,
    *,
    marketplace: str,
    now: datetime,
    lag: timedelta = timedelta(0),
) -> Subscription:
    """Return the next version, or the same version with a later `observed_at` where nothing differs.

    A status word that we do not know leaves the status as it was and marks the snapshot unrecognised: it
    neither grants nor revokes. A read that still shows `pending` within `lag` of our own activation is older than the
    stored state (Azure says PendingFulfillmentStart for minutes) and changes nothing. What is known about the
    buyer is never overwritten with nothing.
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
        known |= {"status": previous.status, "reason": previous.reason}
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


class Recorder:
    """Stores what marketplaces say, one version after another, whoever else is storing at the same time.

    Args:
        store: Where to.
        clock: Tells the time.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def record(
        self,
        marketplace: Marketplace,
        facts: Facts,
        *,
        origin: str,
        action: str,
        subscription_id: str | None = None,
        also: Callable[[Subscription], Subscription] = lambda subscription: subscription,
    ) -> Subscription:
        """Store the truth of one subscription, which may be new, and return it as stored.

        Args:
            marketplace: Who says so.
            facts: What it says.
            origin: What caused the read, for the audit.
            action: What was done, for the audit.
            subscription_id: Our id, where it is known; else it is found by its aliases.
            also: Makes further changes to the version, such as binding an account. It may raise, and is called
                again when another writer was faster.

        Raises:
            StoreError: The database is out of reach.
        """
        lag = timedelta(seconds=marketplace.capabilities.activation_lag_seconds)
        for _ in range(ATTEMPTS):
            now = self._clock.now()
            holders = self._holders(marketplace.name, facts.aliases)
            previous = self._previous(subscription_id, holders)
            mine = _without_foreign_aliases(facts, holders, previous)
            evolved = evolve(previous, mine, marketplace=marketplace.name, now=now, lag=lag)
            candidate = also(self._linked(evolved, mine))
            if previous is not None:
                candidate = next_version(previous, candidate, now)
            try:
                self._store_version(previous, candidate, action=action, origin=origin)
            except VersionConflictError:
                continue
            self._close_link(candidate, origin)
            return candidate
        raise RuntimeError("ten writers in a row were faster: is one of them in a loop?")

    def _store_version(
        self, previous: Subscription | None, candidate: Subscription, *, action: str, origin: str
    ) -> None:
        expected = previous.version if previous is not None else 0
        if candidate.version == expected:
            self._store.seen(candidate)
            return
        entry = AuditEntry(
            action=action,
            at=self._clock.now(),
            origin=origin,
            subscription=candidate.id,
            account=candidate.account,
            version=candidate.version,
            detail=_summary(previous, candidate),
        )
        self._store.save(candidate, entry, expected=expected)

    def mark_unread(self, subscription: Subscription) -> Subscription:
        """Note that the marketplace could not be read: the snapshot stays, and is stale from now on."""
        stale = subscription.model_copy(update={"stale_since": subscription.stale_since or self._clock.now()})
        self._store.seen(stale)
        return stale

    def owner(self, marketplace: str, aliases: Sequence[Alias]) -> Subscription | None:
        """Return the stored subscription to which one of these exact ids belongs."""
        return next(iter(self._holders(marketplace, aliases).values()), None)

    def _holders(self, marketplace: str, aliases: Sequence[Alias]) -> dict[tuple[str, str], Subscription]:
        """Return to which subscription each exact id belongs, the oldest subscription first."""
        exact = [alias for alias in aliases if alias.exact]
        keys = {(alias.kind, alias.value) for alias in exact}
        return {
            (alias.kind, alias.value): subscription
            for subscription in (self._store.find(marketplace, exact) if exact else [])
            for alias in subscription.aliases
            if alias.exact and (alias.kind, alias.value) in keys
        }

    def _previous(
        self, subscription_id: str | None, holders: Mapping[tuple[str, str], Subscription]
    ) -> Subscription | None:
        if subscription_id is None:
            return next(iter(holders.values()), None)
        stored = self._store.get(subscription_id)
        if stored is None:
            raise UnknownSubscriptionError(f"There is no subscription '{subscription_id}'.", field="id")
        return stored

    def _linked(self, candidate: Subscription, facts: Facts) -> Subscription:
        """Tie a subscription to the one that it continues, and let it inherit the account where that is stated.

        It inherits at later reads too, since the predecessor may have got its account only in the meantime.
        """
        if candidate.replaces is None and facts.follows is not None:
            predecessor = self._predecessor(candidate, facts.follows.alias)
            if predecessor is not None:
                link = Link(subscription=predecessor.id, certainty=facts.follows.certainty)
                candidate = candidate.model_copy(update={"replaces": link})
        tie = candidate.replaces
        if candidate.account is None and tie is not None and tie.certainty == "stated":
            predecessor = self._store.get(tie.subscription)
            if predecessor is not None:
                inherited = {"account": predecessor.account, "shared_with": predecessor.shared_with}
                candidate = candidate.model_copy(update=inherited)
        return candidate

    def _predecessor(self, candidate: Subscription, alias: Alias) -> Subscription | None:
        """Return the newest earlier member of the chain that nothing has replaced yet."""
        epoch = datetime.min.replace(tzinfo=self._clock.now().tzinfo)
        chain = [
            other
            for other in self._store.find(candidate.marketplace, [alias])
            if other.id != candidate.id
            and other.replaced_by is None
            and (other.starts_at or epoch) <= (candidate.starts_at or self._clock.now())
            and not self._continues(other, candidate)
        ]
        return max(chain, key=lambda other: (other.starts_at or epoch, other.id), default=None)

    def _continues(self, later: Subscription | None, earlier: Subscription) -> bool:
        """Return whether a subscription is tied to an earlier one already, over any number of links."""
        met: set[str] = set()
        while later is not None and later.replaces is not None and later.id not in met:
            met.add(later.id)
            if later.replaces.subscription == earlier.id:
                return True
            later = self._store.get(later.replaces.subscription)
        return False

    def _close_link(self, successor: Subscription, origin: str) -> None:
        """Tell the predecessor who continues it, once the successor does.

        Before that, an ended predecessor is all that the account has: closing it would take access away.
        """
        if successor.replaces is None or successor.status in {Status.PENDING, Status.UNKNOWN}:
            return
        for _ in range(ATTEMPTS):
            predecessor = self._store.get(successor.replaces.subscription)
            if predecessor is None or predecessor.replaced_by is not None:
                return
            if successor.replaces.certainty == "guessed" and not _share_account(successor, predecessor):
                return
            now = self._clock.now()
            link = Link(subscription=successor.id, certainty=successor.replaces.certainty)
            linked = next_version(predecessor, predecessor.model_copy(update={"replaced_by": link}), now)
            entry = AuditEntry(
                action="replaced",
                at=now,
                origin=origin,
                subscription=linked.id,
                account=linked.account,
                version=linked.version,
                detail={"replaced_by": successor.id},
            )
            try:
                self._store.save(linked, entry, expected=predecessor.version)
            except VersionConflictError:
                continue
            return


def _share_account(successor: Subscription, predecessor: Subscription) -> bool:
    return not predecessor.accounts or not set(predecessor.accounts).isdisjoint(successor.accounts)


def _without_foreign_aliases(
    facts: Facts, holders: Mapping[tuple[str, str], Subscription], previous: Subscription | None
) -> Facts:
    """Leave an exact id with the subscription that had it first; here it then only helps to find."""
    own = previous.id if previous is not None else None
    kept = []
    for alias in facts.aliases:
        holder = holders.get((alias.kind, alias.value)) if alias.exact else None
        foreign = holder is not None and holder.id != own
        kept.append(alias.model_copy(update={"exact": False}) if foreign else alias)
    return facts.model_copy(update={"aliases": tuple(kept)})


def _summary(previous: Subscription | None, candidate: Subscription) -> dict[str, JsonValue]:
    """Return which fields changed; the values stand in the versions themselves."""
    if previous is None:
        return {"status": candidate.status.value}
    return {"changed": [change.field for change in changes_between(previous, candidate)]}


def reconcile(
    marketplace: Marketplace, recorder: Recorder, subscription: Subscription, *, origin: str = "reconcile"
) -> Drift:
    """Read the truth of one subscription and store what differs.

    A marketplace that cannot be read changes nothing but the mark that the snapshot is stale.
    """
    try:
        facts = marketplace.read(subscription)
    except MarketplaceError as error:
        logger.warning("subscription %s cannot be read: %s", subscription.id, error)
        kept = recorder.mark_unread(subscription)
        return _drift(kept, "unread", error=str(error))
    stored = recorder.record(marketplace, facts, origin=origin, action="reconciled", subscription_id=subscription.id)
    changes = changes_between(subscription, stored)
    return _drift(stored, "changed" if changes else "none", changes=changes)


def reconcile_marketplace(
    marketplace: Marketplace, recorder: Recorder, subscriptions: Sequence[Subscription]
) -> Report:
    """Read every known subscription of a marketplace, and where it has a list, find the unknown ones."""
    drift = [reconcile(marketplace, recorder, subscription) for subscription in subscriptions]
    errors = {}
    try:
        drift += _find_unknown(marketplace, recorder)
    except MarketplaceError as error:
        errors[marketplace.name] = str(error)
    return Report(checked=len(drift), drift=tuple(item for item in drift if item.kind != "none"), errors=errors)


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

"""The recorder: stores what marketplaces say, one version after another, and ties successors to predecessors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import JsonValue

from crossmarket.clock import Clock
from crossmarket.errors import UnknownSubscriptionError
from crossmarket.models import Alias, Facts, Link, Status, Subscription
from crossmarket.provider import Marketplace
from crossmarket.snapshot import changes_between, evolve, next_version
from crossmarket.store.contract import AuditEntry, Store, VersionConflictError

ATTEMPTS = 10
"""How often a lost race for the next version is run again."""


class OvertakenError(Exception):
    """Something newer was stored while the marketplace was being read: read again. `reconcile()` does."""


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
        read_since: datetime | None = None,
        also: Callable[[Subscription], Subscription] = lambda subscription: subscription,
    ) -> Subscription:
        """Store the truth of one subscription, which may be new, and return it as stored.

        Args:
            marketplace: Who says so.
            facts: What it says.
            origin: What caused the read, for the audit.
            action: What was done, for the audit.
            subscription_id: Our id, where it is known; else it is found by its aliases.
            read_since: When the read began (UTC): what has been stored since then is not overwritten by it.
            also: Makes further changes to the version, such as binding an account. It may raise, and is called
                again when another writer was faster.

        Raises:
            OvertakenError: A version was stored after `read_since`.
            StoreError: The database is out of reach.
        """
        lag = timedelta(seconds=marketplace.capabilities.activation_lag_seconds)
        for _ in range(ATTEMPTS):
            now = self._clock.now()
            holders = self._holders(marketplace.name, facts.aliases)
            previous = self._previous(subscription_id, holders)
            if previous is not None and read_since is not None and previous.updated_at > read_since:
                raise OvertakenError
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

    def now(self) -> datetime:
        """Return the time by the clock that versions are stored by."""
        return self._clock.now()

    def newest(self, subscription: Subscription) -> Subscription:
        """Return a subscription as it is stored now."""
        return self._store.get(subscription.id) or subscription

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

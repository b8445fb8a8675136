"""May this account use this feature now? Pure functions of snapshots, catalog, policy and time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from crossmarket.catalog import Catalog, Grant
from crossmarket.errors import InvalidArgumentError
from crossmarket.models import Decision, DecisionReason, Entitlement, Frozen, Reason, Status, Subscription

SUPERSEDED = frozenset({Reason.REPLACED, Reason.RENEWED_ELSEWHERE})


class AccessPolicy(Frozen):
    """What the ISV has decided about doubtful cases.

    Attributes:
        stale_grace: How long the last snapshot is good while its marketplace cannot be read, and after the end
            of a term whose renewal has not been seen yet.
        stale_policy: What applies afterwards.
        suspended_access: Whether a subscription that the marketplace has suspended for want of payment keeps
            its access. One that is unlinked never does.
    """

    stale_grace: timedelta = timedelta(hours=72)
    stale_policy: Literal["deny", "allow"] = "deny"
    suspended_access: bool = False


class Standing(NamedTuple):
    """Whether a subscription is live at a moment, why not, and on how fresh a snapshot that rests."""

    live: bool
    reason: DecisionReason
    source: Literal["fresh", "grace"] = "fresh"


def standing(subscription: Subscription, now: datetime, policy: AccessPolicy) -> Standing:
    """Say whether one subscription is live at a moment.

    The rules, from the marketplaces' documented behaviour: a cancellation takes effect at its date, not
    before (Yandex `CANCELLED`, Azure `autoRenew` false, AWS `EXPIRE`); a superseded agreement stands until its
    successor is seen (AWS `RENEWED`, `REPLACED`); a date of renewal that has passed proves nothing until the
    marketplace is read again (AWS `ExpirationDate`); a marketplace that cannot be read has ended nothing.
    """
    match subscription.status:
        case Status.ACTIVE:
            return _active(subscription, now, policy)
        case Status.ENDED if subscription.reason in SUPERSEDED and subscription.replaced_by is None:
            return Standing(live=True, reason=DecisionReason.ENTITLED, source="grace")
        case Status.ENDED:
            return _not_live(subscription, DecisionReason.EXPIRED)
        case Status.SUSPENDED if not policy.suspended_access or subscription.reason is Reason.UNLINKED:
            return _not_live(subscription, DecisionReason.SUSPENDED)
        case Status.SUSPENDED:
            return _active(subscription, now, policy)
        case _:
            return _not_live(subscription, DecisionReason.PENDING)


def _not_live(subscription: Subscription, reason: DecisionReason) -> Standing:
    return Standing(live=False, reason=reason, source="grace" if subscription.stale else "fresh")


def _active(subscription: Subscription, now: datetime, policy: AccessPolicy) -> Standing:
    if subscription.starts_at is not None and now < subscription.starts_at:
        return _not_live(subscription, DecisionReason.PENDING)
    if subscription.cancels_at is not None and now >= subscription.cancels_at:
        return _not_live(subscription, DecisionReason.EXPIRED)
    if subscription.will_renew is False and subscription.ends_at is not None and now >= subscription.ends_at:
        return _not_live(subscription, DecisionReason.EXPIRED)
    doubtful_since = [moment for moment in (subscription.stale_since, _overdue_since(subscription, now)) if moment]
    if not doubtful_since:
        # A status word that we do not know revokes nothing, however long it lasts: the marketplace can be read.
        source: Literal["fresh", "grace"] = "grace" if subscription.unrecognised else "fresh"
        return Standing(live=True, reason=DecisionReason.ENTITLED, source=source)
    if now < min(doubtful_since) + policy.stale_grace or policy.stale_policy == "allow":
        return Standing(live=True, reason=DecisionReason.ENTITLED, source="grace")
    return Standing(live=False, reason=DecisionReason.STALE, source="grace")


def _overdue_since(subscription: Subscription, now: datetime) -> datetime | None:
    """Return the end of the term, if it has passed and the marketplace has not been read since."""
    end = subscription.ends_at
    if end is None or now < end or subscription.observed_at >= end:
        return None
    return end


class _Candidate(NamedTuple):
    subscription: Subscription
    standing: Standing
    grant: Grant


def decide(
    account: str,
    feature: str,
    quantity: float,
    subscriptions: Sequence[Subscription],
    catalog: Catalog,
    policy: AccessPolicy,
    now: datetime,
) -> Decision:
    """Answer for one feature, over all subscriptions of the account.

    Live subscriptions that grant the feature count, with the greatest of their limits. Where none allows it, the
    reason is the one that the buyer can do most about: a limit, then a subscription that would grant it but is
    stale, suspended or pending, then a plan without it, then one that has ended.

    Raises:
        InvalidArgumentError: Account or feature is no text, or the quantity is no number from 0 up.
    """
    check_arguments(account, feature, quantity)
    standings = [(item, standing(item, now, policy)) for item in subscriptions]
    granting = [
        _Candidate(item, stand, grant)
        for item, stand in standings
        if (grant := catalog.grants(item).get(feature)) is not None
    ]
    live = [candidate for candidate in granting if candidate.standing.live]
    enough = [c for c in live if c.grant.limit is None or quantity <= c.grant.limit]
    if enough:
        return _decision(DecisionReason.ENTITLED, account, feature, quantity, enough, catalog)
    if live:
        return _decision(DecisionReason.LIMIT_EXCEEDED, account, feature, quantity, live, catalog)
    for reason in (DecisionReason.STALE, DecisionReason.SUSPENDED, DecisionReason.PENDING):
        if held := [c for c in granting if c.standing.reason is reason]:
            return _decision(reason, account, feature, quantity, held, catalog)
    rest = [_Candidate(item, stand, Grant(feature=feature, limit=0, line="")) for item, stand in standings]
    if without := [c for c in rest if c.standing.live]:
        return _decision(DecisionReason.NOT_IN_PLAN, account, feature, quantity, without, catalog)
    # A plan that is still pending may turn out to hold the feature: AWS tells dimensions only once it is paid.
    for reason in (DecisionReason.PENDING, DecisionReason.SUSPENDED, DecisionReason.STALE, DecisionReason.EXPIRED):
        if held := [c for c in rest if c.standing.reason is reason]:
            return _decision(reason, account, feature, quantity, held, catalog)
    return _decision(DecisionReason.NOT_SUBSCRIBED, account, feature, quantity, [], catalog)


def entitlements(
    account: str, subscriptions: Sequence[Subscription], catalog: Catalog, policy: AccessPolicy, now: datetime
) -> list[Entitlement]:
    """Return all features that the live subscriptions of an account grant, in alphabetical order."""
    check_account(account)
    granted: dict[str, list[_Candidate]] = {}
    for item in subscriptions:
        stand = standing(item, now, policy)
        if stand.live:
            for grant in catalog.grants(item).values():
                granted.setdefault(grant.feature, []).append(_Candidate(item, stand, grant))
    return [
        Entitlement(
            feature=feature,
            account=account,
            limit=_greatest_limit(held),
            value=next((c.grant.value for c in held if c.grant.value is not None), None),
            ends_at=_last_end(held),
            subscriptions=tuple(c.subscription.id for c in held),
            marketplaces=tuple(sorted({c.subscription.marketplace for c in held})),
        )
        for feature, held in sorted(granted.items())
    ]


def check_arguments(account: object, feature: object, quantity: object) -> None:
    """Refuse arguments that no answer can be given for.

    Raises:
        InvalidArgumentError: Account or feature is no text, or the quantity is no number from 0 up.
    """
    check_account(account)
    _check_text("feature", feature)
    if isinstance(quantity, bool) or not isinstance(quantity, int | float):
        raise InvalidArgumentError("The quantity must be a number.", field="quantity")
    if (isinstance(quantity, float) and not math.isfinite(quantity)) or quantity < 0:
        raise InvalidArgumentError("The quantity must be a finite number from 0 up.", field="quantity")


def check_account(account: object) -> None:
    """Refuse an account that is none.

    Raises:
        InvalidArgumentError: It is no text, or an empty one.
    """
    _check_text("account", account)


def _check_text(name: str, value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise InvalidArgumentError(f"The {name} must be a text that is not empty.", field=name)


def _greatest_limit(held: Sequence[_Candidate]) -> int | float | None:
    limits = [c.grant.limit for c in held]
    return None if not limits or None in limits else max(limit for limit in limits if limit is not None)


def _last_end(held: Sequence[_Candidate]) -> datetime | None:
    ends = [c.subscription.cancels_at or c.subscription.ends_at for c in held]
    return None if not ends or None in ends else max(end for end in ends if end is not None)


def _decision(
    reason: DecisionReason,
    account: str,
    feature: str,
    quantity: float,
    held: Sequence[_Candidate],
    catalog: Catalog,
) -> Decision:
    allowed = reason is DecisionReason.ENTITLED
    granting = allowed or reason is DecisionReason.LIMIT_EXCEEDED
    limit = _greatest_limit(held) if granting else None
    sources = {c.standing.source for c in held}
    # One fresh snapshot is ground enough to allow; a refusal is doubtful as soon as one of them is.
    doubtful = sources == {"grace"} if allowed else "grace" in sources
    return Decision(
        allowed=allowed,
        reason=reason,
        account=account,
        feature=feature,
        quantity=quantity,
        limit=limit,
        ends_at=_last_end(held) if granting else None,
        source="grace" if doubtful else "fresh",
        version=max((c.subscription.version for c in held), default=0),
        subscriptions=tuple(c.subscription.id for c in held),
        message=_message(reason, feature, quantity, limit, catalog),
        help_url=None if allowed else _help_url(held, catalog),
    )


def _help_url(held: Sequence[_Candidate], catalog: Catalog) -> str | None:
    """Return the listing where the buyer already is, else the only one, else the first by name."""
    for candidate in reversed(held):
        if url := catalog.listing.get(candidate.subscription.marketplace):
            return url
    return next((url for _, url in sorted(catalog.listing.items())), None)


_MESSAGES = {
    DecisionReason.ENTITLED: "The account may use '{feature}'.",
    DecisionReason.LIMIT_EXCEEDED: "The plan has {limit} of '{feature}', and {quantity} were asked for.",
    DecisionReason.NOT_IN_PLAN: "The account's plan does not have '{feature}'.",
    DecisionReason.PENDING: "The subscription is not active yet.",
    DecisionReason.SUSPENDED: "The subscription is suspended on the marketplace.",
    DecisionReason.EXPIRED: "The subscription has ended.",
    DecisionReason.STALE: "The marketplace has not been readable for longer than the grace allows.",
    DecisionReason.NOT_SUBSCRIBED: "The account has no subscription.",
}


def _message(reason: DecisionReason, feature: str, quantity: float, limit: float | None, catalog: Catalog) -> str:
    if reason is DecisionReason.NOT_IN_PLAN and feature not in catalog.features:
        return f"The catalog knows no feature '{feature}'."
    return _MESSAGES[reason].format(feature=feature, quantity=_number(quantity), limit=_number(limit or 0))


def _number(value: float) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)

"""Landing: a buyer comes with a token, and it is exchanged for the subscription that it stands for."""

from __future__ import annotations

from datetime import timedelta

from pydantic import SecretStr

from crossmarket import landing_token
from crossmarket.clock import Clock
from crossmarket.errors import InvalidTokenError, MarketplaceError
from crossmarket.models import Facts, Landing, Subscription
from crossmarket.provider import Marketplace
from crossmarket.recorder import Recorder
from crossmarket.seal import Sealed
from crossmarket.store.contract import Store

RECALL = timedelta(hours=4)
"""How long a token that the marketplace no longer takes is still recognised as the one that it took before.

AWS documents a token both as good for four hours and as single-use: the result of the first exchange counts.
"""


def land(marketplace: Marketplace, raw: str, *, store: Store, recorder: Recorder, clock: Clock) -> Landing:
    """Exchange a landing token. Nothing is billed, no account is bound, and landing again changes nothing.

    Args:
        marketplace: Where the buyer comes from.
        raw: The token, as the query or the form brought it.
        store: Remembers what a token stood for.
        recorder: Stores the subscription.
        clock: Tells the time.

    Raises:
        InvalidTokenError: The token is empty, malformed, expired, or of another product or seller.
        MarketplaceError: The marketplace cannot be asked.
    """
    token = landing_token.clean(marketplace.name, raw)
    digest = landing_token.fingerprint(marketplace.name, token)
    try:
        resolved = marketplace.resolve(token)
    except InvalidTokenError:
        recalled = _recall(marketplace, digest, store=store, clock=clock)
        if recalled is None:
            raise
        return recalled
    if resolved.facts is None:
        return Landing(
            marketplace=marketplace.name,
            hints=resolved.hints,
            aliases=resolved.aliases,
            expires_at=resolved.expires_at,
            token=token,
        )
    subscription = _landed(marketplace, resolved.facts, recorder)
    store.remember_landing(digest, subscription.id, clock.now())
    return Landing(
        marketplace=marketplace.name,
        subscription=subscription,
        hints=resolved.hints,
        aliases=resolved.aliases,
        expires_at=resolved.expires_at,
    )


def reopen(sealed: Sealed, store: Store) -> Landing:
    """Return the landing that was sealed, with its subscription as it stands now."""
    return Landing(
        marketplace=sealed.marketplace,
        subscription=store.get(sealed.subscription) if sealed.subscription else None,
        hints=sealed.hints,
        aliases=sealed.aliases,
        expires_at=sealed.expires_at,
        token=SecretStr(sealed.token) if sealed.token else None,
    )


def _landed(marketplace: Marketplace, facts: Facts, recorder: Recorder) -> Subscription:
    """Store what a token stands for.

    A subscription that is known is read in the light of what is known, as at every other time: what a token
    tells by itself can be less, and must not overwrite it ("Set up your account" brings buyers here again).
    """
    known = recorder.owner(marketplace.name, facts.aliases)
    if known is None:
        return recorder.record(marketplace, facts, origin="landing", action="landed")
    ids = known.marketplace_ids | facts.marketplace_ids
    try:
        facts = marketplace.read(known.model_copy(update={"marketplace_ids": ids}))
    except MarketplaceError:
        return recorder.mark_unread(known)
    return recorder.record(marketplace, facts, origin="landing", action="landed", subscription_id=known.id)


def _recall(marketplace: Marketplace, digest: str, *, store: Store, clock: Clock) -> Landing | None:
    remembered = store.recall_landing(digest, since=clock.now() - RECALL)
    subscription = store.get(remembered) if remembered else None
    return Landing(marketplace=marketplace.name, subscription=subscription) if subscription else None
